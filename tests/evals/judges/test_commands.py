"""`moat judge` from end to end: a real project, real stores, and a judge behind a real socket."""

import json
from collections import Counter

import msgspec
import pytest

from moat.domain.errors import ProviderRefused
from moat.testing.loopback import on_loopback
from moat.testing.server import ProviderServer
from tests.bootstrap.projects import eventually
from tests.evals.judges.worlds import RuleJudge

SUITE = """\
prompt: support/answer
dataset: datasets/smoke.jsonl
repeats: 2
scorers:
  - {kind: judge, name: relevant, metric: relevance, scale: binary}
"""


def is_good(answer):
    """What judge and people agree on in these tests."""
    return sum(answer.encode()) % 2 == 0


def counts_bytes(call):
    """A judge that sees what people see."""
    response = call.messages[-1]["content"].rpartition("[response ")[2].partition("]\n")[2].partition("\n[end of")[0]
    return {"reasoning": f"it begins with {response[:1]}", "score": int(is_good(response))}


@pytest.fixture
def judged(project):
    """The example with a suite whose judge is a model at an OpenAI-compatible server, here on this machine."""
    judge = RuleJudge(counts_bytes)
    with on_loopback(ProviderServer(judge)) as url:
        project.replace(
            "moat.yaml",
            {
                "providers:\n": f"providers:\n  local: {{kind: openai, base_url: {url}/v1}}\n",
                "models:\n": "models:\n  judge: {use: [local/grader], price: {input: '1', output: '2'}}\n",
            },
        )
        project.ok("judge", "add", "relevance")
        (project.root / "evals" / "relevant.yaml").write_text(SUITE)
        project.judge = judge
        yield project


def run(project, *more):
    done = project.ok("eval", "run", "support/answer@1.0.0", "--suite", "relevant", "--json", *more)
    return done.json[0]["run"]


