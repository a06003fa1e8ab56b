"""Runs that ask again where answers flip: which cases are asked, how often, through kills and budgets; what counts."""

import asyncio
from collections import Counter

import pytest
from msgspec.structs import replace

from moat.domain.errors import ConfigError, LimitExceeded, ProviderDown
from moat.evals.answer import Answered
from moat.evals.compare import Measured, compare
from moat.evals.reports.report import means
from moat.evals.runner import execute
from moat.evals.running.budget import RunBudget
from moat.evals.running.flips import phases_of
from moat.evals.running.means import Means
from moat.evals.suites import Repeats, load_suite, parse_repeats
from moat.testing.fakes import FakeClock
from tests.evals.worlds import FileRuns, a_target

FLIPPING = {"case-0001", "case-0004"}


class Flipping:
    """Right in every repeat but for some cases, which are wrong in each second one; counts what it is asked."""

    name, digest = "flipping", "sha256:flipping"

    def __init__(self, fails=()):
        self.asked = Counter()
        self.left = 10**9
        self.fails = fails

    def bind(self, bench):
        return self

    async def answer(self, case, repeat):
        if not self.left:
            raise asyncio.CancelledError
        self.left -= 1
        await asyncio.sleep(0)
        self.asked[case.id, repeat] += 1
        if (case.id, repeat) in self.fails:
            raise ProviderDown("broke")
        return Answered("no" if case.id in FLIPPING and repeat % 2 else "yes", cost=10)


def world(target, count=6):
    evaluation = a_target(count, concurrency=3)
    return replace(evaluation, suite=evaluation.suite.repeated(Repeats(least=2, most=7), ""), target=target)


async def go_on(evaluation, runs, cap=None):
    known = evaluation.find_run(runs)
    run = known or evaluation.new_run(1)
    seen = []
    done = await execute(
        run, evaluation, means=Means(None, RunBudget(cap)), runs=runs, clock=FakeClock(), progress=seen.append
    )
    return done, seen


def expected(count=6):
    return {
        (f"case-{i:04d}", repeat): 1 for i in range(count) for repeat in range(7 if f"case-{i:04d}" in FLIPPING else 3)
    }


@pytest.mark.anyio
@pytest.mark.promise("keep-5")
async def test_further_repeats_go_where_the_first_answers_flip(tmp_path):
    target, runs = Flipping(), FileRuns(tmp_path / "runs")
    run, seen = await go_on(world(target), runs)
    assert target.asked == expected()
    assert (run.status, run.repeats, run.least) == ("finished", 7, 2)
    assert (seen[-1].done, seen[-1].total) == (26, 26)
    summary = compare(None, Measured(run, runs.results(run.id)), world(target).dataset).scores[0].candidate
    of_a_flipping_case = 0.5 * 1 / 2 + 0.5 * 3 / 5
    assert summary.mean == pytest.approx((4 + 2 * of_a_flipping_case) / 6)
    assert run.score == pytest.approx(summary.mean)
    shown = means(runs.results(run.id), phases_of(run))["equals"]
    assert sum(shown.values()) / 6 == pytest.approx(summary.mean)
    assert (summary.missing, summary.steady.repeats, summary.steady.flaky.mean) == (0, 2, pytest.approx(2 / 6))


@pytest.mark.anyio
@pytest.mark.parametrize("until", [1, 7, 13, 18, 19, 21, 25])
async def test_a_run_that_is_cut_off_goes_on_as_if_it_had_not_been(tmp_path, until):
    target, runs = Flipping(), FileRuns(tmp_path / "runs")
    target.left = until
    with pytest.raises(asyncio.CancelledError):
        await go_on(world(target), runs)
    target.left = 10**9
    stored = {(result.case, result.repeat) for result in runs.results(runs.runs()[0].id)}
    assert len(stored) <= until
    run, _ = await go_on(world(target), runs)
    assert run.status == "finished"
    results = runs.results(run.id)
    assert {(result.case, result.repeat) for result in results} == set(expected())
    assert all(target.asked[key] == 1 for key in stored), "what is stored is not asked again"


@pytest.mark.anyio
async def test_it_is_capped_and_goes_on_with_more(tmp_path):
    target, runs = Flipping(), FileRuns(tmp_path / "runs")
    with pytest.raises(LimitExceeded):
        await go_on(world(target), runs, cap=200)
    assert (runs.runs()[0].spent, sum(target.asked.values())) == (200, 20)
    run, _ = await go_on(world(target), runs, cap=1000)
    assert (run.status, run.spent, target.asked) == ("finished", 260, expected())


@pytest.mark.anyio
async def test_answers_that_failed_leave_bounds_and_no_flip(tmp_path):
    target, runs = Flipping(fails={("case-0000", 1), ("case-0002", 2), ("case-0001", 5)}), FileRuns(tmp_path / "runs")
    evaluation = world(target)
    run, _ = await go_on(evaluation, runs)
    assert target.asked == expected()
    found = compare(None, Measured(run, runs.results(run.id)), evaluation.dataset).scores[0].candidate
    assert found.missing == 3
    lost = (0.5 / 2 + 0.5 / 1 + 0.5 / 5) / 6
    assert found.most - found.least == pytest.approx(lost)
    assert found.least < found.mean < found.most


def test_repeats_are_written_in_two_ways(tmp_path):
    assert parse_repeats("3", "--repeats") == 3
    assert parse_repeats("2..8", "--repeats") == Repeats(least=2, most=8)
    for nonsense in ("", "x", "0", "101", "1..8", "2..3", "2..", "8..2", "2..101", "2..8..9"):
        with pytest.raises(ConfigError):
            parse_repeats(nonsense, "--repeats")
    (tmp_path / "evals").mkdir()
    path = tmp_path / "evals/s.yaml"
    text = "prompt: p\ndataset: d.jsonl\nscorers: [{kind: equals}]\ngates: [{score: equals, margin: 0.1}]\n"
    path.write_text(text + "repeats: {least: 2, most: 8}\n")
    suite = load_suite(path)
    assert (suite.least, suite.repeats) == (2, 8)
    assert suite.digest != suite.repeated(8, "").digest
    path.write_text(text + "repeats: {least: 2, most: 3}\n")
    with pytest.raises(ConfigError, match="`most` is at least 4"):
        load_suite(path)
    path.write_text(text + "repeats: {least: 2, most: 8}\nstop: early\n")
    with pytest.raises(ConfigError, match="repeats that adapt"):
        load_suite(path)
