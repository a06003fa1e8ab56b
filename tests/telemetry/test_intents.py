"""Every try that was begun is in the ledger: finished, or with an unknown outcome."""

import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.duckdb import DuckTraces
from moat.domain.errors import StorageError
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter
from moat.telemetry import intents
from moat.telemetry.shipper import Shipper
from moat.telemetry.spool import SegmentSpool


def span(number: int, kind: str, **fields: object) -> Span:
    return Span(  # type: ignore[call-arg]
        **{
            "span_id": f"{number:016x}",
            "trace_id": f"{number:032x}",
            "kind": kind,
            "name": "chat m",
            "started_ns": number + 1,
            "duration_ns": 1,
            "request_id": f"req_{number}",
            **fields,
        }
    )


def opened(path: Path) -> SegmentSpool:
    spool = SegmentSpool(path, fsync="never", interval=60)
    spool.open()
    return spool


def attempts(store: DuckTraces, number: int) -> list[tuple[str, int | None]]:
    return [(found.error, found.cost) for found in store.trace(f"{number:032x}")]


def worst(number: int, **fields: object) -> Span:
    return span(number, "attempt", error="unknown_outcome", usage_estimated=True, cost=9, **fields)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckTraces]:
    with closing(DuckTraces.open(tmp_path / "t.duckdb")) as opened_store:
        yield opened_store


def test_what_is_recorded_leaves_no_trace_of_its_beginning(tmp_path: Path, store: DuckTraces) -> None:
    spool = opened(tmp_path / "spool")
    shipper = Shipper(tmp_path / "spool", store, spool=spool)
    first, second = spool.begin(worst(1)), spool.begin(worst(2))
    spool.append([span(1, "attempt", cost=4)], [first])
    shipper.drain()
    assert (attempts(store, 1), attempts(store, 2)) == ([("", 4)], []), "under way: its outcome is still to come"
    spool.append([span(2, "attempt", cost=5)], [second])
    spool.close()
    shipper.ship()
    assert attempts(store, 2) == [("", 5)]
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_was_never_recorded_has_an_unknown_outcome_at_its_worst(tmp_path: Path, store: DuckTraces) -> None:
    spool = opened(tmp_path / "spool")
    spool.begin(worst(1, input_tokens=3, provider="p", tenant="acme"))
    spool.close()
    Shipper(tmp_path / "spool", store).ship()
    (found,) = store.trace(f"{1:032x}")
    assert found == worst(1, input_tokens=3, provider="p", tenant="acme")
    assert sum(row.cost for row in store.spending(["tenant"], TraceFilter())) == 9


def test_an_outcome_that_was_recorded_before_counts(tmp_path: Path, store: DuckTraces) -> None:
    """Killed between the record and the end of its slot; and by the shipper twice."""
    spool = opened(tmp_path / "spool")
    spool.begin(worst(1))
    spool.append([span(1, "attempt", cost=4)])
    spool.close()
    again = {path: path.read_bytes() for path in (tmp_path / "spool").iterdir()}
    assert len(again) == 2
    for _ in range(2):
        Shipper(tmp_path / "spool", store).ship()
        assert attempts(store, 1) == [("", 4)]
        for path, content in again.items():
            path.write_bytes(content)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200)), max_size=300))
