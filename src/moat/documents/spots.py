"""Where in a YAML text each value stands, to the character."""

from typing import Any

import msgspec
import yaml


class Spot(msgspec.Struct, kw_only=True):
    """One value as it is written. Places count characters from the beginning of the text."""

    start: int
    end: int
    """Behind its last character; what follows on the line, and comments, are not part of it."""
    whole_start: int
    """Where its key begins; of an entry of a list, where it begins itself."""
    after_key: int | None = None
    """Behind the colon of its key; None without one, or when it is not plain where that is."""
    after_dash: bool = False
    """Is it an entry of a block list?"""
    block: bool = False
    """A list or mapping by lines, or a text below `|` or `>`."""
    flow: bool = False
    """A list or mapping in brackets."""
    quote: str = ""
    """Of a text: `'`, `"` or nothing."""
    children: dict[str | int, "Spot"] = {}
    """By key or index; none below an alias."""


def spots(text: str) -> Spot:
    """The value that a text is. The text is sound: `parse_yaml` has read it."""
    events = yaml.parse(text, Loader=yaml.CSafeLoader)
    event = next(events)
    while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
        event = next(events)
    return _Reader(text, events).value(event)


class _Reader:
    def __init__(self, text: str, events: Any) -> None:
        self._text = text
        self._events = events

    def value(self, event: Any) -> Spot:
        """The value that begins with an event, with all that is in it."""
        start = event.start_mark.index
        spot = Spot(start=start, end=event.end_mark.index, whole_start=start)
        if isinstance(event, yaml.ScalarEvent):
            spot.quote = event.style if event.style in ("'", '"') else ""
            spot.block = event.style in ("|", ">")
            if spot.block:
                spot.end = start + len(self._text[start : spot.end].rstrip())
        elif isinstance(event, yaml.CollectionStartEvent):
            spot.flow, spot.block = bool(event.flow_style), not event.flow_style
            spot.children = {}
            self._fill(spot, isinstance(event, yaml.MappingStartEvent))
        return spot

    def _fill(self, spot: Spot, mapping: bool) -> None:
        while not isinstance(event := next(self._events), yaml.CollectionEndEvent):
            if not mapping:
                child = self.value(event)
                child.after_dash = spot.block
                spot.children[len(spot.children)] = child
                continue
            child = self.value(next(self._events))
            child.whole_start = event.start_mark.index
            colon = event.end_mark.index
            colon += len(self._text[colon : child.start]) - len(self._text[colon : child.start].lstrip())
            plain = self._text[colon : colon + 1] == ":" and self._text[child.whole_start] != "?"
            child.after_key = colon + 1 if plain else None
            spot.children[event.value] = child
        if spot.flow and event.end_mark is not None:
            spot.end = event.end_mark.index
        elif spot.children:
            spot.end = list(spot.children.values())[-1].end
