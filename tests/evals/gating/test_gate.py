import numpy as np
import pytest
from msgspec.structs import replace

from moat.cli.verdicts import print_report
from moat.domain.errors import ConflictError
from moat.domain.scores import Case, Result, Run, Score
from moat.evals.compare import Measured, compare
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.gate import judge
from moat.evals.markdown import to_markdown
from moat.evals.suites import Gate
from tests.evals.worlds import a_dataset

MARGIN = (Gate(score="good", margin=0.05),)


def measured(data, values, *, name="candidate", repeats=1, score="good", **run):
    """A run in which case i has `values[i]`: a number, a list with one per repeat, None for a failed answer."""
    results = []
    for case, value in zip(data.cases, values, strict=True):
        for repeat, one in enumerate(value if isinstance(value, list) else [value]):
            failed = one is None
            scored = (
                Score(name=score, status="not_run") if failed or one == "-" else Score(name=score, value=float(one))
            )
            results.append(
                Result(
                    case=case.id,
                    repeat=repeat,
                    output=f"{name} says {one}",
                    error="down" if failed else "",
                    scores=[scored],
                )
            )
    facts = {
        "status": "finished",
        "suite_digest": "s",
        "dataset_digest": data.digest,
        "prompt_digest": name,
        "model": "m",
        **run,
    }
    made = Run(
        id=f"run_{name}", suite="support", prompt="p", version="1.1.0", cases=len(data.cases), repeats=repeats, **facts
    )
    return Measured(made, results)


def verdict(before, after, gates=MARGIN, **more):
    data = a_dataset(len(after), **more.pop("case", {}))
    baseline = measured(data, before, name="baseline", **more) if before is not None else None
    return judge(compare(baseline, measured(data, after, **more), data), gates)


@pytest.mark.parametrize(
    ("before", "after", "expected", "reason"),
    [
        ([1] * 200, [1] * 200, "pass", "loss 0.000"),
        ([1] * 150 + [0] * 50, [1] * 200, "pass", "gain 0.250"),
        ([1] * 200, [0] * 40 + [1] * 160, "regressed", "significantly worse"),
        ([1] * 20, [1] * 20, "inconclusive", "too few cases"),
        ([1] * 40, [0] * 4 + [1] * 36, "inconclusive", "too few cases"),
        ([1] * 500, [0] * 6 + [1] * 494, "pass", "loss 0.012"),
        ([0.6, 0.7] * 100, [0.4, 0.6] * 100, "regressed", "significantly worse"),
        ([1] * 200, [None] * 60 + [1] * 140, "inconclusive", "60 pairs lack an answer"),
        ([1] * 200, [None] * 2 + [1] * 198, "pass", "loss 0.000"),
        ([1] * 200, [None] * 5 + [0] * 60 + [1] * 135, "regressed", "significantly worse"),
        (["-"] * 9, ["-"] * 9, "inconclusive", "no case has this score"),
        ([None] * 9, [1] * 9, "inconclusive", "no case has this score in both runs"),
        ([1] * 116, [1] * 116, "pass", "loss 0.000"),
        ([1] * 60, [1] * 60, "inconclusive", "too few cases"),
        ([0.5] * 60, [0.51, 0.49] * 30, "inconclusive", "too few cases"),
        ([None] * 150 + [1] * 150, [None] * 150 + [1] * 150, "inconclusive", "150 pairs lack an answer"),
        ([None] * 2 + [1] * 298, [None] * 2 + [1] * 298, "pass", "loss 0.000"),
        ([1] * 200, ["-"] * 60 + [1] * 140, "inconclusive", "60 pairs lack an answer"),
        (["-"] * 60 + [1] * 140, ["-"] * 60 + [1] * 140, "pass", "loss 0.000"),
        (["-"] * 60 + [1] * 140, [None] * 60 + [1] * 140, "pass", "loss 0.000"),
        ([None] * 150 + [1] * 150, [None] * 150 + [0] * 150, "inconclusive", "150 pairs lack an answer"),
    ],
)
def test_margins(before, after, expected, reason):
    report = verdict(before, after)
    assert report.verdict == report.gates[0].verdict == expected
    assert reason in report.gates[0].reason


