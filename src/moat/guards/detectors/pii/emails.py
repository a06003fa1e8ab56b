"""E-mail addresses: as RFC 5321 and 6531 have them in practice, and spelled so that machines do not see them."""

import re
from collections.abc import Iterator

from moat.guards.detector import Hit
from moat.guards.detectors.pii.found import words
from moat.guards.detectors.pii.search import Search
from moat.guards.glance import GLANCE
from moat.guards.patterns import Pattern

_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}\Z")
_DOMAIN = re.compile(
    r"(?:\w(?:[\w-]{0,61}\w)?\.){1,8}(?:xn--[A-Za-z0-9-]{2,59}|[^\W\d_]{2,24})(?!\w|\.\w)"
    r"|\[\d{1,3}(?:\.\d{1,3}){3}\]"
)
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Letters that stand beside an address without a space: Thai, Burmese, Khmer, Chinese, Japanese, Korean endings."""
_IN_UNSPACED = re.compile(
    rf"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?\.){{1,8}}[A-Za-z]{{2,24}}(?=[{_UNSPACED}])"
)
_AFTER_UNSPACED = re.compile(rf"(?<=[{_UNSPACED}])[^{_UNSPACED}]+\Z")
_FILES = words("png jpg jpeg gif svg webp css js ts json html htm php txt pdf zip mp4 min")
_BESIDE = re.compile(r"[=/|]")
"""Allowed in an address, but in practice what stands between it and the next field."""
_EDGES = "!#$%&'*/=?^`{|}~.-+"
_AT = (
    r"(?:\s?[(\[{<]\s?(?:at|@|arobase|arroba|chiocciola|ät|malpa|snabel-?a)\s?[)\]}>]\s?"
    r"|\s(?:at|arobase|arroba|chiocciola)\s|\s?@\s?)"
)
_DOT = (
    r"(?:\s?[(\[{<]\s?(?:dot|\.|punkt|point|punto|ponto|punt|kropka)\s?[)\]}>]\s?"
    r"|\s(?:dot|punkt|point|punto|ponto|kropka)\s|\s?\.\s?)"
)
_SPELLED = re.compile(
    rf"(?<![\w.+-])(?P<local>[\w+-]{{1,40}}(?:(?:\.|{_DOT})[\w+-]{{1,40}}){{0,3}}){_AT}"
    rf"(?P<domain>[\w-]{{1,40}}(?:{_DOT}[\w-]{{1,40}}){{0,3}}{_DOT}(?P<top>[a-z]{{2,10}}))(?![\w-])",
    re.IGNORECASE,
)
_SIGN = (
    r"[(\[{<]\s?(?:at|@|arobase|arroba|chiocciola|ät|dot|punkt|punto|ponto|kropka)\s?[)\]}>]|\s(?:dot|punkt|kropka)\s"
    r"|\b(?:arobase|arroba|chiocciola)\b|\s@|@\s|[a-z0-9](?-i:\sAT\s)[a-z0-9-]+\."
)
_SIGNS = Pattern(_SIGN, ignore_case=True)
_SPELLED_OUT = GLANCE.add(lambda: f"(?i:{_SIGN})")
_CAPITALS = re.compile(r"[\w+-] AT [\w-]+\.\w")
"""As nobody writes the word in a sentence of small letters."""
_ORDINARY = re.compile(r"[^\s@()]+@[^\s@()]+")
_TOPS = words(
    "com org net edu gov mil int info biz io ai co dev app me tv cloud online xyz site shop uk us ca au nz ie de at"
    " ch fr be nl lu"
    " es pt it gr pl cz sk hu ro bg hr si rs ua ru by ee lv lt fi se no dk is tr il ae sa eg za ng ke in pk bd lk"
    " cn hk tw jp kr"
    " sg my id th vn ph br ar cl pe mx eu example test"
)
_IS_MESSAGE = re.compile(
    r"^(?:message-id|in-reply-to|references|content-id):(?:\s{1,8}<[^<>\s]{1,200}>)*\s{0,8}<\Z",
    re.IGNORECASE | re.MULTILINE,
)
"""The id of a message has the form of an address."""
_LETTERS = re.compile(r"(?<![\w@.])(?:[\w.+-] ){2,40}@(?: [\w.-]){4,60}(?![\w])")


def emails(search: Search) -> Iterator[Hit]:
    """Addresses, and what is meant to be read as one."""
    text = search.text
    at = text.find("@")
    while at >= 0:
        yield from _plain(text, at)
        at = text.find("@", at + 1)
    if search.glimpse.shows(_SPELLED_OUT):
        yield from _spelled(text)


def _plain(text: str, at: int) -> Iterator[Hit]:
    before = text[max(0, at - 65) : at]
    domain = _IN_UNSPACED.match(text, at + 1) or _DOMAIN.match(text, at + 1)
    if domain is None:
        return
    local = _LOCAL.search(before)
    if local is None:
        if before.endswith('"') and (quoted := re.search(r'"[^"\s]{1,62}"\Z', before)):
            yield Hit("email", at - len(quoted[0]), domain.end(), 0.9)
        return
    name = _BESIDE.split(local[0])[-1]
    name = (found[0] if (found := _AFTER_UNSPACED.search(name)) else name).lstrip(_EDGES)
    if not name or domain[0].rpartition(".")[2].lower() in _FILES:
        return
    start = at - len(name)
    if name.rstrip(_EDGES) == "" or (name == "git" and text[domain.end() : domain.end() + 1] == ":"):
        return
    if "://" in before and re.search(r"://[^\s/@]*\Z", before):
        return  # credentials in a URL
    if text[start - 1 : start] == "<" and _IS_MESSAGE.search(text, max(0, start - 240), start):
        return
    yield Hit("email", start, domain.end(), 0.97)


def _spelled(text: str) -> Iterator[Hit]:
    looked_to = 0
    for hint, _ in _SIGNS.spans(text):
        if hint + 40 < looked_to:
            continue
        low, looked_to = max(looked_to, hint - 90), hint + 130
        for match in _SPELLED.finditer(text, low, min(len(text), looked_to)):
            if match["top"].lower() in _TOPS and not _ORDINARY.fullmatch(match[0]) and _meant(match):
                yield Hit("email", match.start(), match.end(), 0.6)
    at = text.find(" @ ")
    while at >= 0:
        for letters in _LETTERS.finditer(text, max(0, at - 90), at + 130):
            if "." in letters[0].partition("@")[2]:
                yield Hit("email", letters.start(), letters.end(), 0.7)
        at = text.find(" @ ", at + 60)


def _meant(match: re.Match[str]) -> bool:
    """Sentences have full stops and the word "at" too: two signs are needed, or brackets."""
    written = match[0].lower()
    between = written[match.end("local") - match.start() : match.start("domain") - match.start()]
    if "." in match["domain"] and " " not in between and "@" in between and re.search(r"\.\s", match["domain"]):
        return "\n" not in written
    if _CAPITALS.search(match[0]) and match[0].replace(" AT ", "").islower():
        return True
    worded = re.search(r"\s(?:at|arobase|arroba|chiocciola)\s", between) is not None
    dotted = re.search(_DOT.replace(r"|\s?\.\s?", ""), match["domain"].lower()) is not None
    return not worded or dotted
