"""Secrets that a name gives away: `api_key = ...`, `PASSWORD=...`, "my password is ...",
`Authorization: Bearer ...`.
"""

import base64
import binascii
import re
from collections.abc import Iterator

from moat.guards.detectors.secrets.formats import Found
from moat.guards.detectors.secrets.services import SERVICES
from moat.guards.detectors.secrets.values import entropy, is_name, is_placeholder, is_random, is_wordy
from moat.guards.glance import GLANCE, Glimpse
from moat.guards.patterns import Pattern

_PASSWORDS = (
    r"pass(?:wor[dt]|wd|phrase|code)s?|(?:\b|_)pass(?:\b|_)|pwd|(?:\b|_)pw(?:\b|_)|(?-i:[a-z0-9]P(?:ass|w)\b)"
    r"|kennwort|contrase(?:ñ|n)a|mot de passe|\bmdp\b|senha"
    r"|wachtwoord|\bidentified by\b|has(?:ł|l)o\b|парол[ьяю]"
    r"|密码|口令|パスワード|비밀번호|lösenord|adgangskode|passord|salasana|(?:ş|s)ifre|\bparola\b|heslo|jelszó|mật khẩu"
    r"|kata sandi|\bclave\b|credential|\bcreds\b"
)
_KEYS = (
    r"secret|token|(?:api|access|auth|private|encryption|signing|master|account|storage|service|deploy|app"
    r"|application|webhook|shared)[ _.-]?keys?"
    r"|key\b|schlüssel|\bclé\b|llave|chiave|\bauth\b|密钥|令牌|キー|키"
)
NAMES = (
    rf"(?P<password>{_PASSWORDS})|(?P<key>{_KEYS})|(?P<pin>\bPIN\b|\bpin\b)|(?P<scheme>\bbearer\s|\bbasic\s)"
    rf"|(?P<header>\bauthorization\b)|(?P<curl>\bcurl\s)|(?P<vendor>\b(?:{SERVICES})\b|\b(?:{SERVICES})_)"
)
_NAMES = Pattern(NAMES, ignore_case=True)
_NAMED = GLANCE.add(lambda: f"(?i:{NAMES})")
_BORING = re.compile(
    r"(?:count|max|min|length|len|limit|type|name|url|uri|path|file|dir|policy|hash|digest|checksum|field|input|label"
    r"|reset|forgot|strength|expir|regex|pattern|public|page|next|prev|cont|continuation|pagination|cursor|sync|tokens"
    r"|tokeni[sz]|usage|price|cost|budget|bucket|row|column|sort|primary|foreign|cache|config|version|schema|prompt"
    r"|template|placeholder|example|hint|valid|check|verify|manager|store|object|partition|lookup|hot|short|require"
    r"|enable|csrf|audience|index|map)+(?:s|es|d|ed|r|er|or|ing|ion|ation|ator|ity|y|ious|ory)?"
    r"|[a-z]+(?:name|url|uri|path|file|type|field|label|length|limit|hash|policy)"
)
"""Words of names of what is no secret itself; each word of a name like `tokenizer_config` by itself."""
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_BORING_END = re.compile(r"(?:^|_|[a-z](?=[IAWR]))(?:[iI][dD][sS]?|[aA][tT]|[wW][eE][bB]|[aA][rR][nN]|[rR][eE][fF])$")
"""The end of a name like `token_user_id`."""
_PASSED = re.compile(
    r"first|second|third|last|next|one|two|single|multi|band|low|high|render|shader|shadow|light|depth|post|forward"
    r"|backward|opt|compiler?|num|is|did|test|tests|dry|all|by|can|will|must|to|and|pre|build|sky|gate|season|day|bus"
    r"|tcp|proxy|fastcgi|uwsgi"
)
"""In front of `pass`: another pass than one to get in by."""
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.\u00c0-\u058f-]{0,24}")
_TYPE = r"[ ]?:?[ ][&*]?[A-Za-z][\w.<>\[\]?]{0,20}(?=[ ]?=[ ]?[\"'`])"
"""As programs declare what they assign to: `token: str = "..."`, `var token string = "..."`."""
_STRONG = re.compile(
    rf"(?:{_TYPE}|[\"'`\])*]{{0,3}})[ \t]{{0,8}}"
    r"(?:(?:[.+?]|\?\?|\|\||:{1,3})?=(?![=>~])|[!=]==?(?=[ ]?[\"'`])|=>|:(?!:)|：|>\s{0,16}|(?<=[\"']),"
    r"|-(?=[ ][\"']))\s{0,4}(?:(?:b|r|f|u|@)?(?=[\"'`]))?(?P<quote>[\"'`]{0,3})"
)
_NEXT = re.compile(r"[ ]{1,2}[\"'`]?(?P<value>[^\s\"'`<>]{6,40})")
_NEXT_KEY = re.compile(r"[ ]{1,2}[\"'`]?(?P<value>[\w.~+/=-]{20,400})")
_QUOTED = re.compile(r"\s{1,4}(?P<quote>[\"'`])")
_CALLED_WITH = re.compile(r"[ (](?P<quote>[\"'`])")
_FLAG = re.compile(r"[ =]+(?P<quote>[\"']?)")
_SAID = re.compile(
    r"[\"'`]?\s{0,3}(?:\([^)\n]{0,40}\)\s)?(?:(?:for|of|to|on|in|at|für|fur|zum|zur|pour|de|del|da|do|voor|di|per"
    r"|dla|till|til|i)\s[^\n.;:=?!]{1,40}?\s)?"
    r"(?:is now|is|was|will be|are|ist|lautet|war|est|était|es|era|è|é|foi|jest|brzmi|är|er|on|to|=|：|:|是|为|は|는"
    r"|은)\s{0,2}[:]?\s{0,2}(?P<quote>[\"'`]{0,3})",
    re.IGNORECASE,
)
_VALUE = re.compile(r"[^\s\"'`<>,;(){}\[\]]{3,300}")
_VALUES = {q: re.compile(rf"[^{q}\n]{{3,300}}(?={q})|[^{q}\s]{{300,400}}") for q in "\"'`"}
_NEXT_FIELD = re.compile(r"&\w{1,40}=")
_CALLED = ("(", "[")
_PROSE_END = ".,?:;)*"
_WEAK = frozenset(("key", "auth", "clé", "llave", "chiave", "schlüssel", "キー", "키"))
"""Names of much that is no secret."""
_PIN = re.compile(
    r"(?:\s?(?:code|number|nummer))?(?:\s(?:of|for|to)\s(?:the|my|our|his|her)\s\w{1,20})?(?:\s(?:is|ist|est|es|è|é)\s|\s?[:=#]\s?)(?P<value>\d{4,8})(?![\d.,/-]?\d)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"[Bb]earer\s{1,3}(?P<value>[\w.~+/=-]{16,2000})")
_BASIC = re.compile(r"[Bb]asic\s{1,3}(?P<value>[A-Za-z0-9+/]{8,400}={0,2})")
_HEADER = re.compile(
    r"[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:(?!(?:[Bb]earer"
    r"|[Bb]asic)\b)[A-Za-z][A-Za-z-]{2,14}\s{1,3}(?:token=)?)?(?P<value>[\w.~+/=-]{12,1000})"
)
_CURL = re.compile(r"[^\n]{0,200}?\s(?:-u|--user)[ =]?[\"']?[^\s:\"']{1,80}:[\"']?(?P<value>[^\s\"']{4,100})")
_URL = Pattern(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:/@\"'<>]{0,80}:[^\s@/\"'<>]{1,200}@[A-Za-z0-9\[]")
_ORACLE = re.compile(r"jdbc:oracle:\w{3,8}:[^\s/@\"']{1,80}/(?P<value>[^\s@\"']{3,100})@")
_REACH = 24
_MOST_IN_A_ROW = 12
"""Names for secrets that follow each other within `_REACH` characters: more are no text."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SYMBOL = re.compile(r"[^\w\s.,-]")


def assigned(text: str, glimpse: Glimpse) -> Iterator[Found]:
    """Values that stand beside a name for secrets. `glimpse`: of the text."""
    if not glimpse.shows(_NAMED):
        return
    done = looked_to = inside = 0
    for name, start, end in _NAMES.groups(text):
        inside = inside + 1 if start < looked_to else 0
        looked_to = max(looked_to, end + _REACH)
        if start < done or inside > _MOST_IN_A_ROW:
            continue
        for found in _beside(text, name, start, end):
            done = found[1]
            yield found


def in_urls(text: str) -> Iterator[Found]:
    """Passwords in URLs: `postgres://user:password@host`, `jdbc:oracle:thin:user/password@host`."""
    at = text.find("jdbc:oracle:")
    while at >= 0:
        match = _ORACLE.match(text, at)
        if match and not is_placeholder(match["value"]):
            yield *match.span("value"), 0.9, "password", "password in a URL"
        at = text.find("jdbc:oracle:", at + 1)
    if "://" not in text:
        return
    for start, end in _URL.spans(text):
        written = text[start : end - 2]
        colon = start + written.index(":", written.index("://") + 3) + 1
        value = text[colon : end - 2]
        if not is_placeholder(value) or (len(value) >= 8 and is_random(value)):
            yield colon, end - 2, 0.6 if is_wordy(value) else 0.9, "password", "password in a URL"


def _beside(text: str, name: str, start: int, end: int) -> Iterator[Found]:
    if name == "scheme":
        yield from _scheme(text, start)
        return
    if name in ("header", "curl"):
        match = (_HEADER if name == "header" else _CURL).match(text, end - (name == "curl"))
        if match and not is_placeholder(match["value"]) and (name == "curl" or is_random(match["value"])):
            yield *match.span("value"), 0.85, "password" if name == "curl" else "token", "credentials of a request"
        return
    if name == "vendor":
        yield from _vendor(text, start, end)
        return
    if name == "pin":
        if match := _PIN.match(text, end):
            yield match.start("value"), match.end("value"), 0.6, "password", "PIN"
        return
    yield from _called(text, name, start, end)


def _called(text: str, name: str, start: int, end: int) -> Iterator[Found]:
    """The value of a name that has a word for secrets in it, which stands at `start` to `end`."""
    left = start
    while left > 0 and start - left < 40 and _IDENTIFIER.fullmatch(text[left - 1]):
        left -= 1
    suffix = _IDENTIFIER.match(text, end)
    right = suffix.end() if suffix else end
    while right > end and text[right - 1] in ".-":
        right -= 1
    short = name == "password" and text[left:end].lower().rstrip("_").endswith("pass")
    if text[left - 2 : left] == "::" or _is_boring(text[left:start] + text[end:right]):
        return
    if short and _is_other_pass(text[left:end]):
        return
    for operator, said in ((_STRONG, False), (_SAID, True)):
        match = operator.match(text, right)
        if match is None:
            continue
        span = _value(text, match.end(), match["quote"])
        if span is not None:
            value = text[slice(*span)]
            value = value.rstrip(_PROSE_END) if said else value
            value = _NEXT_FIELD.split(value, maxsplit=1)[0]
            score = (
                _password(value, match, said, text[left:right])
                if name == "password"
                else _key(value, said, text[start:end].lower())
            )
            if score and ("," not in match[0] or is_random(value)):
                kind = "password" if name == "password" else "api_key"
                yield span[0], span[0] + len(value), score, kind, "assigned to a name for secrets"
        return
    yield from _without_operator(text, name, (left, right), right == end)


def _without_operator(text: str, name: str, named: tuple[int, int], whole: bool) -> Iterator[Found]:
    """A value that stands right behind a name: `--password hunter22`, `IDENTIFIED BY '...'`, "API token 9fK3...".

    `named`: where the name stands. `whole`: nothing of it is behind the word for secrets.
    """
    left, right = named
    word = text[left:right].lower()
    if word == "identified by" and (match := _QUOTED.match(text, right)):
        if (span := _value(text, match.end(), match["quote"])) and _password(text[slice(*span)], match, True, word):
            yield *span, 0.85, "password", "password of a database"
        return
    if name == "password" and not word.rstrip("_").endswith("pass"):
        if (match := _NEXT.match(text, right)) and _is_strong(value := _bare(match["value"])):
            begin = match.start("value")
            yield begin, begin + len(value), 0.6, "password", "beside a name for passwords"
            return
    elif name == "key" and whole and word not in _WEAK and (match := _NEXT_KEY.match(text, right)):
        value = match["value"].rstrip(_PROSE_END)
        if len(value) >= 20 and is_random(value) and not is_placeholder(value):
            yield match.start("value"), match.start("value") + len(value), 0.65, "api_key", "beside a name for keys"
            return
    if (
        text[left : left + 1] == "-"
        and (match := _FLAG.match(text, right))
        and (span := _value(text, match.end(), match["quote"]))
    ):
        value = text[slice(*span)]
        if not is_placeholder(value) and any(map(str.isdigit, value)) and not value.startswith("-"):
            yield *span, 0.7, "password" if name == "password" else "api_key", "given on a command line"


def _is_boring(rest: str) -> bool:
    """`rest`: of a name, what is beside the word for secrets."""
    return _BORING_END.search(rest) is not None or any(_BORING.fullmatch(p.lower()) for p in _PART.findall(rest))


def _bare(value: str) -> str:
    """Without what ends a sentence, and brackets that are around it."""
    value = value.rstrip(_PROSE_END if "(" not in value else ".,?:;*")
    return "" if value[:1] in ("(", "[", "{") and value[-1:] in (")", "]", "}") else value


def _is_other_pass(name: str) -> bool:
    """`first_pass`, `renderPass`: what goes over something, or past it."""
    return _PASSED.fullmatch(name.lower().rstrip("_")[:-4].rstrip("_").rpartition("_")[2]) is not None


def _is_strong(value: str) -> bool:
    """As people are told to make passwords up: capitals, small letters, digits; and no name of something."""
    kinds = (str.isdigit, str.islower, str.isupper)
    mixed = len(value) >= 6 and all(any(map(kind, value)) for kind in kinds)
    marked = value[:1] in ("!", "#", "*") or value[-1:] in tuple("!@#$%^&*")
    return mixed and not is_placeholder(value) and (marked or not is_name(value))


def _vendor(text: str, start: int, end: int) -> Iterator[Found]:
    """A name in which a service is all that tells what the value is for: `DATADOG_STAGING = "..."`."""
    suffix = _IDENTIFIER.match(text, end)
    right = suffix.end() if suffix else end
    match = _STRONG.match(text, right) or _CALLED_WITH.match(text, right)
    if match is None or _is_boring(text[end:right]):
        return
    span = _value(text, match.end(), match["quote"])
    if span is not None and is_random(value := text[slice(*span)]) and not is_placeholder(value):
        yield *span, 0.65, "api_key", "assigned to the name of a service"


def _value(text: str, start: int, quote: str) -> tuple[int, int] | None:
    pattern = _VALUES[quote[0]] if quote and quote[0] in _VALUES else _VALUE
    match = pattern.match(text, start)
    if match is None or (pattern is _VALUE and text[match.end() : match.end() + 1] in _CALLED):
        return None
    return match.span()


def _password(value: str, operator: re.Match[str], said: bool, name: str) -> float:
    digit, symbol = any(map(str.isdigit, value)), _SYMBOL.search(value[:-1]) is not None
    mixed = value != value.lower() and value[1:] != value[1:].lower()
    if len(value) < 4 or is_placeholder(value) or " " in value.strip():
        return 0.0
    if said:
        if name.lower() == "pass" or len(value) < 5 or not (digit or symbol or (mixed and not is_wordy(value))):
            return 0.35 if operator["quote"] and len(value) >= 6 else 0.0
        return 0.0 if value.isdigit() and len(value) < 6 else 0.85
    if digit or symbol or (mixed and not is_wordy(value)):
        return 0.9
    quoted, written = bool(operator["quote"]), operator[0]
    return 0.6 if "=" in written and (quoted or name.isupper()) and len(value) >= 6 else 0.3


def _key(value: str, said: bool, name: str) -> float:
    if is_placeholder(value) or " " in value:
        return 0.0
    weak = name in _WEAK
    if weak and _UUID.fullmatch(value):
        return 0.0
    if is_random(value) and len(value) >= (20 if weak or said else 16):
        return 0.75 if weak else 0.85
    if weak or said or value.isdigit():
        return 0.0
    digit, letter = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    strange = len(value) >= 8 and digit and letter and entropy(value) > 2.5
    return 0.6 if strange and ("secret" in name or len(value) >= 12) else 0.0


def _scheme(text: str, start: int) -> Iterator[Found]:
    if (match := _BEARER.match(text, start)) and is_random(match["value"]) and not is_placeholder(match["value"]):
        yield *match.span("value"), 0.9, "token", "bearer token"
    if match := _BASIC.match(text, start):
        try:
            decoded = base64.b64decode(match["value"] + "==", validate=False).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
        user, colon, password = decoded.partition(":")
        if colon and user.isprintable() and password and password.isprintable():
            yield *match.span("value"), 0.9, "password", "basic authorization"