@pytest.mark.parametrize(
    ("after", "expected", "reason"),
    [
        ([1] * 8 + [0] * 2, "pass", "mean 0.800"),
        ([0.7] * 3 + [0.6, 0.8] * 7, "pass", "mean 0.700"),
        ([0] * 10, "regressed", "significantly below"),
        ([1] * 6 + [0] * 4, "inconclusive", "not significantly below"),
        ([1] * 7 + [None] * 3, "pass", "mean 1.000"),
        ([1] * 6 + [None] * 4, "inconclusive", "4 cases failed"),
        ([0.5] * 30, "regressed", "significantly below"),
        ([0.4, 0.5] * 20, "regressed", "significantly below"),
        ([None] * 5, "inconclusive", "no case has this score"),
    ],
)
def test_floors_judge_without_a_baseline(after, expected, reason):
    report = verdict(None, after, (Gate(score="good", min=0.7),))
    assert report.verdict == expected
    assert reason in report.gates[0].reason
    assert report.comparison.baseline is None


def test_a_first_run_passes_its_margins_and_says_why():
    report = verdict(None, [0, 1])
    assert (report.verdict, report.summary) == ("pass", "All floors hold; there is no baseline yet.")
    assert "first run" in report.gates[0].reason


def test_an_identical_candidate_passes_trivially_and_says_so():
    report = verdict([1] * 3, [0] * 3, prompt_digest="same")
    assert report.verdict == "pass"
    assert "Identical to the baseline" in report.summary


def test_no_gates_decide_nothing():
    assert verdict([1] * 300, [1] * 300, ()).verdict == "inconclusive"


def test_a_gate_on_a_score_nobody_gave_is_inconclusive():
    assert verdict([1] * 300, [1] * 300, (Gate(score="other", margin=0.1),)).verdict == "inconclusive"


def test_more_cases_decide_as_promised():
    report = verdict([1] * 40, [0] * 4 + [1] * 36)
    more = report.gates[0].more_cases
    scale = (40 + more) / 40
    lost = round(4 * scale)
    assert verdict([1] * (40 + more), [0] * lost + [1] * (40 + more - lost)).verdict == "regressed"


def test_cases_of_one_cluster_are_weaker_evidence():
    before, after = [1] * 60, [0] * 12 + [1] * 48
    assert verdict(before, after).verdict == "regressed"
    assert verdict(before, after, case={"cluster": "one document"}).verdict == "inconclusive"


def test_repeats_are_averaged_within_their_case_and_never_counted_as_more():
    once = verdict([1] * 30, [0.5] * 3 + [1] * 27)
    often = verdict([[1] * 4] * 30, [[0, 1, 0, 1]] * 3 + [[1] * 4] * 27, repeats=4)
    repeated = often.comparison.scores[0].difference
    assert (repeated.repeats, round(repeated.noise, 2)) == (4, 0.36)
    assert replace(repeated, repeats=1, noise=None) == once.comparison.scores[0].difference
    assert often.comparison.scores[0].candidate.flake_rate == 0.1
    assert often.comparison.scores[0].regressed[0].candidate_output == "candidate says 0"
    half = verdict([[1, 1]] * 30, [[1, None]] * 30, repeats=2).comparison.scores[0]
    assert (half.incomplete, half.difference.mean, half.worst.mean, half.best.mean) == (30, 0, -0.5, 0)


def test_a_failure_on_both_sides_may_hide_a_loss_and_a_gain():
    score = verdict([None] + [1] * 9, [None] + [1] * 9).comparison.scores[0]
    assert (score.difference.n, score.incomplete, score.candidate.missing) == (9, 1, 1)
    assert (score.worst.mean, score.difference.mean, score.best.mean) == (-0.1, 0, 0.1)


def test_the_order_of_repeats_is_no_difference():
    report = verdict([[0.1, 0.2, 0.3]] * 40, [[0.3, 0.2, 0.1]] * 40, repeats=3)
    assert report.verdict == "inconclusive"
    assert (report.comparison.scores[0].regressed, report.comparison.scores[0].improved) == ((), ())


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_a_run_that_is_not_finished_is_not_compared(status):
    data = a_dataset(2)
    whole, part = measured(data, [1, 1]), measured(data, [1, 1], name="baseline", status=status)
    for sides in ((part, whole), (whole, part), (None, part)):
        with pytest.raises(ConflictError, match=r"not finished.*moat eval run p@1\.1\.0 --suite support --model m`"):
            compare(*sides, data)


