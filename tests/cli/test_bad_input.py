"""What is wrong is said with its place and what to do, the exit code fits, and nothing is half-written."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bootstrap.projects import PROMPT, Project, eventually, in_process

USAGE, INPUT, MISSING, UNAVAILABLE, STORAGE, CONFLICT, CONFIG = 64, 65, 66, 69, 74, 75, 78

V = f"{PROMPT}@1.0.0"

ARGUMENTS = {
    "no such command": (["relase"], USAGE, "No such command 'relase'. Did you mean 'release', 'restore'?"),
    "no such option": (["lint", "--jsn"], USAGE, "--jsn"),
    "missing argument": (["rerun"], USAGE, "NAME@VERSION"),
    "not a number": (["traces", "--limit", "many"], USAGE, "--limit"),
    "number too large": (["serve", "--port", "99999"], USAGE, "65535"),
    "days without end": (["keys", "create", "--days", "99999999"], USAGE, "--days"),
    "unknown prompt": (["eval", "run", "support/answr@1.0.0"], MISSING, "Did you mean 'support/answer'?"),
    "unknown version": (["gate", f"{PROMPT}@9.9.9"], MISSING, "1.0.0, 1.1.0, 1.2.0"),
    "no version": (["prompt", "show", PROMPT], MISSING, "what runs must be named"),
    "latest": (["release", "create", f"{PROMPT}@latest", "--to", "staging"], MISSING, "there is no latest version"),
    "no prompt": (["prompt", "show", "@1.0.0"], INPUT, "NAME@VERSION"),
    "unknown model": (["eval", "run", V, "--model", "gpt"], MISSING, "there is no model 'gpt'"),
    "unknown suite": (["eval", "run", V, "--suite", "smke"], MISSING, "smoke"),
    "unknown baseline": (["gate", V, "--baseline", "0.1.0"], MISSING, "no version '0.1.0'"),
    "unknown run": (["eval", "show", "run_x"], MISSING, "moat eval list"),
    "unknown runs": (["eval", "compare", "run_x", "run_y"], MISSING, "no run 'run_x'"),
    "unknown release": (["release", "show", "rel_x"], MISSING, "moat release list"),
    "unknown environment": (["release", "create", V, "--to", "prod"], CONFIG, "Environments: staging, production"),
    "rollback nowhere": (["rollback", PROMPT, "--env", "prod"], CONFIG, "no environment 'prod'"),
    "rollback of nothing": (["rollback", PROMPT, "--env", "staging"], MISSING, "serves no 'support/answer'"),
    "unknown key": (["keys", "revoke", "key_x"], MISSING, "moat keys list"),
    "key for no environment": (["keys", "create", "--environment", "prod"], MISSING, "staging, production"),
    "key for no model": (["keys", "create", "--model", "gpt"], MISSING, "Models: assistant"),
    "key of no role": (["keys", "create", "--role", "root"], USAGE, "admin"),
    "unknown trace": (["traces", "show", "req_x"], MISSING, "moat traces"),
    "no time": (["traces", "--since", "yesterday"], INPUT, "--since: 'yesterday' is not a time"),
    "no dimension": (["report", "--by", "colour"], INPUT, "Known: tenant, feature"),
    "missing variable": (["prompt", "render", V], INPUT, "question"),
    "unknown variable": (["prompt", "render", V, "--var", "question=x", "--var", "x=y"], INPUT, "variable 'x'"),
    "variable without value": (["prompt", "render", V, "--var", "question"], INPUT, "'question' is not NAME=VALUE"),
    "mistyped variable": (["prompt", "render", V, "--var", "member=maybe"], INPUT, "'member' is not JSON"),
    "nothing to simulate": (["simulate"], INPUT, "give one of --rules, --recording, --fault and --faults"),
    "no rules": (["simulate", "--rules", "nope.yaml"], INPUT, "nope.yaml: no such file"),
    "no recording": (["simulate", "--recording", "nope.jsonl"], INPUT, "nope.jsonl: no such file"),
    "not our address": (["serve", "--host", "192.0.2.1", "--port", "0"], UNAVAILABLE, "--host"),
    "not gated": (["release", "create", V, "--to", "production"], CONFLICT, f"moat gate {V} --suite support"),
}  # fmt: skip


def snapshot(root: Path) -> dict[str, str]:
    """Digests of a project's own files; `.moat` is the program's."""
    files = (
        path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts and ".moat" not in path.parts
    )
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_bad_arguments(project: Project, name: str) -> None:
    arguments, code, said = ARGUMENTS[name]
    before = snapshot(project.root)
    done = project.run(*arguments)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")
    assert said in done.err
    assert "Traceback" not in done.err
    assert snapshot(project.root) == before
    for what in (["release", "list"], ["keys", "list"]):
        assert project.ok(*what, "--json").json == []


def provider(line: str) -> Callable[[Project], None]:
    """Put other options in place of the simulated provider's."""
    return lambda p: p.replace("moat.yaml", {"simulated: {kind: simulated, rules: simulation/support.yaml}": line})


