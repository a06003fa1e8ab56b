"""Searches that have a name."""

import msgspec


class SavedSearch(msgspec.Struct, frozen=True, kw_only=True):
    """An expression of the filter language, which others may name as `@name`."""

    name: str
    expression: str
    actor: str
    changed_ns: int
    """Unix time."""
