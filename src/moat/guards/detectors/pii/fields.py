"""Which words in front of a number speak of it: not those of another field, nor those of another number."""

import re

from moat.guards.detectors.pii.found import words

_OWN = re.compile(
    r"(?:[\"'](?P<quoted>[^\"'\n:,{}]{1,48})[\"']\s{0,4}(?::|=>)\s{0,4}|(?<![\w.-])(?P<bare>[A-Za-z_][\w.-]{0,40})="
    r"|<(?P<tag>[A-Za-z_][\w.:-]{0,40})(?:\s[^<>]{0,20})?>)"
    r"[\"'\[(]{0,2}\s?[+(]{0,2}\Z"
)
"""The name of a member, as JSON, programs, URLs, logs and XML write it, right in front of its value."""
_OPENING = "\"'[(+ \t\n"
_PART = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])")
_VAGUE = words(
    "number no nr num num. value val v digits data text content raw formatted display home work office private main"
    " primary secondary other default to from caller callee recipient sender label user name field input message msg"
    " body key q query s x y z n a b c d e f g h i j k l m o p r t u w td th tr li div"
    " span strong em code pre font small mark"
)
"""Names that say nothing: what the value is stands further up."""
_COUNTED = words(
    "ts time timestamp created updated modified started ended start end since until expires expiry at date duration"
    " elapsed count counter offset seq sequence bytes size length total rev revision version build limit cursor shard"
    " partition uptime port pid balance amount price cost"
)
"""Of names of members: what is counted or measured."""
_REACH = 64
_SUSPECT = re.compile(r"[\d\n)]")
"""What most words for numbers do not have between them and theirs."""
_NUMBER = re.compile(r"\d(?:[ .()/-]{0,2}\d){4,}")
_COLUMNS = re.compile(r"[\t|;,]|\S {2,}\S")
_WORD = re.compile(r"[^\W\d_]+")
_JOINING = words(
    "or and oder und et ou y o e i og och en of lub oraz и или ve veya is ist est es was no nr num number nummer on at"
    " auf unter au al na the my die der das mobile home work fax cell privat mobil office ext tel phone x"
)
"""Between two numbers of which what is said of the first holds of the second too."""


def own_name(text: str, start: int) -> str:
    """The name of the member whose value begins at `start`; empty where there is none."""
    at = start - 1
    floor = max(0, start - 8)
    while at > floor and text[at] in _OPENING:
        at -= 1
    if at <= 0 or text[at] not in ":=>":
        return ""
    match = _OWN.search(text, max(0, start - _REACH), start)
    return match[match.lastgroup or 0] if match else ""


def parts(name: str) -> list[str]:
    """The words of a name: of `phoneNumber` and `phone_number` two."""
    return [part.lower() for part in _PART.findall(name)]


def is_vague(name: str) -> bool:
    """Does a name say nothing of the value?"""
    return name.lower() in _VAGUE or not any(part not in _VAGUE for part in parts(name))


def is_counted(name: str) -> bool:
    """Does a name say that its value is an amount, a time or a count?"""
    return not _COUNTED.isdisjoint(parts(name))


def speaks(between: str) -> bool:
    """Can a word speak of a number, with this between them? Not over the end of a row of a table, nor past another
    number that has other words behind it.
    """
    if not _SUSPECT.search(between):
        return True
    if "\n" in between and _COLUMNS.search(between):
        return False
    if ")" in between and "," in between.partition(")")[0] and "(" not in between.partition(")")[0]:
        return False
    last = None
    for last in _NUMBER.finditer(between):  # noqa: B007 - the last one counts
        pass
    return last is None or _JOINING.issuperset(map(str.lower, _WORD.findall(between, last.end())))
