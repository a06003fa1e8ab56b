"""Addresses of machines: IPv4, IPv6, MAC."""

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address

from moat.guards.detector import Hit
from moat.guards.detectors.pii.fields import own_name, parts
from moat.guards.detectors.pii.found import words
from moat.guards.detectors.pii.search import Search

_V4 = re.compile(
    r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}(?![0-9A-Za-z_]|\.[0-9]"
    r"|-[0-9A-Za-z])"
)
_NOBODY = re.compile(r"0\.|127\.|255\.255\.")
_VERSION = re.compile(
    r"(?:\bv|version|release|build|firmware|chrome/|==|>=|<=|~=|\^|python|upgrade|section|§)\s*:?\s*$"
    r"|\b(?:install|upgrad|updat)(?:ed|ing|e) [\w.@/-]{1,24} (?:to )?$"
    r"|(?<![:/.\w])[a-z][\w.+-]{0,20}/$",
    re.IGNORECASE,
)
_VERSIONS = words("version ver fw firmware build release rev revision oid")
"""Of names of members: what is numbered like an address."""
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Za-z:-])")
_CISCO = re.compile(r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z.])")
_V6 = re.compile(r"[0-9A-Fa-f:]{2,39}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![0-9A-Za-z:]|\.\d)")
_COLON = re.compile(r":[0-9A-Fa-f]{0,4}:")
_DASH = re.compile(r"-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-")
_DOT = re.compile(r"\.[0-9A-Fa-f]{4}\.")
_HEX = "0123456789abcdefABCDEF"


def v4(search: Search, start: int) -> Iterator[Hit]:
    """The IPv4 address that begins at `start`."""
    text = search.text
    match = _V4.match(text, start)
    if match is None or _NOBODY.match(match[0]) or text[start - 1 : start] in (".", "-", "_"):
        return
    if _VERSION.search(text[max(0, start - 40) : start]) or _names_version(text, start):
        return
    near = search.labels.around(start, match.end())[:2]
    low = all(len(part) == 1 for part in match[0].split(".")[:2])
    yield Hit(
        "ip", start, match.end(), 0.97 if "ip" in near else 0.3 if low else 0.45 if near[:1] == ("other",) else 0.85
    )


def _names_version(text: str, start: int) -> bool:
    return not _VERSIONS.isdisjoint(parts(own_name(text, start)))


def colons(search: Search) -> Iterator[Hit]:
    """IPv6 and MAC addresses. They are looked for from their colons, since few texts have those between hex digits."""
    text = search.text
    position = 0
    while match := _COLON.search(text, position):
        start = _start(text, match.start())
        position = match.end() - 1
        if start > 0 and (text[start - 1].isalnum() or text[start - 1] in "_:."):
            continue
        if found := _MAC.match(text, start):
            position = found.end()
            if "mac" in search.kinds and len(set(found[0])) > 2:
                yield Hit("mac", start, position, 0.95)
        elif (found := _V6.match(text, start)) and _is_v6(found[0]):
            position = found.end()
            if "ip" in search.kinds:
                yield Hit("ip", start, position, 0.95)


def dashes(search: Search) -> Iterator[Hit]:
    """MAC addresses written with dashes, or with dots as some switches do."""
    if "mac" not in search.kinds:
        return
    for trigger, form, size in ((_DASH, _MAC, 2), (_DOT, _CISCO, 4)):
        for match in trigger.finditer(search.text):
            start = match.start() - size
            joined = start > 0 and (search.text[start - 1].isalnum() or search.text[start - 1] in "-._")
            if start >= 0 and not joined and (found := form.match(search.text, start)):
                only_digits = found[0].replace(".", "").replace("-", "").isdigit()
                yield Hit("mac", start, found.end(), 0.55 if only_digits else 0.9)


def _start(text: str, colon: int) -> int:
    before = text[max(0, colon - 4) : colon]
    return colon - len(before) + len(before.rstrip(_HEX))


def _is_v6(written: str) -> bool:
    if (
        ("::" not in written and written.count(":") not in (6, 7))
        or not any(c.isdigit() for c in written)
        or len(written) < 6
    ):
        return False
    try:
        address = IPv6Address(written)
    except AddressValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)
