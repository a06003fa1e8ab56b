"""Care of a running server's trace store."""

from pathlib import Path

import msgspec

from moat.adapters.remote.traces import RemoteTraces
from moat.ports.traces import Kept

SECONDS = 3600.0
"""It may go through the whole store."""


class RemoteUpkeep:
    """Implements `moat.ports.upkeep.Upkeep`."""

    def __init__(self, url: str, token: str) -> None:
        self._server = RemoteTraces(url, token, timeout=SECONDS)

    def expire(self, *, dry_run: bool = False) -> int:
        """See `Upkeep`."""
        return self._server.post("/api/v1/upkeep/expire", {"dry_run": dry_run}, _Expired).spans

    def compact(self) -> Kept:
        """See `Upkeep`."""
        return self._server.post("/api/v1/upkeep/compact", {}, Kept)

    def backup(self) -> Path:
        """See `Upkeep`: the server is on this machine."""
        return Path(self._server.post("/api/v1/upkeep/copy", {}, _Copied).path)


class _Expired(msgspec.Struct, frozen=True):
    spans: int


class _Copied(msgspec.Struct, frozen=True):
    path: str
