"""Care of a running server's trace store."""

from pathlib import Path

import msgspec

from moat.adapters.remote.traces import RemoteTraces
from moat.ports.traces import Kept

SECONDS = 3600.0
"""It may go through the whole store."""


class RemoteUpkeep:
    """Implements `moat.ports.upkeep.Upkeep`."""

    def __init__(self, url: str, token: str, actor: str) -> None:
        """`actor`: who asks, for the audit log."""
        self._server = RemoteTraces(url, token, timeout=SECONDS)
        self._actor = {"actor": actor}

    def expire(self, *, dry_run: bool = False) -> int:
        """See `Upkeep`."""
        return self._server.post("/api/v1/upkeep/expire", {"dry_run": dry_run, **self._actor}, _Expired).spans

    def compact(self) -> Kept:
        """See `Upkeep`."""
        return self._server.post("/api/v1/upkeep/compact", self._actor, Kept)

    def backup(self) -> Path:
        """See `Upkeep`: the server is on this machine."""
        return Path(self._server.post("/api/v1/upkeep/copy", self._actor, _Copied).path)


class _Expired(msgspec.Struct, frozen=True):
    spans: int


class _Copied(msgspec.Struct, frozen=True):
    path: str