def config(old: str, new: str) -> Callable[[Project], None]:
    return lambda p: p.replace("moat.yaml", {old: new})


CONFIGS = {
    "broken YAML": (config("models:", "models: ["), "moat.yaml:"),
    "a key twice": (config("models:\n", "models: {}\nmodels:\n"), "stands twice"),
    "unknown key": (config("models:\n", "modles: {}\nmodels:\n"), "Did you mean 'models'?"),
    "unknown key inside": (config("price:", "prices:"), "unknown key 'prices' at $.models.assistant"),
    "wrong type": (config("require: [support]", "require: support"), "$.environments.production.require"),
    "unset variable": (provider("simulated: {kind: openai, api_key: \"${NO_SUCH_KEY}\"}"), "NO_SUCH_KEY is not set"),
    "secret in the file": (provider("simulated: {kind: openai, api_key: sk-123}"), "a secret stands in the file"),
    "unknown kind": (provider("simulated: {kind: simulatd}"), "Did you mean 'simulated'?"),
    "no kind": (provider("simulated: {rules: simulation/support.yaml}"), "`kind` is missing"),
    "unknown option": (provider("simulated: {kind: simulated, rule: simulation/support.yaml}"), "unknown key 'rule'"),
    "missing rules": (provider("simulated: {kind: simulated, rules: simulation/nope.yaml}"), "no such file"),
    "unknown provider": (config("simulated/support-large", "simulatd/support-large"), "names no configured provider"),
    "no amount": (config('input: "0.60"', 'input: "cheap"'), "'cheap' is not an amount"),
    "negative amount": (config('output: "2.40"', 'output: "-1"'), "'-1' is not an amount"),
    "tab": (config("environments:\n", "environments:\n\tx: 1\n"), "moat.yaml:"),
    "empty": (lambda p: (p.root / "moat.yaml").write_text(""), "the file is empty"),
    "not text": (lambda p: (p.root / "moat.yaml").write_bytes(b"\xff\xfe\x00"), "not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_bad_configuration(project: Project, name: str) -> None:
    change, said = CONFIGS[name]
    change(project)
    before = snapshot(project.root)
    done = project.run("config", "check")
    assert (done.code, done.out) == (INPUT if name == "missing rules" else CONFIG, "")
    assert done.err.startswith("error: ")
    assert said in done.err
    assert snapshot(project.root) == before
    for command in (["serve", "--port", "0"], ["eval", "run", V, "--suite", "smoke"]):
        refused = project.run(*command)
        assert (refused.code, refused.err) == (done.code, done.err)
    assert project.run("eval", "list", "--json").json == [], "nothing was begun"


def test_no_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = in_process(capsys, "-C", str(tmp_path), "status")
    assert done.code == MISSING
    assert "moat init DIR" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        (".", CONFLICT, "exists already and is not empty"),
        ("moat.yaml", CONFLICT, "exists already"),
        ("nowhere/project", INPUT, "no such folder"),
        ("/proc/project", STORAGE, "cannot be written"),
    ],
)
def test_init_where_it_cannot(project: Project, target: str, code: int, said: str) -> None:
    before = snapshot(project.root)
    done = in_process(project.capture, "init", str(project.root / target))
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert snapshot(project.root) == before
    assert sorted(entry.name for entry in project.root.parent.iterdir()) == ["project"]


def test_a_missing_dataset(project: Project) -> None:
    (project.root / "evals/datasets/smoke.jsonl").unlink()
    done = project.run("eval", "run", V, "--suite", "smoke")
    assert done.code == INPUT
    assert "evals/datasets/smoke.jsonl: no such file" in done.err
    assert project.run("gate", V, "--suite", "smoke").code == INPUT
    assert project.ok("eval", "list", "--json").json == []


def test_a_broken_suite_and_a_broken_case(project: Project) -> None:
    project.replace("evals/smoke.yaml", {"scorers:": "scorer:"})
    done = project.run("lint")
    assert (done.code, done.out.startswith("evals/smoke.yaml:")) == (1, True)
    project.replace("evals/smoke.yaml", {"scorer:": "scorers:"})
    file = project.root / "evals/datasets/smoke.jsonl"
    file.write_text(file.read_text("utf-8") + "{not json\n", "utf-8")
    done = project.run("eval", "run", V, "--suite", "smoke")
    assert (done.code, "smoke.jsonl:7" in done.err) == (INPUT, True)


