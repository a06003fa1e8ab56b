"""Kinds of scorers: those that ship with Moat, and those of installed packages."""

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from moat.domain.errors import ConfigError
from moat.evals.scorers.functions import kind_of_function
from moat.evals.scorers.scorer import KINDS, Scorer

GROUP = "moat.scorers"
"""Entry point group: name = kind, value = a class that derives from `Scorer`, or a function (see `functions`)."""


def find_kind(name: str) -> type[Scorer] | None:
    """The kind of scorer of this name; None when there is none. Imports the package that brings it, no other.

    Raises `ConfigError` when what a package brings is no scorer.
    """
    if name in KINDS:
        return KINDS[name]
    point = _installed().get(name)
    return None if point is None else _loaded(point)


def known_kinds() -> list[str]:
    """All names, sorted."""
    return sorted({*KINDS, *_installed()})


def scorer_kind(name: str, where: str) -> type[Scorer]:
    """The kind that a suite names at `where`. Raises `ConfigError` with the kinds there are."""
    found = find_kind(name)
    if found is not None:
        return found
    known = known_kinds()
    close = difflib.get_close_matches(name, known, n=1)
    remedy = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(known)}."
    raise ConfigError(f"unknown scorer kind {name!r}", where=where, remedy=remedy)


@cache
def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


@cache
def _loaded(point: EntryPoint) -> type[Scorer]:
    where = f"{point.dist.name if point.dist else 'a package'}, entry point {point.name!r}"
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the scorer cannot be loaded: {error}", where=where) from error
    if isinstance(found, type) and issubclass(found, Scorer):
        return found
    if callable(found):
        return kind_of_function(point.name, found, f"{point.dist.name}=={point.dist.version}" if point.dist else "")
    raise ConfigError(f"{point.value} is no scorer", where=where, remedy="It must be a function or a `Scorer` class.")
