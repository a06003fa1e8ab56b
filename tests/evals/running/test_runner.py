import asyncio
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from moat.adapters.sqlite.runs import SqliteRuns
from moat.adapters.sqlite.state import SqliteState
from moat.domain.errors import ConfigError, ConflictError, ProviderDown, StorageError
from moat.domain.releases import MessageTemplate
from moat.evals.runner import STREAK, execute
from moat.evals.running.means import Means
from moat.evals.scorers import KINDS
from moat.pipeline.recipe import build
from moat.testing.fakes import FakeClock, ListSpool, fake_ports
from moat.testing.scripted import ScriptedProvider
from tests.evals.worlds import FileRuns, a_target, answers

ROOT = Path(__file__).parents[3]


async def run_it(target, ask, runs, run=None, **more):
    return await execute(run or target.new_run(1), target, means=Means(ask), runs=runs, clock=FakeClock(), **more)


@pytest.mark.anyio
async def test_every_case_and_repeat_is_answered_scored_and_stored_once(tmp_path):
    target, runs, seen = a_target(3, repeats=2), FileRuns(tmp_path / "runs"), []
    ask = answers(lambda i: "yes" if i else "something else")
    run = await run_it(target, ask, runs, progress=seen.append)
    results = runs.results(run.id)
    assert [(r.case[-1], r.repeat) for r in results] == [("0", 0), ("0", 1), ("1", 0), ("1", 1), ("2", 0), ("2", 1)]
    assert set(ask.asked.values()) == {1}
    assert (run.status, run.provider, run.score) == ("finished", "fake", pytest.approx(2 / 3))
    assert [score.value for score in results[0].scores] == [0, 0]
    assert (results[0].input_tokens, results[0].cost, results[0].output) == (3, 7, "something else")
    assert (seen[0].done, seen[0].total) == (0, 6), "before the first question"
    assert (seen[-1].done, seen[-1].total, seen[-1].errors, seen[-1].cost) == (6, 6, 0, 42)
    assert target.find_run(runs).id == run.id


@pytest.mark.anyio
async def test_a_failing_case_is_a_result_and_the_run_goes_on(tmp_path):
    target, runs = a_target(6, timeout=0.5), FileRuns(tmp_path / "runs")
    replies = {2: ProviderDown("down", where="fake"), 4: asyncio.sleep(60)}
    run = await run_it(target, answers(lambda i: replies.get(i, "yes")), runs)
    failed = {r.case: r for r in runs.results(run.id) if r.error}
    assert list(failed) == ["case-0002", "case-0004"]
    assert "fake: down" in failed["case-0002"].error
    assert "within 0.5 s" in failed["case-0004"].error
    assert {score.status for score in failed["case-0002"].scores} == {"not_run"}
    assert (run.status, run.score) == ("finished", pytest.approx(4 / 6))


@pytest.mark.anyio
async def test_a_run_whose_cases_say_nothing_has_no_score(tmp_path):
    target, runs = a_target(3), FileRuns(tmp_path / "runs")
    scorer = msgspec.convert({"kind": "label", "name": "equals", "expected": "labels.n"}, KINDS["label"])
    target = replace(target, suite=replace(target.suite, scorers=(scorer,)))
    run = await run_it(target, answers(lambda i: "yes"), runs)
    assert (run.status, run.score) == ("finished", None)


@pytest.mark.anyio
async def test_an_answer_that_cannot_be_scored_is_a_result_and_counts_as_nothing(tmp_path):
    target, runs = a_target(5), FileRuns(tmp_path / "runs")
    scorer = msgspec.convert({"kind": "number", "name": "equals", "path": "n", "expected": "labels.n"}, KINDS["number"])
    cases = tuple(replace(case, labels={"n": 1}) for case in target.dataset.cases)
    target = replace(
        target, suite=replace(target.suite, scorers=(scorer,)), dataset=replace(target.dataset, cases=cases)
    )
    run = await run_it(target, answers(lambda i: f'{{"n": {"1" * 401 if i < 2 else 1}}}'), runs)
    assert [result.scores[0].status for result in runs.results(run.id)] == ["error"] * 2 + ["ok"] * 3
    assert (run.status, run.score) == ("finished", 0.6)


@pytest.mark.anyio
@pytest.mark.parametrize("error", [ConfigError("no key"), StorageError("disk full")])
async def test_an_error_of_the_set_up_stops_the_run_at_once(tmp_path, error):
    target, runs = a_target(50), FileRuns(tmp_path / "runs")
    ask = answers(lambda i: error)
    with pytest.raises(type(error)):
        await run_it(target, ask, runs)
    assert sum(ask.asked.values()) <= target.suite.concurrency
    assert target.find_run(runs).status == "interrupted"


