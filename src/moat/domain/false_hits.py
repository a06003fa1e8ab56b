"""What was measured of a semantic cache: how often an answer that it would have given was not the model's."""

import msgspec


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured; whatever of it changes, measuring begins anew."""

    alias: str
    embedder: str
    """`lexical`, or the alias of the model with what stands behind it."""
    threshold: float
    """Similarity from which two questions count as one."""
    agreement: float
    """Similarity from which two answers count as one."""
    release: str
    """Id; empty for calls without a prompt."""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One false hit: two questions that were taken for one, and what was answered to each."""

    asked: str
    similar: str
    """The earlier question."""
    similarity: float
    answered: str
    """By the model, to `asked`."""
    cached: str
    """What the cache would have given instead."""
    at_ns: int


class FalseHits(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since measuring began."""

    subject: Subject
    compared: int = 0
    """Answers that the cache had, beside what the model said at the same time."""
    false: int = 0
    """Those that did not agree."""
    examples: tuple[Example, ...] = ()
    """The newest of them."""
    changed_ns: int = 0
    """Unix time of the last comparison."""
