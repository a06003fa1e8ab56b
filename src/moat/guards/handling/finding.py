"""Data in texts, and how sensitive it is."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from moat.domain.errors import ConfigError
from moat.domain.guards import SENSITIVITY, DataClass, Place
from moat.domain.handling import FindConfig
from moat.guards.detector import REGISTERED, Context, Detector, detector
from moat.guards.engine.scanning import hits_of
from moat.guards.text import Text

BUILT_IN: dict[str, DataClass] = {"pii": "personal", "secrets": "secret"}
"""Detectors that run unless `find` names them."""


class Datum(NamedTuple):
    """Data at one spot of a text."""

    start: int
    end: int
    kind: str
    data_class: DataClass


class _Search(NamedTuple):
    detector: Detector
    data_class: DataClass
    threshold: float


class Finder:
    """Everything that looks for data."""

    def __init__(self, configs: Sequence[FindConfig]) -> None:
        """Raises `ConfigError`; its `where` is the path in `data`: `find.0.use`."""
        named = {config.use for config in configs}
        built_in = [FindConfig(class_=found, use=use) for use, found in BUILT_IN.items() if use not in named]
        self._searches = [_search(config, f"find.{index}") for index, config in enumerate(configs)]
        self._searches += [_search(config, "find") for config in built_in]

    def look(self, text: str, place: Place = "input") -> tuple[Datum, ...]:
        """In order, and apart: what overlaps is one, as sensitive as its most sensitive part."""
        seen, context = Text(text), Context(place=place)
        found = [
            Datum(hit.start, hit.end, hit.kind, search.data_class)
            for search in self._searches
            for hit in hits_of(search.detector, seen, context)
            if hit.score >= search.threshold and hit.end > hit.start
        ]
        return tuple(_joined(found)) if found else ()


def _joined(found: Iterable[Datum]) -> Iterable[Datum]:
    last: Datum | None = None
    for datum in sorted(found, key=lambda datum: (datum.start, -datum.end)):
        if last is None:
            last = datum
        elif datum.start < last.end:
            worse = max(last, datum, key=lambda each: SENSITIVITY[each.data_class])
            last = Datum(last.start, max(last.end, datum.end), worse.kind, worse.data_class)
        else:
            yield last
            last = datum
    if last is not None:
        yield last


def _search(config: FindConfig, where: str) -> _Search:
    if bool(config.use) == bool(config.words or config.patterns):
        raise ConfigError("give either `use`, or `words` and `patterns`", where=where)
    kind = config.use or "banned"
    if kind not in REGISTERED:
        raise ConfigError(
            f"unknown detector {kind!r}", where=f"{where}.use", remedy=f"Detectors: {', '.join(REGISTERED)}."
        )
    options: dict[str, Any] = config.with_ if config.use else {"words": config.words, "patterns": config.patterns}
    try:
        found = msgspec.convert(options, detector(kind))
    except msgspec.ValidationError as error:  # `ValueError`s of its `__post_init__` too
        raise ConfigError(str(error), where=f"{where}.with" if config.use else where) from None
    return _Search(found, config.class_, found.threshold if config.threshold is None else config.threshold)
