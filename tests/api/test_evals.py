"""Evaluations over the API: what `moat eval` and `moat dataset` show, to whom it may be shown, and nothing made up."""

import datetime
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.suites import Suites
from moat.domain.spans import Span
from moat.evals.calibration.agreement import Pair, measures, measures_of_slices
from moat.evals.calibration.standing import Calibration, judge_identity, keep
from moat.evals.datasets.lock import LOCK
from moat.evals.judges.shipped import template as rubric
from tests.api.stored_runs import NEW, OLD, SUITE
from tests.api.world import Api, open_api
from tests.bootstrap.projects import Project as Example

DATASET = "evals/datasets/support.jsonl"
CASES = 116


@pytest.fixture
def fresh(template: Path, tmp_path: Path) -> Iterator[Api]:
    """One whose files a test may change."""
    with open_api(template, tmp_path) as opened:
        yield opened


def pages(api: Api, path: str, member: str, **query: Any) -> list[dict[str, Any]]:
    """All rows, page by page."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        status, page = api.get(path, "viewer", after=after, **query)
        assert status == 200, page
        found += page[member]
        after = page["next"]
        if not after:
            return found


def test_a_run_says_what_the_command_line_says(api: Api) -> None:
    files = Project(api.files.root)
    evaluating = Evaluating(files, api.state, {})
    told = evaluating.compare_stored(api.state.runs.get(NEW), api.state.runs.get(OLD))
    status, run = api.get(f"/api/v1/runs/{NEW}", "viewer", slices="tags,labels.intent")
    assert (status, run["run"]["id"], run["baseline"]["id"], run["chosen"]) == (200, NEW, OLD, "judged")
    assert (run["verdict"], run["summary"], run["missing"]) == ("regressed", "Worse: facts.", "")
    assert {gate["gate"]["score"]: gate["verdict"] for gate in run["gates"]}["facts"] == "regressed"
    facts = told.score("facts")
    assert facts is not None
    shown = next(score for score in run["scores"] if score["name"] == "facts")
    assert (shown["kind"], shown["gated"], shown["mark"]) == ("contains", True, None)
    assert shown["summary"] == {
        "n": CASES - 1,
        "errors": 1,
        "not_run": 0,
        "mean": pytest.approx(facts.candidate.mean),
        "low": pytest.approx(facts.candidate.low),
        "high": pytest.approx(facts.candidate.high),
        "method": "effective-wilson",
        "flake_rate": None,
    }
    assert shown["bins"] == [{"low": 0.0, "high": 0.0, "count": 38}, {"low": 1.0, "high": 1.0, "count": 77}]
    judged = run["judgements"][0]
    assert (judged["current"], judged["baseline_run"], judged["baseline_version"]) == (True, OLD, "1.0.0")
    totals = run["totals"]
    assert (totals["answers"], totals["errors"], totals["cost"]) == (CASES, 1, 3 * (CASES - 1))
    assert 0 < totals["latency_p50_ns"] < totals["latency_p95_ns"]
    slices = {(one["name"], one["score"]): one for one in run["slices"]}
    golden = slices["tags=golden", "facts"]
    assert golden["low"] <= golden["mean"] <= golden["high"]
    assert any(name.startswith("labels.intent=") for name, _ in slices)


def test_a_run_is_found_by_the_beginning_of_its_id_and_slices_are_paths(api: Api) -> None:
    assert api.get("/api/v1/runs/run_n")[1]["run"]["id"] == NEW
    assert api.get("/api/v1/runs/run_")[0] == 404
    status, body = api.get(f"/api/v1/runs/{NEW}", slices="colour")
    assert (status, "`tags`" in body["error"]["message"]) == (400, True)
    assert api.get(f"/api/v1/runs/{NEW}", slices=",".join(f"labels.a{n}" for n in range(21)))[0] == 400


def test_answers_come_page_by_page_with_what_was_asked_and_why(api: Api) -> None:
    path = f"/api/v1/runs/{NEW}/results"
    rows = pages(api, path, "results", limit=50)
    assert len(rows) == CASES
    assert [row["case"] for row in rows] == sorted({row["case"] for row in rows})
    lost = pages(api, path, "results", limit=7, scorer="facts", below=0.5)
    assert [row["case"] for row in lost] == [row["case"] for row in rows[3::3]]
    facts = next(score for score in lost[0]["answer"]["scores"] if score["name"] == "facts")
    assert (facts["reason"], facts["evidence"]) == ("missing: '30 days'", {"missing": ["30 days"]})
    assert lost[0]["asked"]["input"]
    assert lost[0]["answer"]["trace_id"] == "t3"
    failed = pages(api, path, "results", failed="true")
    assert [row["answer"]["error"] for row in failed] == ["the provider does not answer"]
    assert len(pages(api, path, "results", failed="false")) == CASES - 1
    found = pages(api, path, "results", search="RETURNS-")
    assert found == [row for row in rows if "returns-" in row["case"]]


@pytest.mark.parametrize(
    ("name", "value"), [("below", "2"), ("below", "x"), ("after", "x"), ("after", "x:y"), ("limit", "0")]
)
def test_what_is_no_place_and_no_bound_is_refused(api: Api, name: str, value: str) -> None:
    status, body = api.get(f"/api/v1/runs/{NEW}/results", **{name: value})
    assert (status, body["error"]["param"]) == (400, name)


def test_runs_come_page_by_page_and_are_found_by_what_they_are(api: Api) -> None:
    status, first = api.get("/api/v1/runs", "viewer", limit=1)
    assert (status, [run["id"] for run in first["runs"]], first["next"]) == (200, [NEW], NEW)
    second = api.get("/api/v1/runs", before=first["next"], limit=1)[1]
    assert ([run["id"] for run in second["runs"]], second["next"]) == ([OLD], "")

    def ids(**wanted: str) -> list[str]:
        return [run["id"] for run in api.get("/api/v1/runs", "viewer", **wanted)[1]["runs"]]

    assert ids(suite=SUITE, prompt="support/answer") == [NEW, OLD]
    assert ids(version="1.0.0") == ids(verdict="none") == ids(like=NEW) == [OLD]
    assert ids(verdict="regressed") == [NEW]
    assert ids(verdict="pass") == ids(suite="smoke") == []
    author = api.state.runs.get(OLD).author
    assert ids(author=author[:4].upper()) == [NEW, OLD]
    for name, value in (("verdict", "good"), ("before", "run_"), ("like", "run_"), ("author", "a" * 201)):
        status, body = api.get("/api/v1/runs", **{name: value})
        assert (status, body["error"]["param"]) == (400, name)


def test_two_runs_case_by_case_what_got_worse_first(api: Api) -> None:
    told = Evaluating(Project(api.files.root), api.state, {}).compare_stored(
        api.state.runs.get(NEW), api.state.runs.get(OLD)
    )
    status, found = api.get("/api/v1/comparisons", "viewer", run=NEW, limit=1)
    assert (status, found["baseline"]["id"], found["chosen"], found["verdict"]) == (200, OLD, "judged", "regressed")
    same = CASES - 39
    assert found["counts"] == {"worse": 38, "mixed": 0, "single": 1, "better": 0, "new": 0, "same": same}
    facts, shown = told.score("facts"), next(score for score in found["scores"] if score["name"] == "facts")
    assert facts is not None
    assert facts.difference is not None
    difference = shown["difference"]
    assert (shown["worse"], shown["better"], shown["incomplete"]) == (38, 0, 1)
    assert (difference["mean"], difference["p"]) == pytest.approx((facts.difference.mean, facts.difference.p))
    assert difference["method"] == facts.difference.method
    cases = pages(api, "/api/v1/comparisons", "cases", run=NEW, baseline=OLD, limit=30)
    assert [case["change"] for case in cases] == ["worse"] * 38 + ["single"] + ["same"] * same
    assert len({case["case"] for case in cases}) == CASES
    worst = cases[0]
    assert [pair for pair in worst["scores"] if pair["score"] == "facts"] == [
        {"score": "facts", "candidate": 0.0, "baseline": 1.0}
    ]
    assert (worst["candidate"][0]["output"], worst["baseline"][0]["output"]) == ("{}", '{"answer": "Within 30 days."}')
    assert worst["candidate"][0]["scores"][2]["reason"] == "missing: '30 days'"
    assert (cases[38]["failed"], cases[38]["candidate"][0]["scores"][0]["status"]) == (True, "not_run")


def test_a_comparison_is_looked_at_in_parts(api: Api) -> None:
    path = "/api/v1/comparisons"
    every = pages(api, path, "cases", run=NEW, limit=50)
    for change in ("worse", "single", "same", "better"):
        part = pages(api, path, "cases", run=NEW, limit=7, change=change)
        assert part == [case for case in every if case["change"] == change], change
    changed = pages(api, path, "cases", run=NEW, limit=7, change="changed")
    assert changed == [case for case in every if case["change"] != "same"]
    golden = pages(api, path, "cases", run=NEW, limit=7, slice="tags=golden")
    assert golden == [case for case in every if "golden" in case["asked"]["tags"]]
    found = api.get(path, "viewer", run=NEW, slice="tags=golden", change="worse", limit=1)[1]
    counts = found["counts"]
    assert sum(counts.values()) == len(golden)
    assert counts["worse"] == sum(case["change"] == "worse" for case in golden)
    assert {"name": "tags=golden", "counts": counts} in found["slices"]
    losses = [one["counts"]["worse"] for one in found["slices"]]
    assert losses == sorted(losses, reverse=True)
    assert pages(api, path, "cases", run=NEW, search="RETURNS-") == [
        case for case in every if "returns-" in case["case"]
    ]
    assert api.get(path, run=NEW, slice="tags=nobody")[1]["cases"] == []
    for name, value in (("change", "odd"), ("slice", "colour=red"), ("slice", "a" * 201)):
        assert api.get(path, run=NEW, **{name: value})[0] == 400, name


def test_cases_that_only_the_baseline_answered_are_shown(fresh: Api) -> None:
    suite = fresh.files.root / "evals/support.yaml"
    gates = re.sub(r",? *min: [0-9.]+", "", suite.read_text("utf-8"))
    suite.write_text(f"{gates}\nstop: early\n", "utf-8")
    part = replace(fresh.state.runs.get(NEW), id="run_part", status="stopped")
    fresh.state.runs.start(part)
    some = fresh.state.runs.results(NEW)[1:11]
    fresh.state.runs.add(part.id, some)
    found = fresh.get("/api/v1/comparisons", run=part.id, baseline=OLD, limit=CASES)[1]
    assert found["counts"]["single"] == CASES - len(some)
    single = next(case for case in found["cases"] if case["change"] == "single")
    assert (single["candidate"], single["failed"], len(single["baseline"])) == ([], False, 1)


def test_a_first_run_is_compared_with_nothing_and_another_with_what_a_gate_would_take(api: Api) -> None:
    found = api.get("/api/v1/comparisons", run=OLD, limit=1)[1]
    # Production serves 1.0.0, which is the run's own content: its gates compare it with itself.
    assert (found["chosen"], found["baseline"], found["cases"][0]["change"]) == ("none", None, "new")
    assert (found["verdict"], found["gates"]) == (None, [])
    assert "`moat gate support/answer@1.0.0 --suite support`" in found["missing"]
    assert api.get("/api/v1/comparisons", run=NEW, baseline=OLD, after="nowhere")[0] == 400
    assert api.get("/api/v1/comparisons", run="run_x")[0] == 404
    assert api.get("/api/v1/comparisons")[0] == 400


def test_a_run_of_a_draft_that_is_gone_is_compared_with_what_production_serves(fresh: Api) -> None:
    def ran(id: str, commit: str) -> Any:
        runs = fresh.state.runs
        old = runs.get(OLD)
        written = {"version": "1.4.0", "prompt_digest": f"sha256:{id}", "commit": commit}
        runs.start(replace(old, id=id, created_ns=5, status="running", **written))
        runs.add(id, list(runs.results(OLD)))
        runs.finish(id, "finished", 6, 1.0, "simulated", spent=7)
        return fresh.get(f"/api/v1/runs/{id}")[1]

    draft = ran("run_draft", "draft")
    assert (draft["chosen"], draft["baseline"]["id"], draft["missing"]) == ("served", OLD, "")
    assert (draft["verdict"], len(draft["gates"]) > 0) == ("pass", True)
    found = fresh.get("/api/v1/comparisons", run="run_draft", limit=1)[1]
    assert (found["chosen"], found["baseline"]["id"], found["verdict"]) == ("served", OLD, "pass")
    edited = ran("run_edited", "c0ffee")
    assert (edited["chosen"], edited["baseline"]) == ("none", None)
    assert edited["missing"] == "support/answer@1.4.0 is not what it was when it ran: name a baseline."


def test_an_edited_dataset_leaves_the_answers_and_says_what_is_not_known(fresh: Api) -> None:
    path = fresh.files.root / DATASET
    first, _, rest = path.read_text("utf-8").partition("\n")
    path.write_text(rest, "utf-8")
    run = fresh.get(f"/api/v1/runs/{NEW}")[1]
    assert "the dataset changed since the run" in run["missing"]
    assert (run["verdict"], run["gates"], run["slices"]) == (None, [], [])
    facts = next(score for score in run["scores"] if score["name"] == "facts")["summary"]
    assert (facts["n"], facts["errors"], facts["low"], facts["method"]) == (CASES - 1, 1, None, "")
    assert facts["mean"] == pytest.approx(77 / 115)
    results = fresh.get(f"/api/v1/runs/{NEW}/results", search=json.loads(first)["id"])[1]
    assert ("the dataset changed" in results["missing"], results["results"][0]["asked"]) == (True, None)
    assert results["results"][0]["answer"]["scores"]
    status, body = fresh.get("/api/v1/comparisons", run=NEW)
    assert (status, "Run the suite again" in body["error"]["message"]) == (409, True)
    path.write_text(f"{first}\n{rest}" + '{"id": "one-more", "variables": {"question": "And now?"}}\n', "utf-8")
    assert fresh.get(f"/api/v1/runs/{NEW}")[1]["missing"] == "", "a case more takes nothing from old runs"


def test_a_broken_suite_is_listed_with_its_mistake_and_hides_no_other(fresh: Api) -> None:
    evals = fresh.files.root / "evals"
    (evals / "broken.yaml").write_text("prompt: support/answer\ndataset: no.jsonl\nscorers: [{kind: equal}]\n", "utf-8")
    (evals / "lost.yaml").write_text("prompt: support/answer\ndataset: no.jsonl\nscorers: [{kind: json}]\n", "utf-8")
    suites = {suite["name"]: suite for suite in fresh.get("/api/v1/suites", "viewer")[1]}
    assert "evals/broken.yaml:3" in suites["broken"]["problems"][0]
    assert "no.jsonl" in suites["lost"]["problems"][0]
    assert suites["lost"]["cases"] is None
    sound = suites[SUITE]
    assert (sound["problems"], sound["cases"], sound["dataset"]) == ([], CASES, DATASET)
    assert (sound["last_run"]["id"], sound["last_run"]["verdict"]) == (NEW, "regressed")
    assert sound["digest"] == sound["last_run"]["suite_digest"]
    assert sound["dataset_digest"] == sound["last_run"]["dataset_digest"]
    assert {"score": "facts", "margin": 0.05, "min": 0.7, "where": ""} in sound["gates"]
    assert {"name": "facts", "kind": "contains", "judge": False, "gated": True} in sound["scorers"]


def test_datasets_are_shown_beside_what_is_locked(project: Example, tmp_path: Path) -> None:
    project.ok("dataset", "lock", "support", "--reason", "The first agreed set.")
    (project.root / "evals/datasets/odd.jsonl").write_text("{\n", "utf-8")
    with open_api(project.root, tmp_path / "api") as api:
        found = {one["name"]: one for one in api.get("/api/v1/datasets", "viewer")[1]}
        support = found["support"]
        assert (support["state"], support["version"], support["cases"]) == ("locked", 1, CASES)
        assert (support["reason"], support["suites"]) == ("The first agreed set.", [SUITE])
        assert (found["smoke"]["state"], found["smoke"]["version"]) == ("not locked", None)
        assert (found["odd"]["state"], "odd.jsonl:1" in found["odd"]["problem"]) == ("broken", True)
        with (api.files.root / DATASET).open("a") as file:
            file.write('{"id": "one-more", "variables": {"question": "And now?"}}\n')
        edited = next(one for one in api.get("/api/v1/datasets")[1] if one["name"] == "support")
        assert (edited["state"], edited["cases"]) == ("edited", CASES + 1)


def test_a_plan_has_the_numbers_of_the_command_line_and_a_curve(api: Api, capsys: Any) -> None:
    plain = Example(api.files.root, capsys)
    told = plain.ok("eval", "plan", SUITE, "--detect", "5pts", "--json").json
    status, plan = api.get("/api/v1/power", "viewer", suite=SUITE, detect="5pts")
    assert (status, plan["cases"], plan["clusters"]) == (200, told["cases"], told["clusters"])
    for mine, theirs in zip(plan["scores"], told["scores"], strict=True):
        assert (mine["score"], mine["known"], mine["sees"]) == (theirs["score"], theirs["known"], theirs["sees"])
        assert mine["options"] == theirs["options"]
    facts = next(score for score in plan["scores"] if score["score"] == "facts")
    needed = facts["options"][0]["cases"]
    powers = [point["power"] for point in facts["curve"]]
    assert powers == sorted(powers)
    assert facts["curve"][-1]["cases"] >= needed
    enough = api.get("/api/v1/power", suite=SUITE, detect="5pts", cases=needed)[1]["scores"]
    assert next(score for score in enough if score["score"] == "facts")["power"]["power"] >= 0.8
    status, body = api.get("/api/v1/power", suite="nothing")
    assert (status, "support" in body["error"]["message"]) == (404, True)
    for name, value in (("power", 1), ("alpha", 0), ("repeats", 0), ("cases", 0), ("pass_rate", 1.5)):
        status, body = api.get("/api/v1/power", suite=SUITE, **{name: value})
        assert (status, body["error"]["param"]) == (400, name)
    assert api.get("/api/v1/power", suite=SUITE, detect="a lot")[0] == 400


def calibrated(root: Path) -> None:
    """A judge, and the comparison with people that was kept of it."""
    (root / "prompts/judges/relevance").mkdir(parents=True)
    (root / "prompts/judges/relevance/1.0.0.yaml").write_text(rubric("relevance", "assistant"), "utf-8")
    suite = "prompt: support/answer\ndataset: datasets/support.jsonl\nscorers: [{kind: judge, metric: relevance}]\n"
    (root / "evals/judged.yaml").write_text(suite, "utf-8")
    scorer = Suites(Project(root))["judged"].scorers[0]
    pairs = [
        Pair(case=str(n), people=(float(n % 2),), judged=0.9 if n % 2 or n == 0 else 0.2, length=10 + n)
        for n in range(40)
    ]
    today = datetime.datetime.now(datetime.UTC).date()
    keep(
        root,
        Calibration(
            suite="judged",
            scorer=scorer.name,
            identity=judge_identity(scorer),
            prompt="judges/relevance@1.0.0",
            models=scorer.models,
            labels="sha256:0",
            measures=measures(pairs, 0.5),
            slices=measures_of_slices(pairs, {"tags=odd": [str(n) for n in range(1, 40, 2)], "tags=few": ["0"]}, 0.5),
            created=today,
            expires=today + datetime.timedelta(days=90),
        ),
    )


def test_judges_show_how_far_they_agree_with_people(fresh: Api) -> None:
    assert fresh.get("/api/v1/judges", "viewer") == (200, [])
    calibrated(fresh.files.root)
    [judge] = fresh.get("/api/v1/judges", "viewer")[1]
    assert (judge["suite"], judge["standing"], judge["labels"]) == ("judged", "calibrated", 0)
    assert judge["prompt"] == "judges/relevance@1.0.0"
    found = judge["calibration"]
    assert (found["n"], found["tp"], found["fn"], found["fp"], found["tn"]) == (40, 20, 0, 1, 19)
    assert found["kappa"]["value"] == pytest.approx(0.95)
    assert found["kappa"]["low"] < found["kappa"]["value"] < found["kappa"]["high"]
    assert (found["alpha_people"], found["lean"]) == (None, None), "nobody labelled an answer twice"
    [part] = found["slices"]
    assert (part["name"], part["n"], part["few"], part["fp"]) == ("tags=odd", 20, True, 0)
    assert part["shift"]["low"] <= part["shift"]["value"] <= part["shift"]["high"]
    rubric_file = fresh.files.root / "prompts/judges/relevance/1.0.0.yaml"
    rubric_file.write_text(rubric_file.read_text("utf-8").replace("You", "You, my friend,", 1), "utf-8")
    [judge] = fresh.get("/api/v1/judges")[1]
    assert (judge["standing"], judge["calibration"]["n"]) == ("expired", 40)


def recorded(api: Api, folder: Path) -> None:
    """A call with its content, and one without."""
    asked = {"messages": [{"role": "user", "content": "I am zoe@ridgeline.shop. Where is my order?"}]}
    spans = [
        Span(span_id="a" * 16, trace_id="a" * 32, kind="call", name="chat", started_ns=9, duration_ns=5,
             request_id="req_said", session="s1", input=asked),
        Span(span_id="b" * 16, trace_id="b" * 32, kind="call", name="chat", started_ns=9, duration_ns=5,
             request_id="req_silent"),
    ]  # fmt: skip
    segment = folder / "said.ndjson"
    segment.write_bytes(b"".join(msgspec.json.encode(span) + b"\n" for span in spans))
    api.traces.ingest([segment])


def propose(api: Api, who: str = "admin", dataset: str = "support", **order: Any) -> tuple[int, Any]:
    return api.post(f"/api/v1/datasets/{dataset}/cases", order, who)


def test_a_recorded_call_becomes_a_case_once_and_masked(fresh: Api, tmp_path: Path) -> None:
    recorded(fresh, tmp_path)
    path = fresh.files.root / DATASET
    before = path.read_bytes()
    order = {"request_id": "req_said", "expected": "On its way.", "labels": {"intent": "order"}, "tags": ["live"]}
    status, made = propose(fresh, **order)
    assert (status, made["added"], made["dataset"]) == (201, True, DATASET)
    assert made["next"] == ["moat dataset check support", "moat dataset lock support --reason TEXT"]
    assert path.read_bytes().startswith(before)
    line = json.loads(path.read_bytes().splitlines()[-1])
    assert "zoe@ridgeline.shop" not in json.dumps(line)
    assert (line["id"], line["expected"], line["source"]) == ("req_said", "On its way.", "trace:req_said")
    assert line["tags"] == ["live"]
    assert (line["cluster"][:8], "s1" in line["cluster"][8:10]) == ("session-", False)
    [entry] = fresh.get("/api/v1/audit", action="traces.export")[1]
    assert (entry["entry"]["actor"], entry["entry"]["subject"]) == ("grace@example.org", DATASET)
    assert (propose(fresh, **order)[0], propose(fresh, trace_id="a" * 32)[1]["added"]) == (200, False)
    assert len(path.read_bytes().splitlines()) == CASES + 1


def test_a_locked_dataset_gets_proposals_beside_it(
    project: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.ok("dataset", "lock", "support", "--reason", "The first agreed set.")
    with open_api(project.root, tmp_path / "api") as api:
        recorded(api, tmp_path)
        root = api.files.root
        before, lock = (root / DATASET).read_bytes(), (root / LOCK).read_bytes()
        status, made = propose(api, request_id="req_said")
        assert (status, made["dataset"]) == (201, "evals/datasets/support.proposed.jsonl")
        assert ((root / DATASET).read_bytes(), (root / LOCK).read_bytes()) == (before, lock)
        assert propose(api, request_id="req_said")[0] == 200
        monkeypatch.chdir(root)
        assert [command.split()[:3] for command in made["next"]][:2] == [
            ["moat", "dataset", "import"],
            ["rm", made["dataset"]],
        ]
        plain = Example(root, project.capture)
        plain.ok(*made["next"][0].split()[1:])
        (root / made["dataset"]).unlink()
        plain.ok(*made["next"][-1].split()[1:])
        assert len((root / DATASET).read_bytes().splitlines()) == CASES + 1
        support = next(one for one in api.get("/api/v1/datasets")[1] if one["name"] == "support")
        assert (support["state"], support["version"]) == ("locked", 2)


def test_what_is_no_case_is_refused_and_writes_nothing(fresh: Api, tmp_path: Path) -> None:
    recorded(fresh, tmp_path)
    before = sorted(path for path in (fresh.files.root / "evals").rglob("*"))
    content = (fresh.files.root / DATASET).read_bytes()
    status, body = propose(fresh, request_id="req_silent")
    assert (status, "was not recorded" in body["error"]["message"]) == (409, True)
    assert propose(fresh, request_id="req_none")[0] == 404
    assert propose(fresh)[0] == propose(fresh, request_id="req_said", trace_id="a" * 32)[0] == 400
    for name in ("..%2f..%2fmoat", "/etc/passwd", "a%00b", ".hidden", "evals/datasets/../../moat", "moat.yaml"):
        assert propose(fresh, dataset=name, request_id="req_said")[0] in (400, 404), name
    for who in ("viewer", "app"):
        assert propose(fresh, who, request_id="req_said")[0] == 403
    assert sorted(path for path in (fresh.files.root / "evals").rglob("*")) == before
    assert (fresh.files.root / DATASET).read_bytes() == content
    assert propose(fresh, dataset="new-one", request_id="req_said")[1]["dataset"] == "evals/datasets/new-one.jsonl"
