"""The bench of traces: what it sends is what it says, and no goal is called met that was missed or not measured."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from bench import trace_load, traces
from bench.errors import Unavailable
from bench.trace_load import SPANS, STEPS, Sender
from bench.trace_servers import Line, Start
from bench.trace_store import Took
from moat.telemetry.otlp import decode


class Wire:
    """Answers what it is told, and keeps what it was sent."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.bodies: list[bytes] = []

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self.bodies.append(body)
        return (self.statuses.pop(0) if self.statuses else 200), b"no"


def sender(wire: Wire, lane: int = 1) -> Sender:
    return Sender(cast(Line, wire), Start((), Path()), lane)


def test_all_requests_differ_and_are_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_load, "BODIES", 2)
    wire = Wire()
    one, other = sender(wire), sender(wire, 2)
    last = [one.send() for _ in range(trace_load.BODIES + 1)] + [other.send()]
    spans = [span for body in wire.bodies for span in decode(body, "protobuf").spans]
    assert len({span.span_id for span in spans}) == len(spans) == SPANS * (trace_load.BODIES + 2)
    assert len({span.trace_id for span in spans}) == len(spans) // STEPS
    assert set(last) <= {span.trace_id for span in spans}
    assert all(abs(span.started_ns + span.duration_ns - time.time_ns()) < 60 * 10**9 for span in spans)
    roots = {span.span_id for span in spans if not span.parent_id}
    assert {span.parent_id for span in spans} - {""} == roots
    assert 1800 < sum(map(len, wire.bodies)) / len(spans) < 2600


def test_a_refused_request_comes_again_and_another_answer_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(trace_load, "BODIES", 1)
    wire = Wire(503, 429, 200, 400)
    one = sender(wire)
    one.send()
    assert (one.taken, one.refused, len(set(wire.bodies))) == (1, 2, 1)
    with pytest.raises(Unavailable, match="status 400"):
        one.send()


def test_goals_stand_beside_what_was_measured() -> None:
    console = Console(record=True, width=150)
    found = {"served": Took(4999.9), "disk": Took(1023.0), "delay": Took(2.0)}
    assert traces._show_goals(found, console) == 2
    said = console.export_text()
    assert said.count("MISSED") == 2
    assert said.count("not measured") == len(traces.GOALS) - 3