@pytest.mark.anyio
@pytest.mark.promise("keep-5")
async def test_a_streak_of_failures_stops_the_run_and_is_asked_again_on_resume(tmp_path):
    target, runs = a_target(50, concurrency=1), FileRuns(tmp_path / "runs")
    with pytest.raises(ProviderDown):
        await run_it(target, answers(lambda i: "yes" if i < 7 else ProviderDown("down")), runs)
    stopped = target.find_run(runs)
    assert len(runs.results(stopped.id)) == 7
    ask = answers(lambda i: "yes" if i % 9 else ProviderDown("down"))
    run = await run_it(target, ask, runs, run=stopped)
    assert (run.status, len(runs.results(run.id)), run.provider) == ("finished", 50, "fake")
    assert min(ask.asked)[0] == 7
    assert sum(bool(r.error) for r in runs.results(run.id)) == 5


@pytest.mark.anyio
async def test_a_small_run_in_which_everything_fails_raises_its_error(tmp_path):
    target, runs = a_target(STREAK - 7), FileRuns(tmp_path / "runs")
    with pytest.raises(ProviderDown):
        await run_it(target, answers(lambda i: ProviderDown("down")), runs)
    assert runs.results(target.find_run(runs).id) == []


@pytest.mark.anyio
@pytest.mark.promise("keep-5")
async def test_a_cancelled_run_is_interrupted_and_resumes(tmp_path):
    target, runs, reached = a_target(8, concurrency=2), FileRuns(tmp_path / "runs"), asyncio.Event()

    async def stuck():
        reached.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(run_it(target, answers(lambda i: "yes" if i < 5 else stuck()), runs))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    stopped = target.find_run(runs)
    assert (stopped.status, len(runs.results(stopped.id))) == ("interrupted", 5)
    ask = answers(lambda i: "yes")
    assert (await run_it(target, ask, runs, run=stopped)).status == "finished"
    assert sorted(i for i, _ in ask.asked) == [5, 6, 7]


@pytest.mark.anyio
@pytest.mark.parametrize("change", ["suite_digest", "dataset_digest", "prompt_digest", "model"])
async def test_a_run_of_another_target_is_not_resumed(tmp_path, change):
    target, runs = a_target(3), FileRuns(tmp_path / "runs")
    with pytest.raises(ConflictError, match="changed since"):
        await run_it(target, answers(lambda i: "yes"), runs, run=replace(target.new_run(1), **{change: "other"}))
    assert runs.runs() == []


@pytest.mark.anyio
async def test_a_bug_is_not_taken_for_a_failed_case(tmp_path):
    target, runs = a_target(3), FileRuns(tmp_path / "runs")
    with pytest.raises(ExceptionGroup, match="unhandled"):
        await run_it(target, answers(lambda i: ZeroDivisionError()), runs)
    assert target.find_run(runs).status == "interrupted"


@pytest.mark.anyio
async def test_results_that_cannot_be_stored_stop_the_run(tmp_path):
    class Full(FileRuns):
        def add(self, run_id, results, spent=0):
            raise StorageError("disk full")

    target = a_target(200)
    with pytest.raises(StorageError):
        await run_it(target, answers(lambda i: "yes"), Full(tmp_path / "runs"))


@pytest.mark.anyio
async def test_fast_answers_are_stored_in_batches(tmp_path):
    target, runs = a_target(640), FileRuns(tmp_path / "runs")
    await run_it(target, answers(lambda i: "yes"), runs)
    assert sum(runs.batches) == 640
    assert len(runs.batches) < 64


@pytest.mark.anyio
async def test_the_real_pipeline_serves_the_cases(tmp_path):
    target = a_target(2, concurrency=1)
    prompt = replace(target.prompt, messages=(MessageTemplate("user", "Case {{ i }}?"),))
    provider, spool = ScriptedProvider("yes", "no"), ListSpool()
    target = replace(target, prompt=prompt, target=replace(target.target, prompt=prompt))
    runs = FileRuns(tmp_path / "runs")
    run = await run_it(target, build(fake_ports(provider, prompt, spool=spool)), runs)
    assert [r.output for r in runs.results(run.id)] == ["yes", "no"]
    assert [call.messages[-1]["content"] for call in provider.calls] == ["Case 0?", "Case 1?"]
    assert {(s.feature, s.environment, s.session) for s in spool.calls} == {("eval:support", "eval", run.id)}
    assert {s.trace_id for s in spool.calls} == {r.trace_id for r in runs.results(run.id)}


