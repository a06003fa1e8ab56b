"""Comparisons that end as soon as they are decided."""

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from moat.domain.errors import ConfigError, ConflictError
from moat.domain.scores import Case
from moat.evals.compare import compare
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.early import ALPHA, FIRST, GROWTH, Stopping, looks, random_units, stopping
from moat.evals.gate import Question, judge, judge_all
from moat.evals.runner import execute
from moat.evals.running.means import Means
from moat.evals.suites import Gate, load_suite
from moat.testing.fakes import FakeClock
from tests.bootstrap.projects import Project
from tests.evals.gating.test_gate import measured
from tests.evals.worlds import FileRuns, a_dataset, a_target, answers

MARGIN = (Gate(score="good", margin=0.1),)


def compared(before, after, data=None, gates=MARGIN, *, only=None, repeats=1, tests=0):
    """Of runs that asked the cases of `only`, or all; they are named alike, so that their order is the same."""
    data = data or a_dataset(len(before))
    sides = []
    for name, values in (("baseline", before), ("candidate", after)):
        side = measured(data, values, name=name, repeats=repeats)
        if only is not None:
            kept = [result for result in side.results if result.case in only]
            side = type(side)(replace(side.run, status="stopped"), kept)
        sides.append(side)
    return compare(*sides, data, [g.where for g in gates if g.where], stopping=Stopping(gates, tests))


def order(data):
    return [unit[0].id for unit in random_units(data, "run_candidate")]


@pytest.mark.parametrize(
    ("before", "after", "verdict", "reason"),
    [
        ([1] * 400, [1] * 400, "pass", "loss 0.000"),
        ([1] * 400, [0, 1] * 200, "regressed", "decided after"),
        ([1] * 30, [1] * 30, "inconclusive", "30 independent cases do not decide"),
        ([1] * 400, [None] * 200 + [1] * 200, "inconclusive", "do not decide"),
        (["-"] * 40, ["-"] * 40, "inconclusive", "no case has this score"),
    ],
)
def test_a_margin_is_decided_by_the_test_that_may_be_repeated(before, after, verdict, reason):
    data = a_dataset(len(before))
    mixed = random.Random(1).sample(range(len(before)), len(before))
    report = judge(compared(before, [after[i] for i in mixed], data), MARGIN)
    assert report.verdict == verdict
    assert reason in report.gates[0].reason
    assert (report.gates[0].p_margin, report.gates[0].p_min) == (None, None)


def test_what_was_decided_stays_when_all_cases_are_asked_after_all():
    data = a_dataset(400)
    order_now = order(data)
    early = {case: 0.0 if i % 2 and i < 60 else 1.0 for i, case in enumerate(order_now)}
    after = [early[case.id] for case in data.cases]
    part = next(look for look in looks(random_units(data, "run_candidate")) if len(look) >= 60)
    stopped = compared([1] * 400, after, data, only=part)
    whole = compared([1] * 400, after, data)
    assert [g.course for g in stopped.early.gates] == ["regressed"]
    assert whole.early.gates == stopped.early.gates
    assert (stopped.early.asked, whole.early.asked, whole.early.cases) == (len(part), 400, 400)
    report = judge(stopped, MARGIN)
    assert report.summary.endswith(f"Stopped when it was decided: {len(part)} of 400 cases asked.")
    fixed = judge(compare(measured(data, [1] * 400, name="baseline"), measured(data, after), data), MARGIN)
    assert (report.verdict, judge(whole, MARGIN).verdict, fixed.verdict) == ("regressed", "regressed", "inconclusive")


def test_a_gap_in_the_order_is_not_jumped_over():
    data = a_dataset(100)
    without = frozenset(order(data)[:10] + order(data)[11:])
    found = compared([1] * 100, [1] * 100, data, only=without)
    assert (found.early.gates[0].units, found.early.asked) == (10, 99)


def test_a_case_counts_when_all_its_repeats_were_asked():
    data = a_dataset(60)
    found = compared([[1, 1]] * 60, [[1, 0]] * 30 + [1] * 30, data, repeats=2)
    assert found.early.asked == 30
    assert found.score("good").candidate.n == 30


