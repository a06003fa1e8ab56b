"""What a report says, before it has a form."""

from typing import Literal

import msgspec


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """A table of text; heads that end in `>` are of numbers."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """One value a day; None where nothing happened. `said`: each value in words."""

    title: str
    labels: tuple[str, ...]
    values: tuple[float | None, ...]
    said: tuple[str, ...]
    kind: Literal["bars", "line"] = "bars"


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One question, answered."""

    title: str
    sentences: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    plots: tuple[Plot, ...] = ()


class Recap(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report."""

    title: str
    period: str
    sections: tuple[Section, ...]
