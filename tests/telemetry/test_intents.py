"""Every try that was begun is in the ledger: finished, or with an unknown outcome."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from moat.adapters.duckdb import DuckTraces
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter
from moat.telemetry import owners
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


def attempts(store: DuckTraces, number: int) -> list[tuple[str, str, int | None]]:
    return [(found.kind, found.error, found.cost) for found in store.trace(f"{number:032x}")]


@pytest.fixture
def store(tmp_path: Path):  # type: ignore[no-untyped-def]
    with closing(DuckTraces.open(tmp_path / "t.duckdb")) as opened_store:
        yield opened_store


def test_an_intent_is_replaced_by_its_attempt_whichever_segment_that_is_in(tmp_path: Path, store: DuckTraces) -> None:
    spool = opened(tmp_path / "spool")
    shipper = Shipper(tmp_path / "spool", store, spool=spool)
    spool.append([span(1, "intent", owner=spool.owner.name, cost=9)])
    spool.append([span(1, "attempt", cost=4), span(2, "intent", owner=spool.owner.name, cost=9)])
    shipper.drain()
    assert store.owners() == {spool.owner.name}
    assert (attempts(store, 1), attempts(store, 2)) == ([("attempt", "", 4)], [])
    shipper.drain()
    assert store.owners() == {spool.owner.name}, "alive: the outcome is still to come"
    spool.append([span(2, "attempt", cost=5)])
    shipper.drain()
    assert store.owners() == set()
    assert attempts(store, 2) == [("attempt", "", 5)]
    spool.close()


def test_what_a_dead_process_began_has_an_unknown_outcome_at_its_worst(tmp_path: Path, store: DuckTraces) -> None:
    spool = opened(tmp_path / "spool")
    spool.append([span(1, "intent", owner=spool.owner.name, cost=9, input_tokens=3, provider="p", tenant="acme")])
    Shipper(tmp_path / "spool", store, spool=spool).drain()
    spool.close()
    Shipper(tmp_path / "spool", store).ship()
    (found,) = store.trace(f"{1:032x}")
    assert (found.kind, found.error, found.cost, found.usage_estimated) == ("attempt", "unknown_outcome", 9, True)
    assert (found.input_tokens, found.provider, found.tenant) == (3, "p", "acme")
    assert store.owners() == set()
    assert sum(row.cost for row in store.spending(["tenant"], TraceFilter())) == 9


def test_open_intents_outlive_the_store_and_a_segment_that_comes_again(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool")
    name = spool.owner.name
    spool.append([span(1, "intent", owner=name), span(2, "intent", owner=name), span(2, "attempt")])
    spool.rotate()
    (path,) = (tmp_path / "spool").glob("*.ndjson")
    again = tmp_path / "again.ndjson"
    again.write_bytes(path.read_bytes())
    with closing(DuckTraces.open(tmp_path / "t.duckdb")) as first:
        Shipper(tmp_path / "spool", first, spool=spool).drain()
    with closing(DuckTraces.open(tmp_path / "t.duckdb")) as second:
        second.ingest([again])
        assert second.owners() == {name}
        assert second.conclude({name}) == 1
        second.ingest([again])
        assert second.owners() == set(), "its outcome is known by now"
        assert second.conclude({name}) == 0
        assert len(second.trace(f"{1:032x}")) == len(second.trace(f"{2:032x}")) == 1
    spool.close()


def test_the_living_are_known_and_the_dead_leave_nothing(tmp_path: Path) -> None:
    script = f"""
import os, sys
from pathlib import Path
from moat.telemetry.owners import Owner
owner = Owner()
owner.begin(Path({str(tmp_path)!r}))
print(owner.name, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        name = process.stdout.readline().decode().strip()
        mine = owners.Owner()
        mine.begin(tmp_path)
        assert owners.alive(tmp_path) == {name, mine.name}
        process.kill()
        process.wait()
        assert owners.alive(tmp_path) == {mine.name}
        mine.end()
        mine.end()
        assert list(tmp_path.iterdir()) == []


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
    run = build(replace(fake_ports(Billing()), spool=spool, owner=spool.owner.name))
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
            time.sleep(chance.random() * 0.006)
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
    assert store.owners() == set()


def rows_of(store: DuckTraces) -> tuple[Counter[str], Counter[str]]:
    """Attempts by request, all and those with an unknown outcome."""
    with store._cursor() as cursor:
        found = cursor.execute("SELECT request_id, error FROM spans WHERE kind = 'attempt'").fetchall()
    rows = Counter(request for request, _ in found)
    return rows, Counter(request for request, error in found if error == "unknown_outcome")


def test_an_intent_is_a_line_like_any_other() -> None:
    intent = span(1, "intent", owner="1-abcdef01", cost=3)
    assert msgspec.json.decode(msgspec.json.encode(intent), type=Span) == intent
