"""SQLite keeps the contract of `BatchStore`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from moat.adapters.sqlite import SqliteBatches, SqliteState
from moat.testing.contracts import batches


@pytest.mark.parametrize("check", [pytest.param(check, id=check.__name__) for check in batches.CHECKS])
def test_contract(check: Callable[[Any], None], tmp_path: Path) -> None:
    @contextmanager
    def open_store() -> Iterator[SqliteBatches]:
        state = SqliteState.open(tmp_path / "state.db")
        try:
            yield SqliteBatches(state)
        finally:
            state.close()

    check(open_store)