def test_a_cluster_counts_once_and_its_cases_are_asked_together():
    cases = tuple(Case(id=f"case-{i:03d}", cluster=f"c{i // 4}") for i in range(200))
    data = Dataset(cases, dataset_digest(cases))
    found = compared([1] * 200, [1] * 200, data)
    assert (found.early.units, found.early.cases) == (50, 200)
    assert found.early.gates[0].units <= 50
    first = next(looks(random_units(data, "run_candidate")))
    assert len(first) == FIRST * 4
    assert len({case.cluster for case in cases if case.id in first}) == FIRST


def test_a_slice_is_tested_on_its_own_cases_and_golden_ones_are_asked_first():
    cases = tuple(Case(id=f"case-{i:03d}", tags=["vip"] if i % 2 else [], golden=i < 5) for i in range(300))
    data = Dataset(cases, dataset_digest(cases))
    gates = (*MARGIN, Gate(score="good", margin=0.1, where="tags=vip"))
    found = compared([1] * 300, [0 if i % 2 else 1 for i in range(300)], data, gates)
    assert found.early.gate("good", "tags=vip").mean == -1
    assert found.early.decided
    first = next(looks(random_units(data, "run_candidate")))
    assert {f"case-00{i}" for i in range(5)} <= first


def test_alpha_is_split_and_other_tests_work_with_what_is_left():
    gates = (*MARGIN, Gate(score="good", margin=0.2, where="tags=vip"))
    assert Stopping(gates).share == 0.5
    assert Stopping(gates, 8).share == 1 / 8
    early = compared([1] * 100, [1] * 100, tests=2)
    data, floor = a_dataset(100), (Gate(score="good", min=0.5),)
    low = compare(None, measured(data, [1] * 41 + [0] * 59), data)
    alone = judge(low, floor).gates[0].p_min
    both = judge_all([Question(early, MARGIN), Question(low, floor)])
    assert both[1].gates[0].p_min == pytest.approx(2 * alone)
    assert alone < ALPHA < 2 * alone
    assert [report.verdict for report in both] == ["pass", "inconclusive"]


def test_a_candidate_that_is_no_worse_is_seldom_blocked_although_every_look_may_block():
    """A wrong block: at most 5 % for two gates together; a wrong pass at the margin: at most 2.5 % a gate."""
    data = a_dataset(120)
    draw = random.Random(7)
    blocked = passed = 0
    for _ in range(100):
        before, after = ([float(draw.random() < 0.7) for _ in range(120)] for _ in range(2))
        blocked += judge(compared(before, after, data, tests=2), MARGIN).verdict == "regressed"
        worse = [value * (draw.random() > 1 / 7) for value in before]
        passed += judge(compared(before, worse, data, tests=2), MARGIN).verdict == "pass"
    assert blocked <= 8
    assert passed <= 8


def test_the_order_is_random_and_another_for_another_run():
    data = a_dataset(500)
    assert sorted(order(data)) == [case.id for case in data.cases]
    assert order(data) != sorted(order(data))
    assert order(data) != [unit[0].id for unit in random_units(data, "run_other")]
    shuffled = Dataset(data.cases[::-1], data.digest)
    assert order(shuffled) == order(data)
    sizes = [len(look) for look in looks(random_units(data, "run_candidate"))]
    assert (sizes[0], sizes[-1]) == (FIRST, 500)
    assert all(a < b <= a * GROWTH + 1 for a, b in pairwise(sizes))


def test_the_text_of_a_candidate_does_not_choose_its_order():
    data, values = a_dataset(200), [0 if i % 7 == 0 else 1 for i in range(200)]
    baseline, rule = measured(data, [1] * 200, name="baseline"), Stopping(MARGIN)
    texts = [measured(data, values, prompt_digest=f"text {i}") for i in range(3)]
    runs = [measured(data, values, name=f"run {i}", prompt_digest="text") for i in range(3)]
    seen = [[compare(baseline, side, data, stopping=rule).early.gates[0] for side in sides] for sides in (texts, runs)]
    assert [len({gate.low for gate in gates}) for gates in seen] == [1, 3]


def test_runs_that_stopped_are_compared_only_by_that_rule():
    data = a_dataset(60)
    side = measured(data, [1] * 60, status="stopped")
    with pytest.raises(ConflictError, match="not finished"):
        compare(measured(data, [1] * 60, name="baseline"), side, data)
    with pytest.raises(ConflictError, match="not finished"):
        compare(None, side, data, stopping=Stopping(MARGIN))


