"""Scenario x endpoint x streamed or not x with a fallback or without, over real sockets; see `scenarios.py`."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from moat.domain.spans import Span
from moat.gateway.app import Gateway
from moat.testing.faults_kinds import FAULTS
from tests.faults.endpoints import ENDPOINTS, Endpoint
from tests.faults.matrix import PAGE, render
from tests.faults.scenarios import ELSEWHERE, SCENARIOS, Scenario, with_fallback
from tests.faults.world import ANTHROPIC, DEADLINE, FALLBACK, Reply, World, world

AT_ONCE = 64


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix."""

    scenario: Scenario
    endpoint: Endpoint
    stream: bool
    fallback: bool
    upstream: str = ""

    @property
    def expected(self) -> str:
        outcome = self.scenario.outcome(self.endpoint.name, self.stream)
        return with_fallback(outcome) if self.fallback else outcome

    def __str__(self) -> str:
        return f"{self.endpoint.name}{' streamed' * self.stream}{' with a fallback' * self.fallback} {self.upstream}"


def offered() -> list[Endpoint]:
    """The endpoints that the gateway has."""
    nothing = cast(Any, None)
    gateway = Gateway(nothing, nothing, max_body=1, management=nothing)
    return [endpoint for endpoint in ENDPOINTS if ("POST", endpoint.path) in gateway._routes]


CELLS = [
    Cell(scenario, endpoint, stream, fallback)
    for scenario in SCENARIOS
    for endpoint in offered()
    for stream in ((False, True) if endpoint.end else (False,))
    for fallback in (False, True)
]
CELLS += [replace(cell, upstream=ANTHROPIC) for cell in CELLS if cell.endpoint.end and not cell.fallback]
"""The second kind of provider, once without a fallback: the table is the same."""

Results = dict[Cell, tuple[Reply, list[Span]]]


def run(cell: Cell, here: World) -> tuple[Reply, list[Span]]:
    model = cell.upstream + cell.scenario.fault + FALLBACK * cell.fallback
    reply = here.ask(cell.endpoint.path, cell.endpoint.body(model, stream=cell.stream))
    return reply, here.spans(reply.headers["x-request-id"])


@pytest.fixture(scope="module")
def after() -> dict[str, int]:
    """What is left when all is over."""
    return {}


@pytest.fixture(scope="module")
def results(after: dict[str, int]) -> Iterator[Results]:
    """All cells, asked at once: most of them wait."""
    with world() as here, ThreadPoolExecutor(AT_ONCE) as pool:
        before = here.tasks()
        found = dict(zip(CELLS, pool.map(lambda cell: run(cell, here), CELLS), strict=True))
        deadline = time.monotonic() + DEADLINE
        while (tasks := here.tasks()) > before and time.monotonic() < deadline:
            time.sleep(0.05)
        after |= {"tasks": tasks - before, "busy": here.faults.books.open - kept(here), "requests": len(CELLS)}
        yield found


def kept(here: World) -> int:
    """Connections that lie idle at the client's side, once the last ended one is known as such on both."""
    deadline = time.monotonic() + DEADLINE

    def idle() -> int:
        return sum(here.providers[name].open_connections for name in ("faulty", "anthropic"))

    while here.faults.books.open > idle() and time.monotonic() < deadline:
        time.sleep(0.02)
    return idle()


@pytest.mark.promise("up-1")
@pytest.mark.promise("up-2")
@pytest.mark.promise("up-3")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.fault for scenario in SCENARIOS])
def test_what_a_client_gets_and_what_is_recorded(scenario: Scenario, results: Results) -> None:
    wrong = []
    for cell in (cell for cell in CELLS if cell.scenario is scenario):
        reply, (call, *attempts) = results[cell]
        got = f"{cell.endpoint.outcome(reply)} {call.error}".strip()
        if got != cell.expected:
            wrong.append(f"{cell}: {got}, not {cell.expected}")
        # Without a fallback the one attempt failed as the call did; with one it failed as it would have without.
        alone = scenario.outcome(cell.endpoint.name, cell.stream).partition(" ")[2]
        errors = [alone, ""] if got == "200" and alone else [alone]
        if [attempt.error for attempt in attempts] != errors:
            wrong.append(f"{cell}: attempts {[attempt.error for attempt in attempts]}, not {errors}")
    assert wrong == []


@pytest.mark.promise("up-2")
def test_nothing_is_left_open(results: Results, after: dict[str, int]) -> None:
    assert after["requests"] == len(results)
    assert (after["tasks"], after["busy"]) == (0, 0)


def test_retry_after_reaches_the_client(results: Results) -> None:
    for cell, (reply, _) in results.items():
        if cell.scenario.fault == "429,retry_after=7" and not cell.fallback:
            assert reply.headers["retry-after"] == "7", cell


def test_every_fault_is_in_the_matrix_or_tested_elsewhere() -> None:
    in_matrix = {scenario.fault.partition(",")[0] for scenario in SCENARIOS}
    assert FAULTS.keys() - in_matrix - ELSEWHERE.keys() == set()
    assert ELSEWHERE.keys() & in_matrix == set()


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == render(), "run `python -m tests.faults.regenerate`"
