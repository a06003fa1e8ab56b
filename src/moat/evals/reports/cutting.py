"""Texts of any length, cut for a page."""

from typing import Any

import msgspec


class Cut:
    """Cuts texts, and remembers whether it had to."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.happened = False

    def text(self, value: str) -> str:
        """At most so many characters."""
        if len(value) <= self._limit:
            return value
        self.happened = True
        return value[: self._limit] + "…"

    def any(self, value: Any) -> Any:
        """Text cut, other data as it is when it is small, else as a cut text."""
        if isinstance(value, str):
            return self.text(value)
        whole = msgspec.json.encode(value)
        return value if len(whole) <= self._limit else self.text(pretty(value))

    def first(self, values: list[Any], most: int) -> list[Any]:
        """At most so many of a list."""
        self.happened = self.happened or len(values) > most
        return values[:most]


def pretty(value: Any) -> str:
    """As JSON that people read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
