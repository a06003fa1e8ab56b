"""Searches by name: `@slow and tenant = acme` means what was saved as `slow`, and the rest."""

import re
from collections.abc import Mapping

from moat.domain.errors import RequestError
from moat.telemetry.query import MAX_DEPTH, MAX_LENGTH

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_QUOTED = r"""("(?:[^"\\]|\\.)*(?:"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z))"""
"""A text that nobody closed goes to the end: searched for anew from each of its quotes, it would take its square."""
NAMED = re.compile(rf"{_QUOTED}|(?<![^\s()])@({NAME.pattern})(?![^\s()])", re.DOTALL)


def expand(text: str, saved: Mapping[str, str], *, within: tuple[str, ...] = ()) -> str:
    """An expression with what was saved in the place of its name; what stands in quotes is a text.

    `within`: names that this is part of. Raises `RequestError` for a name that nothing was saved as, and for one that
    means itself.

    >>> expand('@slow or "@slow"', {"slow": "latency > 2s"})
    '(latency > 2s) or "@slow"'
    """

    def meant(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1]
        name = found[2]
        if name not in saved:
            known = ", ".join(f"@{name}" for name in sorted(saved)) or "none"
            raise RequestError(f"nothing was saved as {name!r}", where="q", remedy=f"Saved searches: {known}.")
        if name in within or len(within) >= MAX_DEPTH:
            raise RequestError(f"@{name} means itself", where="q", remedy=f"Save {name} anew, without it.")
        return f"({expand(saved[name], saved, within=(*within, name))})"

    expanded = NAMED.sub(meant, text)
    if len(expanded) > MAX_LENGTH:
        raise RequestError(f"with what its names mean it has {len(expanded)} characters", where="q")
    return expanded
