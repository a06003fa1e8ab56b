"""Credentials that look like what they are: a few well-known key formats."""

import re
from collections.abc import Iterator

_FORMATS = {
    "an Anthropic API key": r"sk-ant-[A-Za-z0-9_-]{24,}",
    "an OpenAI API key": r"sk-(?!ant-)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{32,}",
    "a Google API key": r"AIza[A-Za-z0-9_-]{35}",
    "an AWS access key id": r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    "a GitHub token": r"(?:gh[opsur]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60})",
    "a Slack token": r"xox[abprs]-[A-Za-z0-9-]{20}",
    "a Stripe secret key": r"[rs]k_live_[A-Za-z0-9]{20}",
    "a Moat key": r"mk-[A-Za-z0-9_-]{43}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----",
}
_ANY = re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(f"(?P<f{i}>{p})" for i, p in enumerate(_FORMATS.values())) + ")")
_WHOLE = re.compile(f"(?:{_ANY.pattern})[A-Za-z0-9_-]*")
_KEY_BLOCK = re.compile(
    r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----.*?(?:-----END (?:[A-Z]+ )?PRIVATE KEY-----|\Z)", re.DOTALL
)
_NAMES = tuple(_FORMATS)
_MARKS = ("sk-", "AIza", "AKIA", "ASIA", "gh", "xox", "k_live_", "mk-", "-----BEGIN ")
"""One of these is in each format: most texts hold none, and searching for them is quick."""


def find_secrets(text: str) -> Iterator[tuple[str, int, str]]:
    """What looks like a credential in a text: its kind, its 1-based line, and its first characters."""
    if not any(mark in text for mark in _MARKS):
        return
    for match in _ANY.finditer(text):
        name = _NAMES[int((match.lastgroup or "f0")[1:])]
        yield name, text.count("\n", 0, match.start()) + 1, match[0][:8]


def masked_secrets(text: str) -> str:
    """The text with each credential replaced, to its end, by `[credential]`."""
    if not any(mark in text for mark in _MARKS):
        return text
    return _WHOLE.sub("[credential]", _KEY_BLOCK.sub("[credential]", text))
