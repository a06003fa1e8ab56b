"""Semantic versions, strictly as https://semver.org/spec/v2.0.0.html has them."""

import re

from moat.domain.errors import PromptError

_PATTERN = re.compile(
    r"(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?",
    re.ASCII,
)
_MAX_LENGTH = 64

Order = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...], str]


def is_version(text: str) -> bool:
    """Is this a semantic version (of at most 64 characters)?"""
    return len(text) <= _MAX_LENGTH and _PATTERN.fullmatch(text) is not None


def order(text: str) -> Order:
    """Sort key by precedence (spec item 11); build metadata only breaks ties.

    Raises `PromptError` when the text is no semantic version.
    """
    match = _PATTERN.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise PromptError(f"{text!r} is not a semantic version", remedy="Write it like 1.4.0 or 2.0.0-rc.1.")
    major, minor, patch, pre, build = match.groups()
    parts = tuple(
        (False, int(part), "") if part.isdigit() else (True, 0, part) for part in (pre.split(".") if pre else ())
    )
    return int(major), int(minor), int(patch), not parts, parts, build or ""


def is_stable(text: str) -> bool:
    """Is this version no pre-release? Raises `PromptError` when the text is no semantic version."""
    return order(text)[3]
