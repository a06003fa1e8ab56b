"""The registry: every prompt version there is, wherever it came from."""

from collections.abc import Iterable
from typing import Protocol

from moat.domain.releases import Registration


class Registry(Protocol):
    """Registered versions by name and version. What was registered survives the files it came from."""

    def register(self, registration: Registration) -> Registration:
        """Store a version; what is stored already when its digest is the same.

        Raises `ConflictError` when the version is there with another digest.
        """
        ...

    def index(self, registrations: Iterable[Registration]) -> int:
        """Store what git holds now, in one transaction; how many rows changed.

        A version from git may change until it was released: its row follows. One that came over the API, and one
        that was released, keeps its content.
        """
        ...

    def get(self, name: str, version: str) -> Registration:
        """Raises `NotFound` with the versions there are."""
        ...

    def versions(self, name: str) -> list[Registration]:
        """All versions of a prompt in ascending order; empty for an unknown one."""
        ...

    def names(self) -> list[str]:
        """Names of all prompts, sorted."""
        ...

    def digests(self) -> dict[str, str]:
        """Digest of every version by `name@version`: cheap, for comparing."""
        ...