@pytest.mark.anyio
@pytest.mark.promise("keep-5")
async def test_a_run_that_is_under_way_elsewhere_is_refused_and_one_that_ended_there_is_shown(tmp_path):
    target, reached, go = a_target(3, concurrency=1), asyncio.Event(), asyncio.Event()

    async def slow():
        reached.set()
        await go.wait()
        return "yes"

    mine, theirs = answers(lambda i: slow()), answers(lambda i: "yes")
    with closing(SqliteState.open(tmp_path / "s.db")) as one, closing(SqliteState.open(tmp_path / "s.db")) as other:
        first = asyncio.create_task(run_it(target, mine, SqliteRuns(one)))
        await reached.wait()
        alive = target.find_run(SqliteRuns(other))
        with pytest.raises(ConflictError, match="another process works on this run"):
            await run_it(target, theirs, SqliteRuns(other), run=alive)
        assert SqliteRuns(other).get(alive.id).status == "running"
        go.set()
        assert (await first).status == "finished"
        assert (await run_it(target, theirs, SqliteRuns(other), run=alive)).status == "finished"
    assert (set(mine.asked.values()), theirs.asked) == ({1}, {})


@pytest.mark.anyio
async def test_a_run_of_a_target_that_may_have_changed_is_not_resumed(tmp_path):
    target, runs = a_target(20, concurrency=1), FileRuns(tmp_path / "runs")
    with pytest.raises(ConfigError):
        await run_it(target, answers(lambda i: "yes" if i < 7 else ConfigError("no key")), runs)
    assert target.find_run(runs).status == "interrupted"
    assert replace(target, settled=False).find_run(runs) is None


PROCESS = """
import asyncio, sys
from pathlib import Path
from moat.adapters.sqlite.runs import SqliteRuns
from moat.adapters.sqlite.state import SqliteState
from moat.evals.runner import execute
from moat.evals.running.means import Means
from moat.testing.fakes import FakeClock
from tests.evals.worlds import a_target, answers

async def slow():
    await asyncio.sleep(0.02)
    return "yes"

target = a_target(400, concurrency=2)
runs = SqliteRuns(SqliteState.open(Path(sys.argv[1])))
asyncio.run(execute(target.new_run(1), target, means=Means(answers(lambda i: slow())), runs=runs, clock=FakeClock()))
"""


@pytest.mark.promise("keep-5")
def test_a_killed_run_resumes_and_scores_no_case_twice(tmp_path):
    target = a_target(400, concurrency=2)
    with closing(SqliteState.open(tmp_path / "state.db")) as state:
        runs = SqliteRuns(state)
        process = subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path / "state.db")], cwd=ROOT)
        deadline = time.monotonic() + 60
        while (run := target.find_run(runs)) is None or len(runs.results(run.id)) < 20:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
        killed = target.find_run(runs)
        before = {result.case for result in runs.results(killed.id)}
        assert killed.status == "running"
        assert 20 <= len(before) < 400
        ask = answers(lambda i: "yes")
        run = asyncio.run(run_it(target, ask, runs, run=killed))
        assert (run.id, run.status, run.score) == (killed.id, "finished", 1.0)
        assert {f"case-{i:04d}" for i, _ in ask.asked} & before == set()
        cases = [result.case for result in runs.results(run.id)]
        assert len(cases) == len(set(cases)) == 400


def test_a_newer_run_that_was_cut_off_is_resumed_and_an_older_finished_one_not_shown(tmp_path):
    runs, target = FileRuns(tmp_path / "runs"), a_target()
    found = {status: target.new_run(number) for number, status in enumerate(("finished", "interrupted", "stopped"), 1)}
    for status, run in found.items():
        runs.start(run)
        runs.finish(run.id, status, run.created_ns, None, "")
    assert target.find_run(runs).id == found["interrupted"].id


@pytest.mark.anyio
async def test_a_run_of_another_suite_that_asks_the_same_is_neither_shown_nor_resumed(tmp_path):
    runs, target = FileRuns(tmp_path / "runs"), a_target()
    other = replace(target, suite=replace(target.suite, name="other"))
    run = other.new_run(1)
    runs.start(run)
    runs.finish(run.id, "stopped", 2, None, "")
    assert (other.find_run(runs).id, target.find_run(runs)) == (run.id, None)
    with pytest.raises(ConflictError, match="a run of the suite 'other'"):
        await run_it(target, answers(lambda i: "yes"), runs, run=run)
