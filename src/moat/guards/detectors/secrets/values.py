"""Whether what stands where a secret should be is one: entropy against placeholders, words and references."""

import math
import re
from collections import Counter
from operator import sub

from moat.guards.patterns import Pattern

_PLACEHOLDER_KEY = Pattern(
    r"x{5,}|X{5,}|example|EXAMPLE|your[_-]|YOUR[_-]|placeholder|PLACEHOLDER|\*{3}|\.{3}|redacted|REDACTED|dummy|0{8}|1{8}|1234567890abc|deadbeef"
    r"|[a-z]+_here|changeme|insert|replace",
)
_PLACEHOLDER = re.compile(
    r"x{3,}|\*{3,}|\.{3}|…|•{2,}|_{4,}|\byour|your[_-]|example|sample|placeholder|change[_-]?(?:me|it|this)|dummy|redacted|masked|hidden|insert|replace"
    r"|^<.*>?$|\{\{|\$\{|\$\(|^\{|^%\w+%$|^\[|todo|fixme|fake|^mock|^tests?(?:ing)?$|^test[_-]|^foo|^bar$|^baz|lorem|^(?:my|the|a|an|some|user|db|new|old|admin)?"
    r"[_-]?(?:password|passwd|passwort|pass|pwd|secret|token|key|api[_-]?key|string|text|value|credential)s?[_-]?\d?$|-here$|_here$|^n/?a$|^abc(?:123|def)?$"
    r"|^0+$|^1+$|^(?:none|null|nil|true|false|undefined|empty|unknown|default|required|optional|string|str|bool|int|varchar|bytes|text|hidden|env|prompt"
    r"|secret|input|stdin|password|passwords?|username|user|login|email|value|field|missing|invalid|incorrect|wrong|expired|reset|changed|set|not"
    r"|encrypted|hashed|generated|provided|needed|correct|valid|weak|strong|short|long|random|same|stored|saved|sent|disabled|enabled|basic|bearer|auto)$",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"^(?:os|process|env|self|this|config|settings|settings|secrets?|vault|props|params|args|request|req|ctx|options?|data|var|local|module|ssm|arn|file|env)"
    r"[.:\[(/]|environ|getenv|^[A-Za-z_][\w.:]{2,}\(|\)$|\]$|^\w+\.\w+\.\w+$|^[a-z_]\w*\.[A-Za-z_]\w*$|^_?[A-Z]+(?:_[A-Z0-9]+)+$|^https?:|^/|^\./|^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$|->|::|^\w+\[",
)
_SIGIL = re.compile(r"[$%@&!#~]{1,2}[\w.:{}()\[\]/-]*%?")
"""Variables, directives and anchors, as shells, templates and YAML write them."""
_WORDY = re.compile(r"[A-Za-z]?[a-z]+(?:[ _.-][A-Za-z]?[a-z]+)*")
_LETTERS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_LONG = 20
"""Characters of what no attribute is called, if they look random."""
_NUMBERS = re.compile(r"\d+")
_CAMEL = re.compile(r"[a-z]+(?:[A-Z][a-z]+)+|(?:[A-Z][a-z]+)+")


def entropy(value: str) -> float:
    """Bits per character, of the characters' own frequencies (Shannon)."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


def is_placeholder_key(rest: str) -> bool:
    """Of a key of a known format: what follows its beginning was not drawn at random."""
    body = rest[:400]
    return len(set(body)) < 6 or _PLACEHOLDER_KEY.is_in(rest) or entropy(body) < 2.4 or _in_order(body) > 0.6


def _in_order(value: str) -> float:
    """The share of characters that follow their neighbour in the alphabet."""
    codes = [*map(ord, value)]
    return [*map(sub, codes[1:], codes)].count(1) / max(1, len(codes) - 1)


def is_placeholder(value: str) -> bool:
    """Stands for a secret, or says where it comes from, but is none."""
    return (
        len(set(value)) < 3
        or _PLACEHOLDER.search(value) is not None
        or _is_reference(value)
        or (len(value) > 5 and _in_order(value) > 0.7)
    )


def _is_reference(value: str) -> bool:
    if _SIGIL.fullmatch(value):
        return value[0] in "$%" or value[1:2] in ("{", "(", "[") or not _is_mixed(value)
    return _REFERENCE.search(value) is not None and not any(
        len(part) >= _LONG and part.isalnum() and is_random(part) for part in value.split(".")
    )


def _is_mixed(value: str) -> bool:
    return all(any(map(kind, value)) for kind in (str.isdigit, str.islower, str.isupper))


def is_wordy(value: str) -> bool:
    """Made of words of a language or of a program only."""
    return _WORDY.fullmatch(value) is not None or _CAMEL.fullmatch(value) is not None


def is_name(value: str) -> bool:
    """Words, abbreviations and a few numbers, as programs call things: `managed-agents-2026-04-01`, `load_pkcs1`."""
    words, numbers = _LETTERS.findall(value), _NUMBERS.findall(value)
    few = len(numbers) <= 3 and all(len(number) <= 4 for number in numbers)
    return bool(words) and few and sum(map(len, words)) >= 4 * len(words)


def is_random(value: str) -> bool:
    """Letters and digits as only a generator puts them."""
    kinds = any(map(str.isdigit, value)), any(map(str.islower, value)), any(map(str.isupper, value))
    if len(value) < 12 or sum(kinds) < 2 or is_wordy(value) or is_name(value):
        return False
    needed = 3.0 if len(value) >= 20 else 2.9
    return entropy(value) >= needed and (kinds[0] or entropy(value) >= 3.8)