@pytest.mark.anyio
async def test_a_stopped_run_goes_on_and_asks_nothing_twice(tmp_path):
    target, runs, ask = a_target(6, repeats=2), FileRuns(tmp_path / "runs"), answers(lambda i: "yes")
    means, more = Means(ask), {"runs": runs, "clock": FakeClock()}
    run = await execute(target.new_run(1), target, means=means, only={"case-0001", "case-0004"}, **more)
    assert (run.status, run.score, len(runs.results(run.id))) == ("stopped", None, 4)
    assert target.find_run(runs).id == run.id
    assert replace(target, settled=False).find_run(runs) is None
    run = await execute(run, target, means=means, **more)
    assert (run.status, run.score, set(ask.asked.values())) == ("finished", 1.0, {1})


SUITE = """\
prompt: support/answer
dataset: datasets/many.jsonl
stop: early
scorers:
  - {{kind: label, name: intent, path: intent, expected: labels.intent}}
  - {{kind: json_schema, name: valid_json}}
gates:
  - {gate}
"""


def many(project: Project, count: int = 400, gate: str = "{score: intent, margin: 0.1}") -> None:
    lines = (project.root / "evals/datasets/smoke.jsonl").read_text("utf-8").splitlines()
    cases = [{**json.loads(lines[i % len(lines)]), "id": f"case-{i}"} for i in range(count)]
    path = project.root / "evals/datasets/many.jsonl"
    path.write_text("".join(json.dumps(case) + "\n" for case in cases), "utf-8")
    (project.root / "evals/many.yaml").write_text(SUITE.format(gate=gate), "utf-8")


def test_the_gate_asks_no_more_cases_than_it_takes(project: Project) -> None:
    many(project)
    done = project.run("gate", "support/answer@1.2.0", "--baseline", "1.1.0", "--suite", "many", "--json")
    (report,) = done.json
    early = report["comparison"]["early"]
    assert (done.code, report["verdict"], early["cases"]) == (0, "pass", 400)
    assert early["asked"] < 100
    assert "cases asked" in report["summary"]
    runs = [report["comparison"][side] for side in ("baseline", "candidate")]
    assert [run["status"] for run in runs] == ["stopped", "stopped"]
    again = project.run("gate", "support/answer@1.2.0", "--baseline", "1.1.0", "--suite", "many", "--json").json
    assert again[0]["comparison"]["early"] == early
    assert [again[0]["comparison"][side]["id"] for side in ("baseline", "candidate")] == [run["id"] for run in runs]
    compared_again = project.ok("eval", "compare", runs[0]["id"], runs[1]["id"], "--json").json
    assert compared_again["early"]["asked"] == early["asked"]
    project.ok("eval", "report", runs[1]["id"], "--baseline", runs[0]["id"], "-o", str(project.root / "r.md"))
    assert "cases asked" in (project.root / "r.md").read_text("utf-8")


def test_a_threshold_of_the_command_needs_all_cases(project: Project) -> None:
    many(project, 90)
    options = ("--baseline", "1.1.0", "--suite", "many", "--json", "--min-intent", "0.5")
    (report,) = project.run("gate", "support/answer@1.2.0", *options).json
    early = report["comparison"]["early"]
    runs = [report["comparison"][side]["id"] for side in ("baseline", "candidate")]
    assert (early["asked"], early["share"]) == (90, 0.5)
    assert project.ok("eval", "compare", *runs, "--json").json["early"] == early, "alpha is split as it was at the gate"
    assert report["verdict"] == "pass"
    assert [gate["verdict"] for gate in report["gates"]] == ["pass", "pass"]


@pytest.mark.parametrize(
    ("gates", "problem"),
    [
        ("[]", "`stop: early` without a gate"),
        ("[{score: equals, min: 0.5}]", "cannot decide a `min`"),
        ("[{score: equals, margin: 0}]", "needs a margin between 0 and 1"),
        ("[{score: equals, margin: 1}]", "needs a margin between 0 and 1"),
    ],
)
def test_only_margins_can_end_a_comparison(tmp_path: Path, gates: str, problem: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"prompt: q\ndataset: d.jsonl\nstop: early\nscorers: [{{kind: equals}}]\ngates: {gates}\n")
    with pytest.raises(ConfigError, match=problem) as caught:
        load_suite(path)
    assert caught.value.where.startswith(f"{path}:")


def test_a_suite_without_the_key_asks_all(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("prompt: q\ndataset: d.jsonl\nscorers: [{kind: equals}]\n")
    assert stopping(load_suite(path)) is None
