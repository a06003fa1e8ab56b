"""Addresses: where links lead, and what they carry away."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple
from urllib.parse import unquote_plus

from moat.guards.detector import Context, Detector, Hit
from moat.guards.hosts import host_of, is_below, is_disguised, is_number, plain_host
from moat.guards.text import Text

URL = re.compile(
    r"\b(?P<scheme>[a-z][a-z0-9+.-]{1,20}):(?P<slashes>[/\\]{1,3})(?P<rest>[^\s<>\"'`()\[\]|^]{1,2000})"
    r"|\b(?P<bad>javascript|vbscript|data|file|blob):(?P<body>[^\s<>\"'`]{1,2000})"
    r"|(?<![\w:/.@])(?:(?P<www>www\.[^\s<>\"'`()\[\]|^]{2,2000})|//(?P<relative>[\w-]{1,63}\.[^\s<>\"'`()\[\]|^]{1,2000}))",
    re.IGNORECASE,
)
TRAILING = ".,;:!?*_'\""
IMAGE = re.compile(
    r"(?:!\[[^\[\]\n]{0,200}\]\(\s{0,8}<?|<img\b[^<>]{0,300}?\bsrc\s{0,8}=\s{0,8}[\"']?)$", re.IGNORECASE
)
"""What stands before an address that is fetched without anybody's click."""
REFERENCE = re.compile(r"\]:\s{0,8}<?$")
"""Before one that an image elsewhere may refer to."""
BEFORE_IMAGE = 320
DATA = re.compile(r"[?#&;/=]([^?#&;/=]{8,2000})")
TOKEN = re.compile(r"(?:[A-Za-z0-9_-]{4}){6,}[A-Za-z0-9_=-]{0,4}|(?:[0-9a-fA-F]{2}){16,}")
PLACEHOLDER = re.compile(r"\{[\w .]{1,40}|%7B[\w .%]{1,40}|\$\{|\[(?:DATA|SUMMARY|SECRET|INSERT)", re.IGNORECASE)
MAX_CHECKED = 64
"""So many addresses are compared with the conversation."""
MAX_HAYSTACK = 400_000
SHORTEST_CARRIED = 12
OPENING_SCHEMES = frozenset({"javascript", "vbscript", "data", "file", "blob"})


class Link(NamedTuple):
    """An address in a text."""

    start: int
    end: int
    scheme: str
    host: str
    rest: str
    """Behind the host."""


