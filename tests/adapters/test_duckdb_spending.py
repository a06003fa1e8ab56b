"""DuckDB keeps the contract of spending; stores of earlier versions give their attempts what their calls know."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import pytest

from moat.adapters.duckdb import DuckTraces, repricing, schema
from moat.domain.errors import StorageError
from moat.ports.traces import Charge, RepriceOrder, TraceFilter
from moat.testing.contracts import spending
from moat.testing.contracts.traces import OpenTraces


@pytest.mark.parametrize("check", spending.CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[OpenTraces], None], tmp_path: Path) -> None:
    @contextmanager
    def open_store() -> Iterator[DuckTraces]:
        with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as store:
            yield store

    check(open_store)


TEXTS = (
    *("span_id", "trace_id", "kind", "name", "parent_id", "request_id", "environment", "tenant", "feature", "user"),
    *("session", "key", "prompt", "version", "release", "model", "model_answered", "provider", "finish_reason"),
    *("error", "error_message"),
)
NUMBERS = (
    *("started_ns", "duration_ns", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "usage_estimated", "cost", "first_token_ns", "stream", "attempts"),
)


def insert(connection: duckdb.DuckDBPyConnection, **values: object) -> None:
    row = {**dict.fromkeys(TEXTS, ""), **dict.fromkeys(NUMBERS, 0), **values}
    names = ", ".join(f'"{name}"' for name in row)
    connection.execute(f"INSERT INTO spans ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def test_attempts_of_an_earlier_version_learn_from_their_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "traces.duckdb"
    with monkeypatch.context() as earlier:
        earlier.setattr(schema, "STEPS", schema.STEPS[:3])
        DuckTraces.open(path).close()
    with closing(duckdb.connect(str(path))) as connection:
        who = {"tenant": "acme", "feature": "search", "environment": "production"}
        insert(connection, kind="call", span_id="c", trace_id="t", model="assistant", **who)
        insert(connection, kind="attempt", span_id="a", trace_id="t", parent_id="c", model="m", cost=7)
    with closing(DuckTraces.open(path)) as store:
        (found,) = store.spending(["tenant", "feature", "environment", "alias"], TraceFilter())
        assert (found.group, found.requests, found.cost) == (("acme", "search", "production", "assistant"), 1, 7)


def test_more_attempts_than_one_batch_are_all_priced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repricing, "BATCH", 3)
    with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as store:
        spending._ingest(store, [spending._attempt(n, 1) for n in range(1, 8)])
        done = store.reprice(RepriceOrder(actor="Ada", price_version="new"), lambda charge: charge.usage.input)
    assert [(change.attempts, change.after) for change in done.changes] == [(7, 70)]


def test_a_price_that_fails_leaves_a_note_of_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(charge: Charge) -> int | None:
        return 1 if charge.started_ns < spending._START + 3 else 1 // 0

    monkeypatch.setattr(repricing, "BATCH", 2)
    order = RepriceOrder(actor="Ada", price_version="new")
    with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as store:
        spending._ingest(store, [span for n in (1, 2, 3, 4) for span in (spending._call(n), spending._attempt(n, 1))])
        with pytest.raises(ZeroDivisionError):
            store.reprice(order, broken)
        assert [found.cost for found in store.spending([], TraceFilter())] == [202]
        assert [(done.before, done.after) for done in store.repricings()] == [(200, 2)]
        assert sorted(span.cost or 0 for span in store.search(TraceFilter())) == [1, 1, 100, 100]
        store.reprice(order, lambda charge: 1)
        assert [found.cost for found in store.spending([], TraceFilter())] == [4]


def test_a_large_store_is_filled_batch_by_batch_and_goes_on_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, calls = tmp_path / "traces.duckdb", 10
    with monkeypatch.context() as earlier:
        earlier.setattr(schema, "STEPS", schema.STEPS[:2])
        DuckTraces.open(path).close()
    with closing(duckdb.connect(str(path))) as connection:
        for at in range(calls):
            about = {"trace_id": f"t{at}", "started_ns": at * 10**9}
            insert(connection, kind="attempt", span_id=f"a{at}", parent_id=f"c{at}", model="m", cost=7, **about)
            insert(connection, kind="call", span_id=f"c{at}", model="assistant", tenant=f"u{at}", **about)
        insert(connection, kind="attempt", span_id="a", parent_id="lost", trace_id="t", model="m")
    monkeypatch.setattr(schema, "BATCH", 3)
    fill, filled = schema._fill_batch, list[dict[str, int]]()

    def killed(connection: duckdb.DuckDBPyConnection, batch: dict[str, int]) -> None:
        if len(filled) == 3:
            raise duckdb.InterruptException("killed")
        filled.append(batch)
        fill(connection, batch)

    with monkeypatch.context() as first:
        first.setattr(schema, "_fill_batch", killed)
        with pytest.raises(StorageError, match="killed"):
            DuckTraces.open(path)
    with closing(duckdb.connect(str(path))) as connection:
        assert connection.execute("SELECT max(version) FROM schema_version").fetchone() == (3,)
        assert connection.execute("SELECT count(*) FROM spans WHERE alias <> ''").fetchone() == (9,)
    with closing(DuckTraces.open(path)) as store:
        found = {spend.group: spend.cost for spend in store.spending(["tenant", "alias"], TraceFilter())}
    assert found == {("", ""): 0} | {(f"u{at}", "assistant"): 7 for at in range(calls)}
