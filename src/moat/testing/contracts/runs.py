"""What `Runs` promises."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pytest
from msgspec.structs import replace

from moat.domain.errors import ConflictError, NotFound, RequestError
from moat.domain.scores import Judgement, Result, Run, Score, Verdict
from moat.ports.runs import RunPages, Runs, RunsWanted


class StoredRuns(Runs, RunPages, Protocol):
    """Both ports, on one store."""


OpenRuns = Callable[[], AbstractContextManager[StoredRuns]]


def _run(number: int, *, suite: str = "support", prompt: str = "support/answer", digest: str = "sha256:p") -> Run:
    return Run(
        id=f"run_{number:04d}",
        suite=suite,
        suite_digest="sha256:s",
        dataset_digest="sha256:d",
        prompt=prompt,
        version="1.0.0",
        prompt_digest=digest,
        model="assistant",
        policies=("baseline@0123456789ab",),
        cases=3,
        repeats=2,
        created_ns=1_700_000_000_000_000_000 + number,
        commit="abc123",
        author="ada",
    )


def _result(case: str, repeat: int = 0, output: str = "{}") -> Result:
    return Result(
        case=case,
        repeat=repeat,
        output=output,
        tool_calls=[{"id": "1", "function": {"name": "lookup", "arguments": '{"a": 1}'}}],
        scores=[Score(name="facts", value=1 / 3), Score(name="judge", status="error", reason="\x00 „nein“ 🙂")],
        latency_ns=10**12,
        input_tokens=10,
        output_tokens=20,
        cost=10**18,
        trace_id="t",
    )


def _judgement(run: str, verdict: Verdict, created_ns: int = 1) -> Judgement:
    return Judgement(run=run, gates_digest="sha256:g", baseline="sha256:b", verdict=verdict, created_ns=created_ns)


def everything_is_read_back_as_written(open_store: OpenRuns) -> None:
    """By another opener too."""
    failed = Result(case="c", error="the provider is down")
    with open_store() as store:
        store.start(_run(1))
        store.add("run_0001", [_result("a"), failed])
    with open_store() as store:
        assert store.get("run_0001") == _run(1)
        assert store.results("run_0001") == [_result("a"), failed]


def an_unknown_run_is_not_found(open_store: OpenRuns) -> None:
    """By each method that changes one."""
    with open_store() as store:
        with pytest.raises(NotFound, match="run_9"):
            store.get("run_9")
        with pytest.raises(NotFound, match="run_9"):
            store.add("run_9", [_result("a")])
        with pytest.raises(NotFound, match="run_9"):
            store.finish("run_9", "finished", 1, None, "")
        with pytest.raises(NotFound, match="run_9"):
            store.judge(_judgement("run_9", "pass"))
        assert store.judgements("run_9") == []
        assert store.results("run_9") == []


def a_run_starts_once(open_store: OpenRuns) -> None:
    """A second start leaves the first as it was."""
    with open_store() as store:
        store.start(_run(1))
        with pytest.raises(ConflictError, match="run_0001"):
            store.start(replace(_run(1), suite="other"))
        assert store.get("run_0001") == _run(1)


def the_first_result_of_a_case_stands(open_store: OpenRuns) -> None:
    """Adding again, as a resumed run may, changes nothing; results come by case and repeat."""
    with open_store() as store:
        store.start(_run(1))
        store.start(_run(2))
        store.add("run_0001", [_result("b"), _result("a", 1)])
        store.add("run_0001", [_result("a", 0), _result("b", output="again")])
        store.add("run_0001", [])
        store.add("run_0002", [_result("b", output="other run")])
        assert store.results("run_0001") == [_result("a", 0), _result("a", 1), _result("b")]
        assert store.results("run_0002") == [_result("b", output="other run")]


def many_results_come_one_after_the_other(open_store: OpenRuns) -> None:
    """In the order of `results`, over any number of pages."""
    with open_store() as store:
        store.start(_run(1))
        store.add("run_0001", [_result(f"case {number:04d}", repeat) for number in range(600) for repeat in (1, 0)])
        found = list(store.each("run_0001"))
        assert [(r.case, r.repeat) for r in found] == [
            (f"case {n:04d}", repeat) for n in range(600) for repeat in (0, 1)
        ]
        assert found == store.results("run_0001")
        some = [f"case {number:04d}" for number in range(599)]
        assert list(store.each("run_0001", {*some, "unknown"})) == found[:-2]
        assert list(store.each("run_0001", ())) == []
        seen = list(store.scored("run_0001"))
        assert [(r.case, r.repeat, r.scores, r.cost) for r in seen] == [
            (r.case, r.repeat, r.scores, r.cost) for r in found
        ]
        assert list(store.scored("run_0001", ("case 0002", 0))) == seen[5:]
        assert list(store.scored("run_0001", ("case 0599", 1))) == []


def a_run_is_finished_and_judged(open_store: OpenRuns) -> None:
    """Both change their own fields only."""
    with open_store() as store:
        store.start(_run(1))
        store.judge(_judgement("run_0001", "regressed"))
        store.finish("run_0001", "finished", 99, 0.1 + 0.2, "simulated")
        done = replace(
            _run(1), status="finished", finished_ns=99, score=0.1 + 0.2, provider="simulated", verdict="regressed"
        )
        assert store.get("run_0001") == done


def a_finished_run_stays_finished(open_store: OpenRuns) -> None:
    """Whoever closes it again."""
    with open_store() as store:
        store.start(_run(1))
        store.finish("run_0001", "interrupted", 98, None, "")
        store.finish("run_0001", "finished", 99, 0.5, "simulated")
        store.finish("run_0001", "interrupted", 100, None, "")
        assert store.get("run_0001") == replace(
            _run(1), status="finished", finished_ns=99, score=0.5, provider="simulated"
        )


def what_a_run_cost_never_falls(open_store: OpenRuns) -> None:
    """With or without results, finished or not."""
    with open_store() as store:
        store.start(_run(1))
        for spent, known in ((10**12, 10**12), (5, 10**12), (10**12 + 1, 10**12 + 1)):
            store.add("run_0001", [_result("a")], spent)
            assert store.get("run_0001").spent == known
        store.finish("run_0001", "finished", 1, None, "", 10**13)
        store.finish("run_0001", "interrupted", 1, None, "", 3)
        store.add("run_0001", [])
    with open_store() as store:
        assert store.get("run_0001").spent == 10**13


def one_works_on_a_run_at_a_time(open_store: OpenRuns) -> None:
    """Another is refused until the first has left, however that came; other runs are free."""
    with open_store() as one, open_store() as other:
        with one.alone("run_0001"), other.alone("run_0002"):
            for store in (one, other):
                with pytest.raises(ConflictError, match="run_0001"), store.alone("run_0001"):
                    pass
        with pytest.raises(ZeroDivisionError), one.alone("run_0001"):
            raise ZeroDivisionError
        with other.alone("run_0001"):
            pass


def judgements_pile_up(open_store: OpenRuns) -> None:
    """Newest first, each as it was; the run shows the newest verdict."""
    first, second = _judgement("run_0001", "regressed", 9), _judgement("run_0001", "pass", 9)
    with open_store() as store:
        for number in (1, 2):
            store.start(_run(number))
        for judgement in (first, second, _judgement("run_0002", "inconclusive")):
            store.judge(judgement)
    with open_store() as store:
        assert store.judgements("run_0001") == [second, first]
        assert [store.get(f"run_000{number}").verdict for number in (1, 2)] == ["pass", "inconclusive"]


def a_prefix_finds_its_one_run(open_store: OpenRuns) -> None:
    """Literally (no wildcards, case matters); an exact id wins; an ambiguous one names the choices."""
    with open_store() as store:
        for name in ("run_a", "run_ab", "run_B%"):
            store.start(replace(_run(1), id=name))
        assert store.get("run_B").id == "run_B%"
        assert store.get("run_a").id == "run_a"
        for wrong in ("", "run%", "run_b", "un_a"):
            with pytest.raises(NotFound):
                store.get(wrong)
        with pytest.raises(NotFound, match="run_a, run_ab"):
            store.get("run_")


def runs_are_listed_newest_first(open_store: OpenRuns) -> None:
    """All of them, or a suite's, or a prompt's; at most `limit`."""
    one, two, three = _run(1), _run(2, suite="other"), _run(3, prompt="other")
    with open_store() as store:
        for run in (two, three, one):
            store.start(run)
        assert store.runs() == [three, two, one]
        assert store.runs(limit=2) == [three, two]
        assert store.runs(suite="support") == [three, one]
        assert store.runs(prompt="support/answer") == [two, one]
        assert store.runs(suite="other", prompt="other") == []


def runs_come_page_by_page(open_store: OpenRuns) -> None:
    """Each once, also those of one moment and when more are made meanwhile; by suite, prompt, version, author, verdict
    and likeness.
    """
    with open_store() as store:
        for number in (3, 1, 2):
            store.start(replace(_run(number), created_ns=5))
        store.start(replace(_run(4), author="Ada L <ada%l@example.org>", version="9.9.9"))
        store.start(_run(9, suite="other"))
        first = store.page(RunsWanted(suite="support"), 2)
        store.start(_run(8))
        second = store.page(RunsWanted(suite="support", before=first.next), 2)
        assert [run.id for run in (*first.runs, *second.runs)] == ["run_0004", "run_0003", "run_0002", "run_0001"]
        assert (first.next, second.next) == ("run_0003", "")
        store.judge(_judgement("run_0001", "regressed"))

        def ids(**wanted: Any) -> set[str]:
            return {run.id for run in store.page(RunsWanted(**wanted), 100).runs}

        assert ids(verdict="regressed") == {"run_0001"}
        assert "run_0001" not in ids(verdict="none")
        assert len(ids(verdict="none")) == 5
        assert ids(author="ADA%l@") == ids(version="9.9.9") == {"run_0004"}
        assert ids(author="a_a") == ids(prompt="other") == set()
        assert ids(like="run_0001") == {"run_0002", "run_0003", "run_0004", "run_0008"}
        for place in ("like", "before"):
            with pytest.raises(RequestError, match="no run's id"):
                ids(**{place: "run"})


def the_same_content_is_found_again(open_store: OpenRuns) -> None:
    """Suite, data, prompt and model must all be the same; the status does not matter."""
    with open_store() as store:
        for number in (1, 2):
            store.start(_run(number))
        store.start(_run(3, digest="sha256:other"))
        store.finish("run_0001", "interrupted", 5, None, "")
        same = {"suite_digest": "sha256:s", "dataset_digest": "sha256:d", "model": "assistant"}
        found = store.find(**same, prompt_digest="sha256:p")
        assert [run.id for run in found] == ["run_0002", "run_0001"]
        for field in same:
            assert store.find(**{**same, field: "different"}, prompt_digest="sha256:p") == []


CHECKS: tuple[Callable[[OpenRuns], None], ...] = (
    everything_is_read_back_as_written,
    an_unknown_run_is_not_found,
    a_run_starts_once,
    the_first_result_of_a_case_stands,
    many_results_come_one_after_the_other,
    a_run_is_finished_and_judged,
    a_finished_run_stays_finished,
    what_a_run_cost_never_falls,
    one_works_on_a_run_at_a_time,
    judgements_pile_up,
    a_prefix_finds_its_one_run,
    runs_are_listed_newest_first,
    runs_come_page_by_page,
    the_same_content_is_found_again,
)