def label(path, verdict, raters=("ann",), **more):
    """Fill in a file as people would."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    filled = [row | {"value": verdict(row), "rater": rater} | more for row in rows for rater in raters]
    path.write_bytes(b"\n".join(map(msgspec.json.encode, filled)))
    return len(rows)


def test_shipped_judges_are_listed_and_become_prompts_of_the_project(project) -> None:
    names = [row["metric"] for row in project.ok("judge", "metrics", "--json").json]
    assert {"relevance", "faithfulness", "coherence", "safety", "correctness", "hallucination"} <= set(names)
    assert "context_precision" in project.ok("judge", "metrics").out
    for name in names:
        project.ok("judge", "add", name, "--model", "assistant")
    problems = project.run("lint", "--json").json
    assert [
        each for each in problems if each["path"].startswith("prompts/judges") and each["rule"] != "uncovered"
    ] == []
    project.ok("prompt", "publish", "judges/relevance@1.0.0")
    assert project.run("judge", "add", "relevance", "--model", "assistant").code == 75
    missing = project.run("judge", "add", "relevnce")
    assert (missing.code, "relevance" in missing.err) == (66, True)
    assert "no model 'judge'" in project.run("judge", "add", "safety", "--version", "1.1.0").err


@pytest.mark.promise("keep-5")
def test_a_run_is_judged_over_the_wire_once_and_paid_for(judged) -> None:
    made = run(judged)
    asked = len(judged.judge.calls)
    assert asked == made["cases"] * 2
    shown_run = judged.ok("eval", "show", made["id"], "--json").json
    scores = [score for result in shown_run["results"] for score in result["scores"]]
    assert {score["status"] for score in scores} == {"ok"}
    assert all(score["cost"] == 120_000_000 for score in scores)
    assert all(score["evidence"]["votes"][0]["answered_by"] == "local/grader" for score in scores)
    run(judged)
    assert len(judged.judge.calls) == asked
    calls = judged.ok("traces", "--feature", "judge:relevant", "--limit", "100", "--json").json
    assert len(calls) == asked


@pytest.mark.promise("keep-5")
def test_a_run_that_is_killed_goes_on_and_judges_nothing_twice_that_was_scored(judged) -> None:
    judge = judged.judge
    judge.hangs_after = 5
    with judged.spawn("eval", "run", "support/answer@1.0.0", "--suite", "relevant") as child:

        def scored():
            runs = judged.ok("eval", "list", "--suite", "relevant", "--json").json
            return runs and len(judged.ok("eval", "show", runs[0]["id"], "--json").json["results"]) == 5

        eventually(scored)
        child.kill()
        child.communicate()
    assert len(judge.answered) == 5
    judge.hangs_after = None
    made = run(judged)
    assert made["status"] == "finished"
    asked = Counter(call.messages[-1]["content"] for call in judge.answered)
    assert asked.total() == made["cases"] * made["repeats"]
    assert max(asked.values()) <= made["repeats"]


def test_from_a_run_to_labels_to_a_calibrated_judge(judged) -> None:
    listed = judged.ok("judge", "list", "--json").json
    assert [(row["judge"], row["standing"]) for row in listed] == [("relevant/relevant", "uncalibrated")]
    made = run(judged)
    file = judged.root / "answers.jsonl"
    out = judged.ok("judge", "export", made["id"], str(file), "--blind", "--sample", "10").out
    assert out.startswith("10 answers")
    assert judged.run("judge", "export", made["id"], str(file)).code == 75
    label(file, lambda row: "pass" if is_good(row["answer"]) else "fail", raters=("ann", "bob"))
    (taken,) = judged.ok("judge", "import", str(file), "--json").json
    assert (taken["labels"], taken["raters"], taken["agreement"]["value"]) == (taken["answers"] * 2, ["ann", "bob"], 1)
    assert judged.ok("judge", "import", str(file), "--json").json[0]["labels"] == 0
    done = judged.ok("judge", "calibrate", "relevant", "--json").json
    measured = done["calibration"]["measures"]
    assert (measured["n"], measured["people"], measured["fp"], measured["fn"]) == (taken["answers"], 2, 0, 0)
    assert (judged.root / done["path"]).is_file()
    assert judged.ok("judge", "list", "--json").json[0]["standing"] == done["standing"]
    asked = len(judged.judge.calls)
    text = judged.ok("judge", "calibrate", "relevant/relevant", "--budget", "$1").out
    assert len(judged.judge.calls) == asked
    assert "kappa" in text
    assert "alpha of people" in text


def test_another_judge_is_another_suite_and_its_calibration_is_over(judged) -> None:
    made = run(judged)
    file = judged.root / "answers.csv"
    judged.ok("judge", "export", made["id"], str(file), "--all", "--stratified")
    rows = file.read_text().splitlines()
    assert rows[0].startswith("item,score,question,context,reference,answer,value,rater,comment,weight,run,case")
    other = judged.root / "more.jsonl"
    judged.ok("judge", "export", made["id"], str(other), "--all")
    label(other, lambda row: row["judge"])
    judged.ok("judge", "import", str(other), "--rater", "ann")
    judged.ok("judge", "calibrate", "relevant")
    path = "prompts/judges/relevance/1.0.0.yaml"
    judged.replace(path, {"You judge how relevant": "You judge strictly how relevant"})
    assert judged.ok("judge", "list", "--json").json[0]["standing"] == "expired"
    again = run(judged)
    assert (again["suite_digest"] != made["suite_digest"], again["id"] != made["id"]) == (True, True)


def test_labels_are_scores_too_and_other_answers_something_to_compare_with(judged) -> None:
    made = run(judged)
    file = judged.root / "evals" / "before.jsonl"
    judged.ok("judge", "export", made["id"], str(file), "--all")
    filled = judged.root / "filled.jsonl"
    filled.write_bytes(file.read_bytes())
    label(filled, lambda row: 0.25)
    judged.ok("judge", "import", str(filled))
    judged.ok("judge", "add", "pairwise")
    (judged.root / "evals" / "relevant.yaml").write_text(
        SUITE
        + "  - {kind: human, of: relevant, labels: labels/relevant.jsonl}\n"
        + "  - {kind: pairwise, against: before.jsonl}\n"
    )
    judged.judge.reply = lambda call: {"reasoning": "", "winner": "first", "score": 1}
    results = judged.ok("eval", "show", run(judged)["id"], "--json").json["results"]
    values = {score["name"]: score["value"] for result in results for score in result["scores"]}
    assert (values["human"], values["pairwise"]) == (0.25, 0.5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("empty.jsonl", '{"score":"relevant","case":"c1","answer":"","value":0,"rater":"ann"}\n'),
        ("empty.csv", "score,case,answer,value,rater\nrelevant,c1,,0,ann\n"),
    ],
)
def test_an_empty_answer_is_labelled_and_labels_come_before_their_file(name, text, judged) -> None:
    (judged.root / "evals" / "relevant.yaml").write_text(
        SUITE + "  - {kind: human, of: relevant, labels: labels/relevant.jsonl}\n"
    )
    (judged.root / name).write_text(text)
    (taken,) = judged.ok("judge", "import", str(judged.root / name), "--suite", "relevant", "--json").json
    assert (taken["labels"], taken["answers"]) == (1, 1)


@pytest.mark.parametrize(
    ("change", "words", "code"),
    [
        ({"value": None}, "nobody labelled anything", 65),
        ({"value": 3}, "answers.jsonl:1", 65),
        ({"value": 1, "rater": ""}, "--rater", 65),
        ({"value": 1, "rater": "ann", "item": "0000"}, "no stored run", 65),
        ({"value": 1, "rater": "ann", "score": ""}, "which score", 65),
        ({"value": 1, "rater": "ann", "item": "", "case": ""}, "which answer", 65),
    ],
)
def test_labels_that_cannot_be_taken_in_change_nothing(change, words, code, judged) -> None:
    made = run(judged)
    file = judged.root / "answers.jsonl"
    judged.ok("judge", "export", made["id"], str(file), "--sample", "2")
    rows = [json.loads(line) | change for line in file.read_text().splitlines()]
    file.write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    done = judged.run("judge", "import", str(file))
    assert (done.code, words in done.err) == (code, True), done
    assert not (judged.root / "evals" / "labels").exists()


def test_answers_of_no_run_can_be_labelled_and_what_is_missing_is_said(judged) -> None:
    cases = [json.loads(line)["id"] for line in (judged.root / "evals/datasets/smoke.jsonl").read_text().splitlines()]
    rows = [{"score": "relevant", "case": case, "answer": "{}", "value": "yes"} for case in cases[:2]]
    rows += [{"score": "relevant", "case": case, "answer": "text", "value": "no"} for case in cases[:2]]
    file = judged.root / "ours.jsonl"
    file.write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    assert judged.run("judge", "import", str(file), "--rater", "ann").code == 65
    assert judged.run("judge", "import", str(file), "--rater", "ann", "--suite", "none").code == 66
    early = judged.run("judge", "calibrate", "relevant")
    assert (early.code, "moat judge export" in early.err) == (65, True)
    text = judged.ok("judge", "import", str(file), "--rater", "ann", "--suite", "relevant").out
    assert "no answer was labelled by two" in text
    judged.judge.reply = lambda call: ProviderRefused("no such model")
    silent = judged.run("judge", "calibrate", "relevant")
    assert (silent.code, "of which the judge scored 0" in silent.err, "no such model" in silent.err) == (65, True, True)
    judged.judge.reply = counts_bytes
    done = judged.ok("judge", "calibrate", "relevant")
    assert "4 labelled answers say little" in done.err
    assert "kappa" in done.out
    for name, words in (("nothing", "relevant/relevant"), ("support/facts", "no judge")):
        unknown = judged.run("judge", "calibrate", name)
        assert (unknown.code, words in unknown.err) == (66, True)
    assert judged.run("judge", "import", str(judged.root / "missing.jsonl")).code == 65


def test_what_people_would_score_a_run_and_lint_that_knows_judges(judged) -> None:
    made = run(judged)
    file = judged.root / "answers.jsonl"
    judged.ok("judge", "export", made["id"], str(file), "--sample", "4")
    label(file, lambda row: is_good(row["answer"]))
    poor = judged.run("judge", "estimate", made["id"])
    assert (poor.code, "moat judge export" in poor.err) == (65, True)
    judged.ok("judge", "import", str(file))
    found = judged.ok("judge", "estimate", made["id"], "--json").json
    assert found["low"] <= found["mean"] <= found["high"]
    assert "as people would have it" in judged.ok("judge", "estimate", made["id"], "--score", "relevant").out
    paths = [each["path"] for each in judged.run("lint", "--json").json if each["rule"] == "uncovered"]
    assert not any(path.startswith("prompts/judges") for path in paths)
    (judged.root / "evals" / "relevant.yaml").write_text(SUITE.replace("metric: relevance", "metric: safety"))
    problems = judged.run("lint", "--json").json
    assert any("moat judge add safety" in each["remedy"] for each in problems)


def test_a_calibration_stops_at_its_budget_and_goes_on_from_there(judged) -> None:
    made = run(judged)
    file = judged.root / "answers.jsonl"
    judged.ok("judge", "export", made["id"], str(file), "--all")
    label(file, lambda row: is_good(row["answer"]))
    judged.ok("judge", "import", str(file))
    judged.replace("prompts/judges/relevance/1.0.0.yaml", {"You judge how relevant": "You judge strictly how relevant"})
    asked = len(judged.judge.calls)
    poor = judged.run("judge", "calibrate", "relevant", "--budget", "$0.003")
    assert (poor.code, "budget" in poor.err) == (75, True), poor
    assert not (judged.root / "evals" / "calibrations").exists()
    first = len(judged.judge.calls) - asked
    judged.ok("judge", "calibrate", "relevant")
    done = json.loads((judged.root / "evals/calibrations/relevant.relevant.json").read_text())
    assert len(judged.judge.calls) - asked == done["measures"]["n"] > first
