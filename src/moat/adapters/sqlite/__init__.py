"""State in one SQLite file: releases, eval runs and keys, with no server to start."""

from moat.adapters.sqlite.keys import SqliteKeys
from moat.adapters.sqlite.releases import SqliteReleases
from moat.adapters.sqlite.runs import SqliteRuns
from moat.adapters.sqlite.state import SqliteState

__all__ = ["SqliteKeys", "SqliteReleases", "SqliteRuns", "SqliteState"]
