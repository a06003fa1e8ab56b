"""Access tokens of a Google service account (https://developers.google.com/identity/protocols/oauth2/service-account).

The account's key signs a claim (a JSON Web Token, RFC 7523), and Google exchanges it for a token that lasts an hour.
"""

import asyncio
import base64
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from moat.adapters.providers.gemini_errors import error_of
from moat.adapters.providers.http1 import HttpClient, Limits, Timeouts, request_head
from moat.domain.errors import ConfigError, ProviderDown, ProviderError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LIFETIME = 3600
AHEAD = 300
"""Seconds before its end at which a token is replaced."""
MAX_FILE = 64 * 1024
MAX_ANSWER = 64 * 1024

Sign = Callable[[bytes], bytes]


class ServiceAccount(msgspec.Struct, frozen=True):
    """A service account's key, as Google hands it out."""

    client_email: str
    private_key: str
    """PKCS #8 in PEM."""
    private_key_id: str = ""
    token_uri: str = "https://oauth2.googleapis.com/token"
    type: str = "service_account"


class _Exchanged(msgspec.Struct):
    access_token: str
    expires_in: float = LIFETIME


def read_file(path: Path) -> str:
    """What a file of credentials holds, as far as it may. Raises `ConfigError`."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE).decode("utf-8", "replace")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from None


def read_account(text: str, *, where: str) -> ServiceAccount:
    """A service account from its JSON. Raises `ConfigError`, which never repeats what it read."""
    try:
        account = msgspec.json.decode(text, type=ServiceAccount)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        account = None
    if account is None or account.type != "service_account":
        raise ConfigError("is not the JSON key of a service account", where=where, remedy="Google Cloud makes one.")
    return account


def signer(account: ServiceAccount, *, where: str) -> Sign:
    """Signs with RS256 (RFC 7518, 3.3). Raises `ConfigError` for a key that is none, or when it cannot sign at all."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise ConfigError(
            "a service account needs the package cryptography",
            where=where,
            remedy="Install it: pip install 'moat[vertex]'.",
        ) from None
    try:
        key = load_pem_private_key(account.private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError("its private_key is no key in PEM", where=where) from None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigError("its private_key is no RSA key", where=where)
    return lambda message: key.sign(message, PKCS1v15(), SHA256())


class Tokens:
    """The account's current access token, replaced ahead of its end; one exchange at a time."""

    def __init__(
        self, account: ServiceAccount, sign: Sign, *, where: str, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock`: Unix time in seconds. Raises `ConfigError` for a `token_uri` that cannot be asked."""
        self._account = account
        self._sign = sign
        self._clock = clock
        self._where = f"{where}: token"
        self._lock = asyncio.Lock()
        self._client = HttpClient(where=self._where, limits=Limits(connections=2))
        self._headers = (("content-type", "application/x-www-form-urlencoded"), ("user-agent", "moat"))
        request_head("POST", account.token_uri, self._headers)
        self._ends = 0.0
        self.current = ""

    async def token(self) -> str:
        """A token that lasts. Raises `ProviderError` when there is none to be had."""
        if self._clock() < self._ends - AHEAD:
            return self.current
        async with self._lock:
            if self._clock() >= self._ends - AHEAD:
                await self._replace()
        return self.current

    def forget(self) -> None:
        """The token was refused: get another for the next request."""
        self._ends = 0.0

    async def aclose(self) -> None:
        """Release connections."""
        await self._client.aclose()

    async def _replace(self) -> None:
        """While the old token lasts, a failure to replace it harms nobody."""
        try:
            found = await self._exchange()
        except ProviderError as error:
            if self._clock() < self._ends:
                return
            error.sent = False
            raise
        self.current, self._ends = found.access_token, self._clock() + found.expires_in

    async def _exchange(self) -> _Exchanged:
        grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": self._claim()}
        timeouts = Timeouts(connect=5, first_byte=10, idle=10)
        body = urlencode(grant).encode()
        async with self._client.request("POST", self._account.token_uri, self._headers, body, timeouts) as response:
            data = await response.read(MAX_ANSWER)
            if response.status != 200:
                error = error_of(response.status, dict(response.headers), data, where=self._where)
                if response.status in (400, 401, 403):  # about our key, not about the caller's request
                    error.status = 502
                raise error
        try:
            return msgspec.json.decode(data, type=_Exchanged)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProviderDown("answered without an access token", where=self._where) from None

    def _claim(self) -> str:
        account, now = self._account, int(self._clock())
        head = {"alg": "RS256", "typ": "JWT", **({"kid": account.private_key_id} if account.private_key_id else {})}
        claims = {
            "iss": account.client_email,
            "sub": account.client_email,
            "aud": account.token_uri,
            "scope": SCOPE,
            "iat": now,
            "exp": now + LIFETIME,
        }
        message = b".".join(_base64url(msgspec.json.encode(part)) for part in (head, claims))
        return b".".join((message, _base64url(self._sign(message)))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
