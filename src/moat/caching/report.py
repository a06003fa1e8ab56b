"""What caches did and hold, and what was measured of them, for people and programs."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from moat.caching.exact import Memory, Tally
from moat.caching.false_hits import Book, is_proven, wilson
from moat.domain.config import CacheConfig
from moat.domain.false_hits import Example, FalseHits

Status = Literal["shadow", "serving", "unproven", "former"]
"""`serving`: similar questions are answered. `unproven`: they shall be, and too little is known yet, or too many were
wrong. `shadow`: they are only measured. `former`: moat.yaml says something else now.
"""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """How often answers to similar questions were wrong, for one release."""

    embedder: str
    threshold: float
    agreement: float
    release: str
    """Id; empty for calls without a prompt."""
    state: Status
    compared: int
    """Would-be hits for which the model was asked all the same."""
    needed: int
    """As many must be compared before anything is served."""
    false: int
    rate: float | None
    """Share of false hits; None while nothing was compared."""
    low: float
    high: float
    """95 % interval of the rate (Wilson)."""
    allowed: float
    """`high` must be below it."""
    changed_ns: int
    examples: tuple[Example, ...]


class CacheState(msgspec.Struct, frozen=True, kw_only=True):
    """The cache of one alias."""

    alias: str
    hits: int
    """Since the server started, as all counts here but those in `measured`."""
    misses: int
    similar: int
    saved: int
    """Picodollars."""
    failed: int
    """Questions of which no vector could be made."""
    entries: int
    bytes: int
    measured: list[Measured]


def cache_states(
    aliases: Mapping[str, CacheConfig], embedders: Mapping[str, str], memory: Memory, book: Book
) -> list[CacheState]:
    """Of every alias with a cache. `embedders`: by alias, the name of the one it has now."""
    states = []
    for alias, config in sorted(aliases.items()):
        tally = memory.tallies.get(alias, Tally())
        known = sorted((found for found in book.all() if found.subject.alias == alias), key=lambda f: -f.changed_ns)
        measured = [_measured(found, config, embedders.get(alias, "")) for found in known]
        states.append(CacheState(alias=alias, **msgspec.structs.asdict(tally), measured=measured))
    return states


def only_done(state: CacheState) -> CacheState:
    """What the cache of a process did that is no more: it holds nothing."""
    return msgspec.structs.replace(state, entries=0, bytes=0, measured=[])


def merged_caches(states: Iterable[CacheState]) -> list[CacheState]:
    """What several processes did and hold together; what was measured is the first one's, who counts for all."""
    found: dict[str, CacheState] = {}
    for state in states:
        known = found.get(state.alias)
        if known is not None:
            sums = {name: getattr(known, name) + getattr(state, name) for name in Tally.__struct_fields__}
            state = msgspec.structs.replace(known, **sums)
        found[state.alias] = state
    return list(found.values())


def count_states(found: Iterable[Measured], state: Status) -> int:
    """How many of them stand so."""
    return sum(1 for one in found if one.state == state)


def _measured(found: FalseHits, config: CacheConfig, embedder: str) -> Measured:
    subject, semantic = found.subject, config.semantic
    low, high = wilson(found.false, found.compared)
    state: Status = "former"
    if semantic is not None and (subject.embedder, subject.threshold, subject.agreement) == (
        embedder,
        semantic.threshold,
        semantic.agreement,
    ):
        served = semantic.unproven or is_proven(found, semantic)
        state = "shadow" if semantic.mode == "shadow" else "serving" if served else "unproven"
    return Measured(
        embedder=subject.embedder,
        threshold=subject.threshold,
        agreement=subject.agreement,
        release=subject.release,
        state=state,
        compared=found.compared,
        needed=semantic.min_compared if semantic else 0,
        false=found.false,
        rate=found.false / found.compared if found.compared else None,
        low=low,
        high=high,
        allowed=semantic.max_false_hits if semantic else 0.0,
        changed_ns=found.changed_ns,
        examples=found.examples,
    )
