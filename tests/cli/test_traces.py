"""`moat traces` and `moat report`: trees of any shape, local times, several commands at once."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from moat.cli.output import clock
from moat.cli.trace_view import MAX_INDENT
from moat.domain.spans import Span
from moat.telemetry.filters import parse_time
from moat.telemetry.spool import SegmentSpool
from tests.bootstrap.projects import PROMPT, Project

TRACE = f"{7:032x}"


def record(project: Project, *spans: Span) -> None:
    """Finished work, as a server leaves it behind."""
    spool = SegmentSpool(project.root / ".moat" / "spool")
    spool.open()
    spool.append(spans)
    spool.close()


def span(name: str, parent: str = "", **fields: Any) -> Span:
    given: dict[str, Any] = {"kind": "app", "started_ns": time.time_ns(), "duration_ns": 1_000_000} | fields
    return Span(span_id=name, trace_id=TRACE, name=name, parent_id=parent, **given)


def tree(project: Project) -> list[tuple[int, str]]:
    lines = [line for line in project.ok("traces", "show", TRACE).out.splitlines() if "└" in line]
    return [(line.index("└") // 2, line.split()[1]) for line in lines]


def test_a_tree_shows_each_span_once_below_its_parent(project: Project) -> None:
    record(project, span("a"), span("b", "a"), span("c", "b"), span("d", "a"), span("stray", "unknown"), span("e", "b"))
    assert tree(project) == [(0, "a"), (1, "b"), (2, "c"), (2, "e"), (1, "d"), (0, "stray")]


def test_spans_that_are_their_own_ancestors_are_shown_too(project: Project) -> None:
    record(project, span("a"), span("self", "self"), span("x", "y"), span("y", "x"), span("below", "y"))
    assert tree(project) == [(0, "a"), (0, "self"), (0, "x"), (1, "y"), (0, "below")]


def test_a_tree_may_be_deeper_than_python_recurses(project: Project) -> None:
    record(project, *(span(f"s{number}", f"s{number - 1}") for number in range(3000)))
    assert tree(project) == [(min(number, MAX_INDENT), f"s{number}") for number in range(3000)]


def test_a_prompt_whose_version_is_not_known_stands_alone(project: Project) -> None:
    record(project, span("refused", kind="call", prompt=PROMPT, error="not_found"))
    record(project, span("served", kind="call", prompt=PROMPT, version="1.0.0"))
    for command in (["traces"], ["traces", "show", TRACE]):
        text = project.ok(*command).out
        assert f"{PROMPT}@1.0.0 " in text
        assert f"{PROMPT} " in text
        assert f"{PROMPT}@ " not in text


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine stands there; afterwards where it stood before."""
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_a_printed_time_can_be_asked_for(project: Project) -> None:
    second = time.time_ns() // 10**9 * 10**9
    assert parse_time(clock(second), 0) == second
    record(project, span("new", kind="call", started_ns=second), span("old", kind="call", started_ns=second - 10**9))
    asked = ["--since", clock(second), "--json"]
    assert [call["name"] for call in project.ok("traces", *asked).json] == ["new"]
    assert project.ok("report", *asked).json["total"]["calls"] == 1


def test_commands_at_the_same_time_wait_for_each_other(project: Project) -> None:
    record(project, span("call", kind="call"))
    running = [project.spawn("report", "--json") for _ in range(3)]
    ends = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], ends


def test_a_report_for_a_page(project: Project) -> None:
    record(project, span("call", kind="call", tenant="a|b"))
    shown = project.ok("report", "--by", "tenant", "--markdown").out.splitlines()
    assert [line[:8] for line in shown] == ["| tenant", "| :-- | ", "| a\\|b |", "| total ", "", "1 calls "]
    assert "cost_per_call" in project.ok("report", "--by", "tenant", "--markdown", "--json").json["rows"][0]


def test_first_tokens_are_those_of_streams(project: Project) -> None:
    record(project, span("whole", kind="call", first_token_ns=900_000_000))
    assert project.ok("report", "--json").json["total"]["first_token_p50_ns"] == 0
    record(project, span("stream", kind="call", first_token_ns=30_000_000, stream=True))
    assert project.ok("report", "--json").json["total"]["first_token_p50_ns"] == 30_000_000