@pytest.mark.parametrize("other", [{"suite_digest": "t"}, {"dataset_digest": "t"}])
def test_runs_that_do_not_compare_are_refused(other):
    data = a_dataset(2)
    with pytest.raises(ConflictError, match="Run the suite again"):
        compare(measured(data, [1, 1], **other), measured(data, [1, 1]), data)
    with pytest.raises(ConflictError, match="changed since"):
        compare(None, measured(data, [1, 1]), a_dataset(3))


@pytest.mark.no_cover
@pytest.mark.parametrize("gates", [1, 3])
def test_the_gate_blocks_an_equal_candidate_at_most_at_alpha_and_passes_a_bad_one_rarely(gates):
    random = np.random.default_rng(gates)
    blocked = passed = 0
    worlds, n = 300, 60
    data = a_dataset(n)
    for _ in range(worlds):
        sides = {}
        for name, loss in (("baseline", 0), ("equal", 0), ("bad", 0.1)):
            results = [Result(case=case.id, scores=[]) for case in data.cases]
            draws = random.random((n, gates)) < 0.8 - loss
            results = [
                Result(case=c.id, scores=[Score(name=f"s{g}", value=float(draws[i, g])) for g in range(gates)])
                for i, c in enumerate(data.cases)
            ]
            sides[name] = Measured(measured(data, [1] * n, name=name).run, results)
        all_gates = tuple(Gate(score=f"s{g}", margin=0.1) for g in range(gates))
        blocked += judge(compare(sides["baseline"], sides["equal"], data), all_gates).verdict == "regressed"
        passed += judge(compare(sides["baseline"], sides["bad"], data), all_gates).verdict == "pass"
    assert blocked / worlds <= 0.05
    assert passed / worlds <= 0.04


def test_markdown_leads_with_the_verdict_and_cannot_be_broken_out_of():
    cases = (
        Case(id="a|b<script>", variables={"q": "```\nx"}, messages=[{"role": "user"}]),
        *(Case(id=f"c{i}") for i in range(60)),
    )
    data = Dataset(cases, dataset_digest(cases))
    after = measured(data, [0] * 15 + [1] * 45 + [None], provider="simulated", repeats=1)
    after.results[0] = Result(
        case="a|b<script>", output="```\n<b>", scores=[Score(name="good", value=0.0, reason="@all | bad")]
    )
    before = measured(data, [1] * 59 + [0] + [1], name="baseline")
    text = to_markdown(judge(compare(before, after, data), MARGIN))
    lines = text.splitlines()
    assert lines[0] == "## ❌ regressed: p 1.1.0"
    assert lines[2] == "Worse: good."
    assert "The answers are simulated" in text
    assert "### Regressions (15)" in text
    assert "### Improvements (1)" in text
    assert "… and 5 more." in text
    assert "````\n```\n<b>\n````" in text
    assert "<script>" not in text.replace("\n", "")
    assert "### Cases of the candidate without an answer (1)" in text
    assert "- c59: down" in text
    assert "about" not in lines[0]


def test_markdown_of_a_first_run_without_gates():
    data = a_dataset(12)
    text = to_markdown(judge(compare(None, measured(data, [[1, None]] * 12, repeats=2), data), ()))
    assert text.startswith("## ❔ inconclusive: p 1.1.0")
    assert "12 cases, 2 repeats; run `run_candidate`." in text
    assert "flaky" not in text
    assert "| good | – | 1.000" in text
    assert "repeat 1: down" in text
    assert "- … and 2 more" in text


def test_markdown_shows_how_many_repeated_cases_disagree():
    data = a_dataset(12)
    text = to_markdown(judge(compare(None, measured(data, [[1, 0]] * 3 + [[1, 1]] * 9, repeats=2), data), ()))
    assert "25 % of the repeated cases flaky" in text


def test_what_one_case_could_detect_is_not_said():
    data = a_dataset(1)
    report = judge(compare(measured(data, [1], name="baseline"), measured(data, [0], name="candidate"), data), MARGIN)
    assert report.comparison.scores[0].detectable is None
    assert "inf" not in to_markdown(report)


def test_the_terminal_says_what_would_decide(capsys):
    report = verdict([1] * 40, [0] * 4 + [1] * 36)
    (gate,) = report.gates
    print_report(report)
    assert gate.way_out.startswith("about ")
    assert f"too few cases; {gate.way_out}" in " ".join(capsys.readouterr().out.split())
