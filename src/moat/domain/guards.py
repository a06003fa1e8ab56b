"""What guards look for in a call, where, and what comes of it."""

from collections.abc import Sequence
from typing import Literal

import msgspec

Place = Literal["input", "documents", "tool_results", "output", "tool_arguments"]
"""`input`: what the caller and the prompt say. `documents`: what was retrieved for the model to read. `tool_results`:
what tools answered. `output`: what the model says, its refusals and visible thinking included. `tool_arguments`: what
it wants tools to be called with."""

ASKED: tuple[Place, ...] = ("input", "documents", "tool_results")
ANSWERED: tuple[Place, ...] = ("output", "tool_arguments")

Action = Literal["flag", "review", "redact", "retry", "fallback", "block"]
"""From the weakest to the strongest. `flag`: note it. `review`: note it for a person. `redact`: put a placeholder in
its place. `retry`: ask again, and tell the model what was found. `fallback`: another model, or a fixed answer.
`block`: refuse."""

STRENGTH: dict[str, int] = {"": 0, "flag": 1, "review": 2, "redact": 3, "retry": 4, "fallback": 5, "block": 6}

DataClass = Literal["public", "internal", "confidential", "personal", "secret"]
"""How sensitive data is, from the least to the most."""

SENSITIVITY: dict[str, int] = {"public": 0, "internal": 1, "confidential": 2, "personal": 3, "secret": 4}


def more_sensitive(one: str, other: str) -> str:
    """The higher of two classes, however they are spelled; of one that is no class of these, or empty, the other."""
    return max(one, other, key=lambda each: SENSITIVITY.get(each.lower(), -1)) if one and other else one or other


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one guard found at one spot. Never the text itself: findings are kept where that may not be."""

    guard: str
    kind: str
    """Of the detector: `email`, `card`, `injection`, ..."""
    place: Place
    path: str
    """Of the text in the call or the answer: `messages.2.content`, `tool_calls.0.arguments`, `text`, ..."""
    start: int
    end: int
    """In characters of the text; exclusive."""
    score: float
    """How sure the detector is, 0 to 1."""
    note: str = ""
    """What is wrong; never quotes the text."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one guard said of a call or its answer."""

    guard: str
    action: Literal["", "flag", "review", "redact", "retry", "fallback", "block"] = ""
    """What was done; empty: nothing was found, or it did not run."""
    findings: tuple[Finding, ...] = ()
    not_run: str = ""
    """Why the detector gave no answer (it failed, it took too long); empty when it did. Whether the call went on is in
    `action`: `block` when the guard fails closed."""


class ToolUse(msgspec.Struct, kw_only=True):
    """One tool that a model wanted called, and what became of that."""

    name: str
    digest: str = ""
    """SHA-256 of the arguments as written, the first 16 hex digits."""
    verdict: str = "cut"
    """`pass`, or what a guard did to it. `withheld`: nothing was found in it, and its answer did not go on. `cut`: the
    answer ended before it was complete."""
    approval: str = ""
    """Id of a person's approval that it went on by, or waits for."""


def strongest(verdicts: Sequence[Verdict]) -> str:
    """The strongest thing that was done; empty: nothing was."""
    return max((verdict.action for verdict in verdicts), key=STRENGTH.__getitem__, default="")