class Urls(Detector, frozen=True):
    """Finds addresses that lead where they should not, or carry data away.

    Kinds: `host` (not of `allow`, or of `deny`), `scheme` (not of `schemes`), `disguised` (the host only looks like
    another, by letters of another script), `number` (an IP address for a host), `userinfo` (a name before `@` to pass
    for the host), `exfiltration` (it carries words of the conversation or something encoded to a host that is not
    allowed), `image` (a picture from a host that is not allowed, with a query: it is fetched without a click).
    """

    window: ClassVar[int] = 2400
    allow: tuple[str, ...] = ()
    """Hosts, their subdomains included; empty: all but those of `deny`. They are only checked for their scheme."""
    deny: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ("http", "https", "mailto", "tel", "ftp", "sftp", "ws", "wss", "git", "ssh")
    numbers: bool = False
    """IP addresses are fine."""

    def __post_init__(self) -> None:
        """Hosts are hosts, not addresses."""
        for host in (*self.allow, *self.deny):
            if not host or re.search(r"[/:@\s]", host):
                raise ValueError(f"{host!r} is no host: write it without scheme, port and path, like example.org")
        self.__dict__["_allowed"] = tuple(map(plain_host, self.allow))
        self.__dict__["_denied"] = tuple(map(plain_host, self.deny))

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Each address by itself; what they carry is compared with the conversation."""
        written = text.original
        if ":" not in written and "//" not in written and "www." not in written.lower():
            return
        said: list[str] | None = None
        for number, link in enumerate(_links(written)):
            allowed = bool(link.host) and is_below(link.host, self._allowed)
            yield from self._by_itself(link, allowed)
            if allowed or number >= MAX_CHECKED or not link.host:
                continue
            before = written[max(0, link.start - BEFORE_IMAGE) : link.start]
            is_image = IMAGE.search(before) is not None
            if said is None:
                said = _said(context)
            carried = _carries(link.rest, said)
            if carried and not any(written[link.start : link.end] in one for one in said):
                unasked = is_image or REFERENCE.search(before) is not None
                yield Hit("exfiltration", link.start, link.end, min(1.0, carried + 0.2 * unasked), "Remove this link.")
            elif is_image and "?" in link.rest:
                yield Hit("image", link.start, link.end, 0.55, "Show no pictures from other hosts.")

    @property
    def _allowed(self) -> tuple[str, ...]:
        allowed: tuple[str, ...] = self.__dict__["_allowed"]
        return allowed

    def _by_itself(self, link: Link, allowed: bool) -> Iterator[Hit]:
        start, end = link.start, link.end
        if link.scheme and (link.scheme not in self.schemes):
            yield Hit("scheme", start, end, 0.9 if link.scheme in OPENING_SCHEMES else 0.6, "No links of this scheme.")
        if not link.host:
            return
        if is_below(link.host, self.__dict__["_denied"]) or (self.allow and not allowed):
            yield Hit("host", start, end, 1.0, "Do not link to this host.")
        if allowed:
            return
        if is_disguised(link.host):
            yield Hit("disguised", start, end, 0.9, "This host is not what it looks like.")
        if is_number(link.host) and not self.numbers:
            yield Hit("number", start, end, 0.6, "Link to a name, not to a number.")
        if "@" in re.split(r"[/\\?#]", link.rest, maxsplit=1)[0]:
            yield Hit("userinfo", start, end, 0.8, "No names before the host of a link.")


def _links(text: str) -> Iterator[Link]:
    for match in URL.finditer(text):
        whole = match[0].rstrip(TRAILING if "{" in match[0] else TRAILING + "}")
        start, end = match.start(), match.start() + len(whole)
        if match["bad"]:
            if match["bad"].lower() != "data" or re.match(r"[\w.+-]+/[\w.+-]+[;,]", match["body"]):
                yield Link(start, end, match["bad"].lower(), "", match["body"])
            continue
        scheme = (match["scheme"] or "").lower()
        rest = (match["rest"] or match["www"] or match["relative"]).rstrip(TRAILING)
        host = host_of(rest) if len(match["slashes"] or "//") >= 2 or scheme in ("http", "https") else ""
        yield Link(start, end, scheme, host, rest)


def _said(context: Context) -> list[str]:
    """What must not be carried away, each text lower case."""
    texts = [context.instructions, context.question, *context.documents, *_contents(context)]
    kept, room = [], MAX_HAYSTACK
    for text in texts:
        if text and room > 0:
            kept.append(text[:room].lower())
            room -= len(text)
    return kept


def _contents(context: Context) -> Iterable[str]:
    return (str(message["content"]) for message in context.conversation if isinstance(message.get("content"), str))


def _carries(rest: str, said: list[str]) -> float:
    """How sure it is that an address carries data away: from what stands behind its host."""
    if PLACEHOLDER.search(rest):
        return 0.6
    surest = 0.0
    for part in DATA.finditer(rest):
        value = unquote_plus(part[1]).strip()
        if _is_quoted(value, said):
            return 0.8
        token = TOKEN.search(value)
        if token and (plain := _decoded(token[0])):
            surest = max(surest, 0.8 if _is_quoted(plain, said) else 0.6)
    return surest


def _is_quoted(value: str, said: list[str]) -> bool:
    """Is it part of what was said, and more than a word of it? Slugs (`return-policy`) are read as words too."""
    value = " ".join(value.lower().split())
    if len(value) < SHORTEST_CARRIED or (" " not in value and not any(map(str.isdigit, value)) and "@" not in value):
        return False
    return any(value in one for one in said)


def _decoded(token: str) -> str:
    """What a token says in base64 or hex, when that is text of several words or a value; else nothing."""
    try:
        raw = bytes.fromhex(token) if re.fullmatch(r"[0-9a-fA-F]+", token) else _base64(token)
        plain = raw.decode()
    except (ValueError, binascii.Error):
        return ""
    return plain if len(plain) >= SHORTEST_CARRIED and plain.isprintable() and re.search(r"[\s@:=,]", plain) else ""


def _base64(token: str) -> bytes:
    return base64.urlsafe_b64decode(token.rstrip("=") + "=" * (-len(token.rstrip("=")) % 4))
