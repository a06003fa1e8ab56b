"""Keys and tokens that are known by how they begin, and those that are told by what they have in the middle."""

import re
from collections.abc import Iterator
from functools import cache

from moat.guards.detectors.secrets.issuers import FORMATS
from moat.guards.detectors.secrets.values import is_placeholder_key, is_random
from moat.guards.glance import GLANCE, Glimpse
from moat.guards.patterns import Pattern

_BY_START = {
    begin: tuple(f for f in FORMATS if begin in f.begins.split("|"))
    for begin in sorted({b for f in FORMATS for b in f.begins.split("|")}, key=len, reverse=True)
}
STARTS = rf"\b(?:{'|'.join(map(re.escape, _BY_START))})"
_STARTS = Pattern(STARTS)
_JWT = re.compile(
    r"eyJ[\w-]{10,2000}\.eyJ[\w-]{8,6000}(?:\.[\w-]{0,1000})?|eyJ[\w-]{10,2000}\.[\w-]{8,6000}\.[\w-]{20,1000}"
)
_TELEGRAM = re.compile(r"\d{8,10}:A[\w-]{34}(?![\w-])")
_DISCORD = re.compile(r"[MNO][A-Za-z0-9_-]{23,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w-])")
_AZURE = re.compile(r"[A-Za-z0-9_~.]{3}\dQ~[\w~.-]{31,34}(?![\w~])")
_MAILGUN = re.compile(r"[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}(?![\w-])")
_NEW_RELIC = re.compile(r"[0-9a-f]{36}FFFFNRAL(?!\w)")
_MAILCHIMP = re.compile(r"[0-9a-f]{32}-us\d{1,2}(?!\w)")
_LIVE = re.compile(r"(?!pk_|pub)[a-z]{2,20}_(?:live|test|prod|sandbox)_(?P<drawn>[\w-]{16,200})")
"""As many services name theirs, after Stripe; not what they publish."""
_MAXMIND = re.compile(r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk(?!\w)")
_TERRAFORM = re.compile(r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}")
_SIGNED = r"AzFu|AzSe|AzCa|ACDb|\+ASt|\+ABa|\+AMC|\+ASb|\+AEh|\+ACR|AIoT|AZDO|AZEG|JQQJ99"
_AZURE_SIGNED = re.compile(
    r"(?:[A-Za-z0-9+/]{76}(?:\+ASt|ACDb|\+ABa)[A-Za-z0-9+/]{6}==|[A-Za-z0-9+/]{33}(?:\+AMC|\+ASb|\+AEh|AIoT|AZEG|AzCa)"
    r"[A-Za-z0-9+/]{6}=|[\w-]{44}AzFu[\w-]{6}==|[A-Za-z0-9+/]{42}(?:AzSe|\+ACR)[A-Za-z0-9]{6}|[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}"
    r"|[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26})(?![A-Za-z0-9+/_=-])"
)
"""Azure puts a mark of the service into its keys, so that they are recognised."""
_BEFORE_SIGN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-"
_ASANA = re.compile(r"[012]/\d{13,20}(?:/\d{13,20})?:[0-9a-f]{32}(?!\w)")
_FACEBOOK = re.compile(r"\d{15,16}(?:\||%7[cC])[\w-]{27,40}(?![\w-])")
ODD = (
    r"eyJ|\d:A|[MNO][A-Za-z0-9_-]{23,27}\.[\w-]{6}\.|\dQ~|[0-9a-f]{32}-(?:us\d|[0-9a-f]{8}-[0-9a-f])"
    r"|\.atlasv1\.|_mmk\b|FFFFNRAL\b"
    r"|_(?:live|test|prod|sandbox)_[\w-]{16}"
    rf"|{_SIGNED}|\b[012]/\d{{13}}|\b\d{{15,16}}(?:\||%7[cC])"
)
"""Of those that are told by something else than their beginning."""
_ODD = Pattern(ODD)
_BEGUN = GLANCE.add(lambda: STARTS)
_TOLD = GLANCE.add(
    lambda: (
        r"eyJ|\d:A|[A-Za-z0-9_-]\.[\w-]{6}\.|\dQ~|-us\d|[0-9a-f]-[0-9a-f]{8}-[0-9a-f]{8}|\.atlasv1\.|_mmk\b|FFFFNRAL|_(?:live|test|prod|sandbox)_"
        rf"|{_SIGNED}|\b[012]/\d|\d(?:\||%7[cC])[\w-]"
    )
)
"""What every match of `ODD` has in it."""


Found = tuple[int, int, float, str, str]
"""Start, end, score, kind and whose it is."""


def keys(text: str, glimpse: Glimpse) -> Iterator[Found]:
    """What is there, in any order. `glimpse`: of the text."""
    if glimpse.shows(_BEGUN):
        yield from _begun(text)
    if glimpse.shows(_TOLD):
        yield from _odd(text)


def _begun(text: str) -> Iterator[Found]:
    # Of this text alone: what may be a key is kept nowhere.
    placeholders: dict[str, bool] = {}
    for start, end in _STARTS.spans(text):
        if text[start - 1 : start] == "." and start > 0 and "/" not in text[start:end]:
            continue  # an attribute; of an address, it is a subdomain
        for format_ in _BY_START[text[start:end]]:
            match = _written(text[start:end], format_.rest).match(text, start)
            if match is None or _goes_on(text, match.end()):
                continue
            rest = match[0][end - start :]
            if rest not in placeholders:
                placeholders[rest] = is_placeholder_key(rest)
            if not placeholders[rest]:
                yield start, match.end(), format_.score, "api_key", format_.issuer
                break


@cache
def _written(begin: str, rest: str) -> re.Pattern[str]:
    """Compiled when a text first begins so: all of them take a tenth of a second, and most are met nowhere."""
    return re.compile(re.escape(begin) + rest)


def _goes_on(text: str, end: int) -> bool:
    return end < len(text) and text[end].isascii() and (text[end].isalnum() or text[end] == "_")


def _odd(text: str) -> Iterator[Found]:
    for start, _ in _ODD.spans(text):
        found = _web_token(text, start) if text.startswith("eyJ", start) else _anywhere(text, start)
        found = found or _signed(text, start)
        if found is not None:
            yield found


def _web_token(text: str, start: int) -> Found | None:
    match = _JWT.match(text, start)
    if match is None or (start > 0 and text[start - 1].isalnum()) or is_placeholder_key(match[0][27:]):
        return None
    return start, match.end(), 0.97, "token", "JSON web token"


def _signed(text: str, sign: int) -> Found | None:
    low = max(0, sign - 77)
    start = low + len(text[low:sign].rstrip(_BEFORE_SIGN))
    match = _AZURE_SIGNED.match(text, start) if sign - start > 31 else None
    if match is None or not is_random(match[0]) or is_placeholder_key(match[0]):
        return None
    return start, match.end(), 0.95, "api_key", "Azure"


def _anywhere(text: str, start: int) -> Found | None:
    for pattern, back, issuer in (
        (_DISCORD, 0, "Discord"),
        (_MAILCHIMP, 0, "Mailchimp"),
        (_MAILGUN, 0, "Mailgun"),
        (_NEW_RELIC, 36, "New Relic"),
        (_TELEGRAM, 9, "Telegram"),
        (_AZURE, 3, "Azure"),
        (_TERRAFORM, 14, "Terraform"),
        (_MAXMIND, 36, "MaxMind"),
        (_LIVE, 20, "a service"),
        (_ASANA, 0, "Asana"),
        (_FACEBOOK, 0, "Facebook"),
    ):
        for at in range(max(0, start - back), start + 1):
            joined = at > 0 and text[at - 1].isalnum()
            match = None if joined else pattern.match(text, at)
            if match and not is_placeholder_key(match[0]) and (pattern is not _LIVE or is_random(match["drawn"])):
                return at, match.end(), 0.9, "api_key", issuer
    return None
