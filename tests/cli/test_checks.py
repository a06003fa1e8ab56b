"""What `lint` and `config check` find in suites and moat.yaml, and how bugs end."""

from collections.abc import Callable
from pathlib import Path

import pytest

from moat.bootstrap.project import Project as Files
from tests.bootstrap.projects import PROMPT, Project

INPUT, INTERNAL, CONFIG = 65, 70, 78
SMOKE = "evals/smoke.yaml"


def moved_away(project: Project) -> None:
    """The suite's data lies in another folder of the project."""
    data = project.root / "evals/datasets/smoke.jsonl"
    (project.root / "data").mkdir()
    data.rename(project.root / "data/smoke.jsonl")
    project.replace(SMOKE, {"datasets/smoke.jsonl": "../data/smoke.jsonl"})


FLAWS: dict[str, tuple[Callable[[Project], None], str]] = {
    "misspelt prompt": (
        lambda p: p.replace(SMOKE, {f"prompt: {PROMPT}": "prompt: support/answr"}),
        f"{SMOKE}:2: error: there is no prompt 'support/answr' [unknown-prompt]. Did you mean 'support/answer'?",
    ),
    "missing data": (
        lambda p: (p.root / "evals/datasets/smoke.jsonl").unlink(),
        f"{SMOKE}:3: error: no file evals/datasets/smoke.jsonl [dataset]",
    ),
    "broken data": (
        lambda p: (p.root / "evals/datasets/smoke.jsonl").write_text("{}\n", "utf-8"),
        "evals/datasets/smoke.jsonl:1: error: object missing required field `id`",
    ),
    "broken suite": (
        lambda p: p.replace(SMOKE, {"scorers:": "scorer:"}),
        f"{SMOKE}:8: error: unknown key 'scorer'",
    ),
    "unknown suite": (
        lambda p: p.replace("moat.yaml", {"require: [support]": "require: [support, smok]"}),
        "error: 'production' requires the suite 'smok', which there is not [unknown-suite]. Did you mean 'smoke'?",
    ),
    "reserved parameter": (
        lambda p: p.replace(f"prompts/{PROMPT}/1.0.0.yaml", {"params: {": "params: {stream: true, "}),
        f"prompts/{PROMPT}/1.0.0.yaml:5: error: 'stream' cannot be a parameter [reserved-parameter]",
    ),
}


@pytest.mark.parametrize("name", FLAWS)
def test_lint_names_every_flaw_and_goes_on(project: Project, name: str) -> None:
    change, said = FLAWS[name]
    change(project)
    project.replace(f"prompts/{PROMPT}/1.2.0.yaml", {"model: assistant": "model: asistant"})
    done = project.run("lint")
    assert done.code == 1
    assert said in done.out
    assert "no model 'asistant'" in done.out, "one flaw hides no other"
    assert str(project.root) not in done.out
    assert "2 errors, 0 warnings" in done.out


def test_data_may_lie_elsewhere(project: Project) -> None:
    moved_away(project)
    assert "0 errors" in project.ok("lint").out
    assert project.run("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke").code == 0
    (project.root / "data/smoke.jsonl").write_text("{}\n", "utf-8")
    done = project.run("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke")
    assert (done.code, "data/smoke.jsonl:1" in done.err) == (INPUT, True)


def test_cases_that_do_not_fit_the_prompt_are_found_before_anything_is_asked(project: Project) -> None:
    (project.root / "evals/datasets/smoke.csv").write_text("id,question\na,Refund?\nb,\nc,\n", "utf-8")
    project.replace(SMOKE, {"smoke.jsonl": "smoke.csv"})
    said = f"the case 'b' does not fit, and 1 more case does not fit either: {PROMPT}@1.2.0 needs"
    done = project.run("lint")
    assert (done.code, f"evals/datasets/smoke.csv:3: error: {said}" in done.out) == (1, True), done
    done = project.run("eval", "run", f"{PROMPT}@1.2.0", "--suite", "smoke")
    assert (done.code, f"error: evals/datasets/smoke.csv:3: {said}" in done.err) == (INPUT, True), done
    assert project.ok("eval", "list", "--json").json == []
    (project.root / "evals/datasets/smoke.csv").write_text("id,quest\na,Refund?\n", "utf-8")
    done = project.run("lint")
    assert (done.code, f"smoke.csv:2: error: the case 'a' does not fit: {PROMPT}@1.2.0 has no" in done.out) == (1, True)


def test_config_check_knows_the_suites(project: Project) -> None:
    project.replace("moat.yaml", {"require: [support]": "require: [nope]"})
    done = project.run("config", "check")
    assert (done.code, done.out) == (CONFIG, "")
    assert "moat.yaml:" in done.err
    assert "'production' requires the suite 'nope'" in done.err


def test_one_of_a_kind_is_singular(project: Project) -> None:
    (project.root / "moat.yaml").write_text(
        "providers: {one: {kind: simulated, rules: simulation/support.yaml}}\n"
        "models: {assistant: {use: [one/m]}}\nenvironments: {production: {}}\n",
        "utf-8",
    )
    assert "is good: 1 provider, 1 model, 1 environment." in project.ok("config", "check").out
    (project.root / f"prompts/{PROMPT}/1.0.0.yaml").write_text("", "utf-8")
    assert "2 prompt versions checked: 1 error, 0 warnings." in project.run("lint").out


def test_a_broken_suite_is_named_from_the_project(project: Project) -> None:
    project.replace(SMOKE, {"scorers:": "scorer:"})
    done = project.run("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke")
    assert (done.code, done.err.startswith(f"error: {SMOKE}:8: ")) == (CONFIG, True)


def test_a_bug_is_no_verdict_and_keeps_its_traceback(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_folder: Path | None) -> Files:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Files, "find", broken)
    done = project.run("lint")
    assert (done.code, done.out) == (INTERNAL, "")
    assert "Traceback" in done.err
    assert "ZeroDivisionError: a bug" in done.err


def test_a_baseline_may_be_written_like_any_version(project: Project) -> None:
    gate = ["gate", f"{PROMPT}@1.2.0", "--suite", "smoke", "--json", "--baseline"]
    for written in ("1.0.0", f"{PROMPT}@1.0.0"):
        (report,) = project.run(*gate, written).json
        assert report["comparison"]["baseline"]["version"] == "1.0.0"
    done = project.run(*gate, "other@1.0.0")
    assert (done.code, f"'other@1.0.0' is no version of '{PROMPT}'" in done.err) == (INPUT, True)
    assert project.run("gate", f"{PROMPT}@1.2.0", "--env", "prod").code == CONFIG
