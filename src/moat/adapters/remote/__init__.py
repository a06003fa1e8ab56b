"""Ports answered by a running server: commands beside it cannot open the trace store, which has one owner."""

from moat.adapters.remote.traces import RemoteTraces
from moat.adapters.remote.upkeep import RemoteUpkeep

__all__ = ["RemoteTraces", "RemoteUpkeep"]
