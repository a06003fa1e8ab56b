"""Hostile speech by how it is built: who is spoken of, and what is said of them.

Words alone do not tell: "gay" or "Muslims" is no insult, and "they should all be sent back" has no swear word. What is
looked for is a group of people beside a wish against it or a judgement on all of it, a threat or an insult at somebody,
and talk of harming oneself. Patterns run on folded text, only where one of their words occurs. English; for other
languages there are words alone. The functions of hateful speech follow Röttger et al., HateCheck (ACL 2021).
"""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from moat.guards.hostile_contexts import (
    CONDEMNED,
    DENIED,
    FRIENDLY,
    HELP_AGAINST,
    IDIOM,
    QUOTED,
    REJECTED,
    SAID,
    SPOKEN_AGAINST,
    THEM,
    TOLD,
    UNWORTHY,
)
from moat.guards.hostile_signs import AT_THEM, GROUP_NAMED, GROUPED, HOSTILE, PEOPLE, SOURCES, UNFRIENDLY_WORDS
from moat.guards.patterns import Pattern


class Mark(NamedTuple):
    """Something that shows a kind, in a folded text."""

    start: int
    end: int
    kind: str


class Signs(NamedTuple):
    """Log odds that a piece of text adds to each kind."""

    hate: float = 0.0
    threat: float = 0.0
    self_harm: float = 0.0
    violence: float = 0.0
    insult: float = 0.0
    sexual: float = 0.0
    group: float = 0.0
    """How much what is said counts as said of a group of people; no log odds."""


SURE, LIKELY, SOFTENED, UNFRIENDLY, FAINT = 3.0, 1.75, 1.0, 0.8, 0.5
NAMED, POINTED_AT = 0.6, 0.9
QUOTES = ('"', "“", "”", "«")
SOFTENERS = {"hate": SPOKEN_AGAINST, "self_harm": HELP_AGAINST, "violence": TOLD, "insult": FRIENDLY}


@cache
def _patterns() -> tuple[tuple[str, Pattern], ...]:
    return tuple((kind, Pattern(source)) for kind, source in SOURCES.items())


@cache
def _grouped() -> tuple[tuple[str, Pattern], ...]:
    return tuple((kind, Pattern(source)) for kind, source in GROUPED)


@cache
def _any() -> tuple[Pattern, Pattern]:
    """What one of them matches, if any does: most texts need not be read for each."""
    return Pattern("|".join(SOURCES.values())), Pattern(GROUP_NAMED)


@cache
def _named() -> Pattern:
    return Pattern(GROUP_NAMED)


@cache
def _people() -> Pattern:
    return Pattern(PEOPLE)


@cache
def _near_groups() -> tuple[Pattern, Pattern, Pattern]:
    return Pattern(HOSTILE), Pattern(AT_THEM), Pattern(UNFRIENDLY_WORDS)


def marks(folded: str) -> list[Mark]:
    """All that shows a kind; `group` is a mark too, for which hostile words have to be found."""
    ungrouped, group = _any()
    patterns = (*(_patterns() if ungrouped.is_in(folded) else ()), *(_grouped() if group.is_in(folded) else ()))
    return [Mark(start, end, kind) for kind, pattern in patterns for start, end in pattern.spans(folded)]


def unquoted(folded: str) -> str:
    """A piece of text with white space for what it quotes to condemn it."""
    if '"' not in folded and " '" not in folded:
        return folded
    said = QUOTED.sub(lambda quote: " " * len(quote[0]), folded)
    return said if CONDEMNED.search(said) else folded


def condemns(folded: str) -> bool:
    """Does it deny what it says, or disapprove of what somebody else said?"""
    reported = CONDEMNED.search(folded) is not None and SAID.search(folded) is not None
    return reported or REJECTED.search(folded) is not None


def hostile_words(known: Iterable[str]) -> set[str]:
    """Those of them that are hostile beside the name of a group, or such a name."""
    lines = "\n".join(known)
    return {lines[start:end] for pattern in (_near_groups()[0], _named()) for start, end in pattern.spans(lines)}


def signs(folded: str, found: list[Mark], offset: int, meant: bool = False) -> Signs:
    """What one piece of a text shows, by the marks that begin in it. Talk about it, against it or out of the news
    counts less. `meant`: the piece before named a group, which "they" in this one may be.
    """
    odds: dict[str, float] = {}
    for mark in found:
        if mark.kind != "group":
            strength = _strength(mark, folded, mark.start - offset, mark.end - offset)
            odds[mark.kind] = max(odds.get(mark.kind, 0.0), strength)
    named = any(mark.kind == "group" for mark in found) or (meant and THEM.search(folded) is not None)
    if "hate" not in odds and named:
        odds["hate"] = _beside_group(folded)
    return Signs(**odds, group=_spoken_of(folded) if named else 0.0)


def _spoken_of(folded: str) -> float:
    if not _people().is_in(folded):
        return 0.0
    return POINTED_AT if _near_groups()[1].is_in(folded) else NAMED


def _strength(mark: Mark, folded: str, start: int, end: int) -> float:
    # Help is asked for within what shows self-harm too: "how do I help a friend who thinks of suicide".
    around = folded if mark.kind == "self_harm" else f"{folded[:start]} {folded[end:]}"
    softener = SOFTENERS.get(mark.kind)
    if (softener is not None and softener.search(around)) or _quoted(folded, start, end) or IDIOM.search(folded):
        return SOFTENED
    if mark.kind == "hate" and DENIED.search(around):
        return LIKELY
    return SURE


def _beside_group(folded: str) -> float:
    """A group, and hostile words beside it that were not seen to be said of it."""
    hostile, at_them, unfriendly = _near_groups()
    count = sum(1 for _ in hostile.spans(folded)) + (UNWORTHY.search(folded) is not None)
    if not count:
        return UNFRIENDLY if unfriendly.is_in(folded) else 0.0
    if SPOKEN_AGAINST.search(folded) or IDIOM.search(folded):
        return FAINT
    if UNWORTHY.search(folded):
        return LIKELY
    if DENIED.search(folded):
        return FAINT
    return LIKELY + 0.5 * (count > 1 or any(at_them.spans(folded)))


def _quoted(folded: str, start: int, end: int) -> bool:
    """Does it stand between quotation marks?"""
    return any(mark in folded[:start] and mark in folded[end:] for mark in QUOTES)
