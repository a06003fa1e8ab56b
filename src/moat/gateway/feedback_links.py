"""Signed links: whoever has one may say what he thinks of one answer, until it expires, and nothing else."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64

import msgspec

from moat.domain.errors import NotFound, RequestError

PREFIX = "/feedback/"
MAX_TOKEN = 4096
_SIGNATURE = 32
"""Bytes of HMAC-SHA256 (RFC 2104)."""


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a link says, in the open: it is signed, not secret."""

    request_id: str
    expires_s: int
    """Unix seconds."""
    by: str = ""
    """Who it was made for."""
    categories: tuple[str, ...] = ()
    """What its form offers to tick."""
    tenant: str = ""
    environment: str = ""
    """Of the key that asked for it."""


class LinkExpired(NotFound):
    """It was good once."""

    default_status = 410


class LinkSigner:
    """Makes links, and knows its own."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def path(self, link: Link) -> str:
        """Of the page, below the server's address. Raises `RequestError` for what no link can hold."""
        payload = msgspec.json.encode(link)
        token = urlsafe_b64encode(self._sign(payload) + payload).decode().rstrip("=")
        if len(token) > MAX_TOKEN:
            raise RequestError("what it says is too long for a link", remedy="Offer fewer categories.")
        return PREFIX + token

    def read(self, token: str, now_s: float) -> Link:
        """What a token says. Raises `NotFound` unless it was signed here, `LinkExpired` when its time is over."""
        try:
            if len(token) > MAX_TOKEN:
                raise ValueError(token[:20])
            whole = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
            if urlsafe_b64encode(whole).decode().rstrip("=") != token:  # another way to write it
                raise ValueError(token[:20])
            signature, payload = whole[:_SIGNATURE], whole[_SIGNATURE:]
            if not hmac.compare_digest(signature, self._sign(payload)):
                raise ValueError(token[:20])
            link = msgspec.json.decode(payload, type=Link)
        except (ValueError, NotBase64, msgspec.DecodeError):
            raise NotFound("there is no such link", remedy="Was all of it copied?") from None
        if now_s >= link.expires_s:
            raise LinkExpired("this link has expired")
        return link

    def _sign(self, payload: bytes) -> bytes:
        return hmac.new(self._secret, b"moat feedback link\0" + payload, hashlib.sha256).digest()
