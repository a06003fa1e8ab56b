"""What is remembered of credentials and hosts, and who may change it."""

from collections.abc import Iterable
from typing import Protocol

from moat.domain.connections import ConnectionState, TrustedHost


class HostStore(Protocol):
    """The hosts that credentials may go to."""

    def trusted_hosts(self) -> list[TrustedHost]:
        """All, oldest first."""
        ...

    def trust(self, entries: Iterable[TrustedHost]) -> None:
        """Add entries, all or none; a credential and host that are known stay as they are."""
        ...


class Connections(Protocol):
    """The providers of a project as they are connected to."""

    def states(self) -> list[ConnectionState]:
        """Every provider in moat.yaml, by name."""
        ...

    def trust(self, provider: str, host: str, *, actor: str) -> ConnectionState:
        """Let a provider's credentials go where moat.yaml sends them now. `host`: what the caller saw there; empty:
        whatever it is.

        Raises `NotFound` for an unknown provider, `ConflictError` when moat.yaml names another host by now,
        `ConfigError` when it does not say enough.
        """
        ...
