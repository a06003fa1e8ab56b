"""SQLite keeps the contract of the registry, from several processes too."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from moat.adapters.sqlite import SqliteRegistry, SqliteReleases, SqliteState
from moat.domain.errors import ConflictError
from moat.domain.releases import MessageTemplate, PromptVersion, Registration, prompt_digest
from moat.testing.contracts import registry as contract


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[contract.OpenStores], None], tmp_path: Path) -> None:
    @contextmanager
    def open_stores() -> Iterator[contract.Stores]:
        state = SqliteState.open(tmp_path / "state.db")
        try:
            yield contract.Stores(SqliteRegistry(state), SqliteReleases(state))
        finally:
            state.close()

    check(open_stores)


def _register(path: Path, text: str, results: "multiprocessing.Queue[str]") -> None:
    state = SqliteState.open(path)
    content = PromptVersion(name="p", version="1.0.0", messages=(MessageTemplate("user", text),), model="m")
    try:
        SqliteRegistry(state).register(
            Registration(content=content, digest=prompt_digest(content), source="api", registered_ns=time.time_ns())
        )
        results.put(f"stored {text}")
    except ConflictError:
        results.put("conflict")
    finally:
        state.close()


def test_of_two_processes_that_register_a_version_one_wins(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    path = tmp_path / "state.db"
    SqliteState.open(path).close()
    children = [context.Process(target=_register, args=(path, text, results)) for text in ("a", "b")]
    for child in children:
        child.start()
    told = sorted(results.get(timeout=60) for _ in children)
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    state = SqliteState.open(path)
    winner = SqliteRegistry(state).get("p", "1.0.0").content.messages[0].content
    state.close()
    assert told == ["conflict", f"stored {winner}"]