def test_a_prompt_without_a_variable_that_its_cases_give(project: Project) -> None:
    file = project.root / f"prompts/{PROMPT}/1.0.0.yaml"
    text = file.read_text("utf-8").replace("  question:", "  questions:").replace("{{ question }}", "{{ questions }}")
    file.write_text(text, "utf-8")
    done = project.run("eval", "run", V, "--suite", "smoke")
    assert done.code == INPUT
    assert done.err.startswith("error: evals/datasets/smoke.jsonl:1: the case 'smoke-returns' does not fit")
    assert "question" in done.err
    assert project.ok("eval", "list", "--json").json == [], "found before anything is asked"


def test_a_provider_that_is_down(project: Project) -> None:
    provider('simulated: {kind: openai, base_url: "http://127.0.0.1:9/v1"}')(project)
    project.replace(
        "moat.yaml", {"use: [simulated/support-large, simulated/support-small]": "use: [simulated/m]\n    retries: 0"}
    )
    release = project.release("1.0.0")
    done = project.run("eval", "run", V, "--suite", "smoke")
    assert done.code == UNAVAILABLE
    assert "simulated" in done.err
    (run,) = project.ok("eval", "list", "--json").json
    assert (run["status"], run["score"]) == ("interrupted", None)
    assert project.ok("eval", "show", run["id"], "--json").json["results"] == [], "no answer is no result"
    with project.serving() as server:
        status, body = server.ask("Refund?", at="staging")
        assert (status, body["error"]["code"]) == (502, "provider_down")
        eventually(lambda: any(c["error"] == "provider_down" for c in project.ok("traces", "--failed", "--json").json))
        assert server.get("/healthz")[0] == 200
        assert project.ok("status", "--json").json["served"][0]["release"]["id"] == release


def test_a_refused_release_leaves_the_version_unpublished(project: Project) -> None:
    assert project.run("release", "create", V, "--to", "production").code == CONFLICT
    assert not (project.root / "prompts.lock").exists()
    project.replace(f"prompts/{PROMPT}/1.0.0.yaml", {"temperature: 0.2": "temperature: 0.3"})
    project.release("1.0.0")
    project.replace(f"prompts/{PROMPT}/1.0.0.yaml", {"temperature: 0.3": "temperature: 0.4"})
    for environment in ("staging", "production"):
        done = project.run("release", "create", V, "--to", environment)
        assert (done.code, "bump the version" in done.err) == (INPUT, True)


def test_a_release_is_refused_when_its_suite_regressed_or_was_not_gated(project: Project) -> None:
    project.ok("eval", "run", V, "--suite", "support")
    done = project.run("release", "create", V, "--to", "production")
    assert (done.code, "was not gated" in done.err) == (CONFLICT, True)
    assert project.run("gate", f"{PROMPT}@1.1.0", "--baseline", "1.0.0", "--suite", "support").code == 1
    done = project.run("release", "create", f"{PROMPT}@1.1.0", "--to", "production")
    assert (done.code, "'regressed'" in done.err or "verdict regressed" in done.err) == (CONFLICT, True)


@pytest.mark.parametrize(
    "command", [["status"], ["keys", "create"], ["traces"], ["serve", "--port", "0"], ["eval", "run", V]]
)
def test_a_state_folder_that_cannot_be_used(project: Project, command: list[str]) -> None:
    folder = project.root / ".moat"
    folder.write_text("in the way", "utf-8")
    done = project.run(*command)
    assert (done.code, done.out) == (STORAGE, "")
    assert ".moat" in done.err
    folder.unlink()
    folder.symlink_to("/proc/self/nowhere")
    done = project.run(*command)
    assert done.code == STORAGE, done
    folder.unlink()
    folder.mkdir()
    (folder / "state.db").write_bytes(b"no database at all, but long enough to be looked at as one")
    done = project.run(*command)
    assert done.code in (STORAGE, 0) if command == ["traces"] else done.code == STORAGE, done


def test_a_damaged_trace_store(project: Project) -> None:
    folder = project.root / ".moat"
    folder.mkdir()
    (folder / "traces.duckdb").write_bytes(b"x" * 5000)
    for command in (["traces"], ["report"], ["serve", "--port", "0"]):
        done = project.run(*command)
        assert (done.code, "traces.duckdb" in done.err) == (STORAGE, True), done
    assert not (folder / "server.json").exists()


def test_a_report_that_cannot_be_written(project: Project) -> None:
    done = project.run("gate", V, "--suite", "smoke", "--markdown", str(project.root / "moat.yaml" / "report.md"))
    assert (done.code, "report.md" in done.err) == (STORAGE, True)
    assert project.ok("eval", "list", "--json").json[0]["verdict"] == "pass", "what was judged is kept"
