"""Every command on its good path: what people read, what programs get, and the exit code."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moat.cli.main import COMMANDS
from moat.domain.spans import Span
from moat.telemetry.spool import SegmentSpool
from tests.bootstrap.projects import PROMPT, Project, in_process


def record(project: Project, **fields: Any) -> None:
    """A finished call, as a server leaves it behind."""
    now = time.time_ns()
    number = f"{now:032x}"
    given: dict[str, Any] = {
        "request_id": f"req_{number[-8:]}",
        "tenant": "acme",
        "feature": "chat",
        "user": "u1",
    } | fields
    span = Span(
        span_id=number[-16:], trace_id=number, kind="call", name="chat", started_ns=now, duration_ns=42_000_000,
        model="assistant", provider="simulated", input_tokens=100, output_tokens=20, cost=108_000_000,
        finish_reason="stop", input={"messages": [{"role": "user", "content": "Why?"}]}, output={"text": "Yes."},
        **given,
    )  # fmt: skip
    spool = SegmentSpool(project.root / ".moat" / "spool")
    spool.open()
    spool.append([span])
    spool.close()


def test_help_lists_every_command_and_each_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    listed = in_process(capsys, "--help").out
    assert in_process(capsys).out == listed
    for name, (_, summary) in COMMANDS.items():
        assert re.search(rf"^ +{name} ", listed, re.MULTILINE), name
        assert summary.split()[0] in listed
        done = in_process(capsys, name, "-h")
        assert done.code == 0
        assert "Usage: moat" in done.out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert re.fullmatch(r"moat \d+\.\d+\.\d+\n", in_process(capsys, "--version").out)


def test_init_makes_a_project_that_is_committed_and_clean(project: Project, tmp_path: Path) -> None:
    done = in_process(project.capture, "init", str(tmp_path / "new"))
    assert done.code == 0
    assert "simulated: no model is asked" in done.out
    made = Project(tmp_path / "new", project.capture)
    assert made.ok("lint", "--json").json == []
    assert (made.root / ".git").is_dir()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["new", "project"]


def test_init_into_the_empty_folder_one_stands_in(project: Project, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    inode = empty.stat().st_ino
    assert in_process(project.capture, "init", str(empty), "--provider", "openai").code == 0
    assert empty.stat().st_ino == inode, "whoever stands in it still does"
    assert "kind: openai" in (empty / "moat.yaml").read_text("utf-8")
    assert [entry.name for entry in empty.iterdir() if entry.name.startswith(".moat")] == []


def test_config(project: Project) -> None:
    assert re.search(r"moat.yaml is good: \d+ providers, \d+ models, 2 environments", project.ok("config", "check").out)
    checked = project.ok("config", "check", "--json").json
    assert checked["providers"]["simulated"] == "simulated"
    assert checked["models"]["assistant"]
    assert checked["environments"] == ["production", "staging"]
    schema = project.ok("config", "schema").json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["$defs"]["Config"]["required"]) == {"providers", "models"}


def test_the_schema_takes_the_example_and_refuses_a_typo(project: Project) -> None:
    import jsonschema_rs

    from moat.documents import read_yaml

    validator = jsonschema_rs.validator_for(project.ok("config", "schema").json)
    for name in ("moat.yaml", "moat.openai.yaml"):
        assert validator.is_valid(read_yaml(project.root / name).data)
    assert not validator.is_valid(read_yaml(project.root / "moat.yaml").data | {"modles": {}})


def test_lint(project: Project) -> None:
    assert "3 prompt versions checked: 0 errors, 0 warnings." in project.ok("lint").out
    project.replace(f"prompts/{PROMPT}/1.2.0.yaml", {"model: assistant": "model: asistant"})
    done = project.run("lint", "--json")
    assert done.code == 1
    (problem,) = done.json
    assert problem["severity"] == "error"
    assert "asistant" in problem["message"]
    assert "1.2.0.yaml" in project.run("lint").out


def test_prompt(project: Project) -> None:
    project.release("1.0.0")
    listed = {entry["id"]: entry["served"] for entry in project.ok("prompt", "list", "--json").json}
    assert listed == {f"{PROMPT}@1.0.0": ["staging"], f"{PROMPT}@1.1.0": [], f"{PROMPT}@1.2.0": []}
    assert "1.1.0" in project.ok("prompt", "list").out
    shown = project.ok("prompt", "show", f"{PROMPT}@1.0.0", "--json").json
    assert shown["prompt"]["version"] == "1.0.0"
    assert shown["digest"].startswith("sha256:")
    text = project.ok("prompt", "show", f"{PROMPT}@1.0.0").out
    assert "[system]" in text
    assert "question: string" in text


def test_render(project: Project) -> None:
    done = project.ok(
        "prompt", "render", f"{PROMPT}@1.0.0", "--var", "question=[bold]Why?[/x]", "--var", "member=true", "--json"
    )
    assert done.json[-1]["role"] == "user"
    assert "[bold]Why?[/x]" in done.json[-1]["content"]
    assert "[bold]Why?[/x]" in project.ok("prompt", "render", f"{PROMPT}@1.0.0", "--var", "question=[bold]Why?[/x]").out


def test_eval(project: Project) -> None:
    done = project.ok("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke")
    assert "smoke on support/answer@1.0.0: 1.000" in done.out
    assert "smoke: 6 cases can show changes of the pass rate from 57 points on; 30 from 26 points" in done.err
    again = project.ok("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke", "--json").json
    (run,) = project.ok("eval", "list", "--json").json
    assert again[0]["run"] == run, "what is stored is not asked again"
    fresh = project.ok("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke", "--json", "--fresh").json
    assert fresh[0]["run"]["id"] != run["id"]
    assert (run["status"], run["cases"], run["provider"]) == ("finished", 6, "simulated")
    other = project.ok("eval", "run", f"{PROMPT}@1.1.0", "--suite", "smoke", "--json").json[0]["run"]
    assert len(project.ok("eval", "show", other["id"], "--json").json["results"]) == 6
    failed = project.ok("eval", "show", other["id"], "--failed", "--json").json["results"]
    assert 0 < len(failed) < 6
    assert failed[0]["case"] in project.ok("eval", "show", other["id"], "--failed").out
    compared = project.ok("eval", "compare", run["id"], other["id"], "--json").json
    assert {score["name"] for score in compared["scores"]} >= {"intent", "facts"}
    assert "cases got worse" in project.ok("eval", "compare", run["id"], other["id"]).out
    assert "interrupted" not in project.ok("eval", "list").out


def test_gate_exit_codes_are_the_verdicts(project: Project, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    blocked = project.run(
        "gate", f"{PROMPT}@1.1.0", "--baseline", "1.0.0", "--suite", "smoke", "--markdown", str(report)
    )
    assert blocked.code == 1
    assert blocked.out.startswith("REGRESSED")
    assert "egressed" in report.read_text("utf-8")
    passed = project.run("gate", f"{PROMPT}@1.0.0", "--suite", "smoke", "--json")
    assert (passed.code, passed.json[0]["verdict"]) == (0, "pass")
    project.replace("evals/support.yaml", {"dataset: datasets/support.jsonl": "dataset: datasets/few.jsonl"})
    few = (project.root / "evals/datasets/support.jsonl").read_text("utf-8").splitlines()[:4]
    (project.root / "evals/datasets/few.jsonl").write_text("\n".join(few), "utf-8")
    unclear = project.run("gate", f"{PROMPT}@1.2.0", "--baseline", "1.0.0", "--suite", "support", "--json")
    assert (unclear.code, unclear.json[0]["verdict"]) == (2, "inconclusive")


def test_release_rollback_and_status(project: Project) -> None:
    assert project.ok("status", "--json").json == {"server": None, "served": [], "drift_unknown": ""}
    assert "Nothing is released yet" in project.ok("status").out
    first = project.release("1.0.0")
    done = project.ok("release", "create", f"{PROMPT}@1.2.0", "--to", "staging", "--reason", "better")
    assert f"replaces  {first}" in done.out
    newest, oldest = project.ok("release", "list", "--json").json
    assert (newest["served"], newest["rollback_target_of"]) == (["staging"], [])
    assert (oldest["served"], oldest["rollback_target_of"]) == ([], ["staging"])
    second = newest["release"]["id"]
    assert "1.2.0" in project.ok("release", "list", PROMPT).out
    shown = project.ok("release", "show", second, "--json").json
    assert shown["assignments"][0]["reason"] == "better"
    last = ["git", "log", "-1", "--format=%an <%ae>", "--", "prompts"]
    wrote = subprocess.run(last, cwd=project.root, capture_output=True, text=True, check=True)
    assert shown["release"]["author"] == wrote.stdout.strip()
    assert "never evaluated" in project.ok("release", "show", second).out
    back = project.ok("rollback", PROMPT, "--env", "staging", "--json").json
    assert ([arm["release"] for arm in back["assignment"]["arms"]], back["live"]) == ([first], False)
    assert project.ok("status", "--json").json["served"][0]["release"]["id"] == first
    again = project.run("rollback", PROMPT, "--env", "staging")
    assert (again.code, "served nothing before" in again.err) == (66, True)


def test_a_gated_version_may_go_where_its_suite_is_required(project: Project) -> None:
    assert project.run("gate", f"{PROMPT}@1.2.0", "--suite", "support").code == 0
    made = project.ok("release", "create", f"{PROMPT}@1.2.0", "--to", "production", "--json").json
    assert [proof["verdict"] for proof in made["release"]["evidence"]] == ["pass"]
    assert "suite support  score 0." in project.ok("release", "show", made["release"]["id"]).out
    again = project.ok("release", "create", f"{PROMPT}@1.2.0", "--to", "production", "--json").json
    assert again | {"seconds": made["seconds"]} == made, "twice is once"


def test_an_evaluation_answers_with_the_version_it_names(project: Project) -> None:
    """Production serves 1.0.0 as it was released; the edited file is another prompt."""
    project.replace("moat.yaml", {"    require: [support]\n": ""})
    project.release("1.0.0", "production")
    before = project.ok("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke", "--json").json[0]["run"]
    worse = (project.root / f"prompts/{PROMPT}/1.1.0.yaml").read_text("utf-8")
    (project.root / f"prompts/{PROMPT}/1.0.0.yaml").write_text(worse, "utf-8")
    after = project.ok("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke", "--json").json[0]["run"]
    assert after["prompt_digest"] != before["prompt_digest"]
    assert after["score"] < before["score"]
    gated = project.run("gate", f"{PROMPT}@1.0.0", "--suite", "smoke", "--json")
    assert gated.code == 1
    assert gated.json[0]["comparison"]["baseline"]["prompt_digest"] == before["prompt_digest"], "what production serves"


def test_keys(project: Project) -> None:
    assert "No keys yet" in project.ok("keys", "list").out
    made = project.ok(
        "keys", "create", "--name", "[/app]", "--tenant", "acme", "--days", "30", "--model", "assistant", "--json"
    ).json
    assert made["secret"].startswith("mk-")
    (listed,) = project.ok("keys", "list", "--json").json
    assert (listed["id"], listed["state"], listed["models"]) == (made["id"], "active", ["assistant"])
    assert made["secret"] not in json.dumps(listed)
    assert "hash" not in listed
    assert "[/app]" in project.ok("keys", "list").out
    assert made["secret"].encode() not in (project.root / ".moat" / "state.db").read_bytes()
    project.ok("keys", "revoke", made["id"])
    assert project.ok("keys", "list", "--json").json[0]["state"] == "revoked"
    assert project.ok("keys", "create", "--environment", "staging").out.startswith("mk-")


def test_traces_and_report(project: Project) -> None:
    assert "No calls match" in project.ok("traces").out
    assert "No calls in this time" in project.ok("report").out
    record(project, tenant="acme", user="[/u]\x1b[2J", prompt=PROMPT, version="1.0.0")
    record(project, tenant="globex", error="provider_down", error_message="away")
    newest, oldest = project.ok("traces", "--json").json
    assert (newest["tenant"], oldest["user"]) == ("globex", "[/u]\x1b[2J")
    text = project.ok("traces").out
    assert "[/u]\\x1b[2J" in text
    assert "\x1b" not in text
    assert [call["tenant"] for call in project.ok("traces", "--failed", "--json").json] == ["globex"]
    assert project.ok("traces", "--tenant", "nobody", "--json").json == []
    shown = project.ok("traces", "show", oldest["request_id"]).out
    assert "[user]" in shown
    assert "Yes." in shown
    assert "FAILED provider_down" in project.ok("traces", "show", newest["trace_id"]).out
    assert project.ok("traces", "show", oldest["request_id"], "--json").json[0]["output"] == {"text": "Yes."}
    report = project.ok("report", "--by", "tenant", "--json").json
    assert [(row["group"], row["calls"], row["cost"]) for row in report["rows"]] == [
        (["acme"], 1, 108_000_000),
        (["globex"], 1, 108_000_000),
    ]
    assert report["total"]["errors"] == 1
    assert "$0.0001080" in project.ok("report", "--by", "tenant,feature").out
    assert "total" not in project.ok("report", "--by", "").out


def test_the_same_questions_with_and_without_a_server(project: Project) -> None:
    record(project)
    alone = project.ok("traces", "--json").json
    with project.serving():
        assert project.ok("traces", "--json").json == alone
        assert project.ok("traces", "show", alone[0]["request_id"], "--json").json[0]["output"] == {"text": "Yes."}
        assert project.ok("report", "--json").json["total"]["calls"] == 1
        assert project.run("traces", "show", "nothing").code == 66
        assert "process" in project.ok("status").out


JSON_COMMANDS: dict[str, Callable[[Project], Any]] = {
    "status": lambda p: p.ok("status", "--json"),
    "lint": lambda p: p.ok("lint", "--json"),
    "prompt list": lambda p: p.ok("prompt", "list", "--json"),
    "eval list": lambda p: p.ok("eval", "list", "--json"),
    "release list": lambda p: p.ok("release", "list", "--json"),
    "traces": lambda p: p.ok("traces", "--json"),
    "report": lambda p: p.ok("report", "--json"),
    "keys list": lambda p: p.ok("keys", "list", "--json"),
    "config check": lambda p: p.ok("config", "check", "--json"),
}


def test_an_empty_project_is_valid_json_everywhere(project: Project) -> None:
    for name, run in JSON_COMMANDS.items():
        assert isinstance(run(project).json, list | dict), name