def test_the_slots_hold_exactly_what_is_under_way(steps: list[tuple[bool, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        held, under_way, number = intents.Intents(), dict[int, int](), 0
        held.open(Path(directory))
        for begins, choice in steps:
            if begins or not under_way:
                number += 1
                slot = held.begin(worst(number))
                assert slot not in under_way
                under_way[slot] = number
            else:
                slot = list(under_way)[choice % len(under_way)]
                held.end(slot)
                del under_way[slot]
        held.close()
        held.close()
        lines = [line for path in Path(directory).glob("*.ndjson") for line in path.read_bytes().splitlines()]
        assert sorted(msgspec.json.decode(line)["span_id"] for line in lines) == sorted(
            f"{number:016x}" for number in under_way.values()
        )


def test_long_names_fit_into_a_slot(tmp_path: Path, store: DuckTraces) -> None:
    spool = opened(tmp_path / "spool")
    long = "漢" * 256
    spool.begin(worst(1, user=long, session=long, feature=long, tenant=long, model=long, alias=long, prompt=long))
    spool.begin(worst(2))
    spool.close()
    Shipper(tmp_path / "spool", store).ship()
    assert store.trace(f"{1:032x}")[0].user == "漢" * 40
    assert attempts(store, 2) == [("unknown_outcome", 9)]


def test_a_full_disk_refuses_to_begin(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool")
    for number in range(intents.FIRST):
        spool.begin(worst(number))
    used = sum(path.stat().st_size for path in (tmp_path / "spool").iterdir())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (used, before[1]))  # Python ignores SIGXFSZ
    try:
        with pytest.raises(StorageError, match="cannot be noted"):
            spool.begin(worst(100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    spool.begin(worst(100))
    spool.close()


CALLS = """
import asyncio, os, sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from moat.domain.calls import Delta, Finished
from moat.domain.usage import Usage
from moat.pipeline.recipe import build
from moat.telemetry.spool import SegmentSpool
from moat.testing.fakes import fake_ports, new_call


class Billing:
    async def answer(self, call):
        os.write(1, f"{call.id}\\n".encode())  # from here on it is billed
        yield Delta(text="a")
        await asyncio.sleep(0)
        yield Finished(reason="stop", usage=Usage(input=1, output=1), model="m")


async def calls(run):
    while True:
        async with aclosing(run(new_call())) as events:
            async for _ in events:
                pass


async def main():
    spool = SegmentSpool(Path(sys.argv[1]), fsync="never", interval=0.002, max_bytes=50_000)
    spool.open()
    os.write(1, b"pid %d\\n" % os.getpid())
    run = build(replace(fake_ports(Billing()), spool=spool))
    await asyncio.gather(*[calls(run) for _ in range(4)])


while True:  # a round is a fork of this warm process: a kill hits calls, not imports
    sys.stdin.readline()
    child = os.fork()
    if child == 0:
        asyncio.run(main())
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


@pytest.mark.promise("money-3")
def test_kill_9_at_200_points_leaves_a_row_for_every_attempt_that_was_billed(tmp_path: Path, store: DuckTraces) -> None:
    chance = random.Random(11)
    billed: Counter[str] = Counter()
    program = [sys.executable, "-c", CALLS, str(tmp_path / "spool")]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        shipper = Shipper(tmp_path / "spool", store)
        for number in range(200):
            process.stdin.write(b"\n")
            process.stdin.flush()
            writer = int(process.stdout.readline().split()[1])
            for _ in range(chance.randrange(15)):  # by what it did, not by the clock: machines differ
                billed[process.stdout.readline().decode().strip()] += 1
            time.sleep(chance.random() * 0.002)
            os.kill(writer, signal.SIGKILL)
            while (line := process.stdout.readline()) != b"dead\n":
                billed[line.decode().strip()] += 1
            if number % 40 == 39:
                shipper.drain()
        process.kill()
    shipper.drain()
    shipper.drain()
    rows, unknown = rows_of(store)
    assert sum(billed.values()) > 1000
    assert not billed - rows, "billed, and in no row"
    never_billed = rows - billed
    assert not never_billed - unknown, "a row that says more than was asked"
    assert sum(unknown.values()) <= 4 * 200, "at most what was under way"
    assert unknown


def rows_of(store: DuckTraces) -> tuple[Counter[str], Counter[str]]:
    """Attempts by request, all and those with an unknown outcome."""
    with store._cursor() as cursor:
        found = cursor.execute("SELECT request_id, error FROM spans WHERE kind = 'attempt'").fetchall()
    rows = Counter(request for request, _ in found)
    return rows, Counter(request for request, error in found if error == "unknown_outcome")
