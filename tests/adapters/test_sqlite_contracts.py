"""SQLite keeps the contracts of the state ports."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from moat.adapters.sqlite import SqliteKeys, SqliteReleases, SqliteRuns, SqliteState
from moat.testing.contracts import keys, releases, runs


@pytest.mark.parametrize(
    ("store", "check"),
    [
        pytest.param(store, check, id=f"{store.__name__}-{check.__name__}")
        for store, checks in (
            (SqliteReleases, releases.CHECKS),
            (SqliteRuns, runs.CHECKS),
            (SqliteKeys, keys.CHECKS),
        )
        for check in checks
    ],
)
def test_contract(store: Callable[[SqliteState], Any], check: Callable[[Any], None], tmp_path: Path) -> None:
    @contextmanager
    def open_store() -> Iterator[Any]:
        state = SqliteState.open(tmp_path / "state.db")
        try:
            yield store(state)
        finally:
            state.close()

    check(open_store)
