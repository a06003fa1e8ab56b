"""Where searches that have a name are kept."""

from typing import Protocol

from moat.domain.searches import SavedSearch


class SearchStore(Protocol):
    """Saved searches, by name; changes have their entry in the audit log."""

    def searches(self) -> list[SavedSearch]:
        """All there are, by name."""
        ...

    def save(self, search: SavedSearch) -> None:
        """Keep it, in the place of what had its name."""
        ...

    def forget(self, name: str, *, actor: str) -> None:
        """Delete it. Raises `NotFound`."""
        ...
