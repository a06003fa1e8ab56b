"""The workflows that `moat ci` writes, and the action: their steps are run, on a real project and a real server."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from moat import bootstrap
from tests.bootstrap.projects import PROMPT, Project, environment
from tests.evals.gating.repositories import commit, git, worse
from tests.evals.gating.warm import warm_moat

ROOT = Path(__file__).parents[3]
CI = Path(bootstrap.__file__).parent / "ci"
ACTIONS = {
    "actions/checkout@v4": {"fetch-depth"},
    "actions/setup-python@v5": {"python-version"},
    "actions/cache@v4": {"path", "key", "restore-keys"},
    "actions/upload-artifact@v4": {"name", "path"},
}
"""What steps may use, and the inputs of each that are given here."""
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def evaluated(text: str, context: Mapping[str, str]) -> str:
    """A text with its expressions: names of the context, the first of several that is not empty."""

    def value(match: re.Match[str]) -> str:
        return next((context[name] for name in match[1].split(" || ") if context.get(name)), "")

    return EXPRESSION.sub(value, text)


Bash = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bash]:
    """Runs a step in a project as a runner runs it, with these variables."""
    with warm_moat(tmp_path_factory.mktemp("bin"), environment()) as programs:
        yield partial(_bash, (str(programs), str(Path(sys.executable).parent)))


def _bash(
    programs: Sequence[str], script: str, project: Project, environ: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([*programs, os.environ["PATH"]])
    quick = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    given = environment() | quick | {"PATH": path} | dict(environ)
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=project.root, env=given, capture_output=True, text=True, timeout=120)


@pytest.fixture
def deployable(branch: Project) -> Project:
    """Its environments release by themselves, and it has tests of its own."""
    branch.replace(
        "moat.yaml",
        {
            "    description: Where the team tries a version.": "    description: Where.\n    auto: merge",
            "    require: [support]": "    require: [smoke]\n    auto: verdict",
        },
    )
    (branch.root / "requirements.txt").write_text("pyyaml\n")
    (branch.root / "tests").mkdir()
    (branch.root / "tests/test_app.py").write_text("def test_one():\n    assert True\n")
    commit(branch.root)
    git(branch.root, "branch", "--force", "main")
    return branch


class Forge:
    """A server that keeps comments as GitHub's and GitLab's APIs do, and takes a chat's messages."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = [{"id": 1, "body": "nice"}]
        self.said: list[Any] = []
        self.seen: list[tuple[str, str, str]] = []
        forge = self

        class Handler(BaseHTTPRequestHandler):
            def reply(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"null")
                secret = self.headers.get("authorization") or self.headers.get("private-token") or ""
                forge.seen.append((self.command, self.path, secret))
                status, answer = forge.answer(self.command, self.path, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_PUT = reply

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/hook":
            self.said.append(body)
            return 200, "ok"
        if "denied" in path:
            return 403, {"message": "no"}
        if path in ("/graphql", "/user"):
            return 200, {"data": {"viewer": {"login": "moat[bot]"}}, "username": "moat[bot]"}
        if method == "GET":
            page = int(re.search(r"[?&]page=(\d+)", path)[1])  # type: ignore[index]
            return 200, self.comments[100 * (page - 1) : 100 * page]
        if method == "POST":
            who = {"login": "moat[bot]", "username": "moat[bot]"}
            self.comments.append({"id": len(self.comments) + 1, "author" if "notes" in path else "user": who, **body})
            return 201, self.comments[-1]
        number = int(path.rpartition("/")[2])
        self.comments[number - 1].update(body)
        return 200, {}


@pytest.fixture
def forge() -> Iterator[Forge]:
    made = Forge()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def steps_of(path: Path) -> list[dict[str, Any]]:
    document = read(path)
    jobs = document["jobs"].values() if "jobs" in document else [document["runs"]]
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("path", [CI / "github.yml", ROOT / "action.yml"], ids=lambda path: path.name)
def test_steps_use_known_actions_and_keep_expressions_out_of_scripts(path: Path) -> None:
    for step in steps_of(path):
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert set(step.get("with", {})) <= ACTIONS[step["uses"]]
        else:
            assert not EXPRESSION.search(step["run"]), "what others wrote would be run"
        assert set(step) <= {"name", "id", "uses", "with", "run", "env", "if", "shell", "working-directory"}
    document = read(path)
    for name, job in document.get("jobs", {}).items():
        assert set(job) <= {"runs-on", "needs", "if", "environment", "permissions", "env", "steps"}, name
        assert job.get("needs", "test") in document["jobs"]
    if path.name == "action.yml":
        assert all(step.get("shell") == "bash" for step in steps_of(path) if "run" in step)
        used = set(re.findall(r"inputs\.([\w-]+)", path.read_text("utf-8")))
        assert used == set(document["inputs"])


def run_job(
    bash: Bash, job: Mapping[str, Any], project: Project, context: Mapping[str, str], **environ: str
) -> list[str]:
    """Every `run` step of a job in order; the names of those that were run, and what they print must hold no secret."""
    ran = []
    for step in job["steps"]:
        if "run" not in step:
            continue
        given = {**job.get("env", {}), **step.get("env", {})}
        done = bash(step["run"], project, {**{k: evaluated(v, context) for k, v in given.items()}, **environ})
        assert done.returncode == 0, (step["name"], done.stdout, done.stderr)
        assert "s3cret" not in done.stdout + done.stderr
        ran.append(step["name"])
    return ran


def test_the_github_workflow_from_pull_request_to_production(bash: Bash, deployable: Project, forge: Forge) -> None:
    deployable.ok("ci", "github")
    jobs = read(deployable.root / ".github/workflows/llm.yml")["jobs"]
    commit(deployable.root)
    git(deployable.root, "checkout", "--quiet", "main")
    git(deployable.root, "merge", "--quiet", "--ff-only", "topic")
    git(deployable.root, "checkout", "--quiet", "topic")
    deployable.replace("prompts/_partials/tone.j2", {"\n": "\nBe brief.\n"})
    commit(deployable.root)
    sha = git(deployable.root, "rev-parse", "HEAD")
    context = {
        "github.event.pull_request.base.sha": git(deployable.root, "rev-parse", "main"),
        "github.event.pull_request.number": "7",
        "github.token": "s3cret",
        "secrets.SLACK_WEBHOOK_URL": f"{forge.url}/hook",
        "job.status": "success",
    }
    github = {"GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "ann/shop", "GITHUB_SHA": sha, "GITHUB_ACTIONS": "true"}
    assert run_job(bash, jobs["test"], deployable, context, **github) == [
        "Install",
        "Unit tests",
        "Prompt tests",
        "Guard tests",
    ]
    gate, said = (
        next(step for step in jobs["eval"]["steps"] if step.get("name") == name)
        for name in ("Evaluations and quality gates", "Comment")
    )
    env = {name: evaluated(text, context) for name, text in gate["env"].items()}
    done = bash(gate["run"].replace("moat gate", "moat gate --suite smoke"), deployable, {**env, **github})
    assert done.returncode == 0, done
    env = {name: evaluated(text, context) for name, text in said["env"].items()}
    for _ in range(2):
        assert bash(said["run"], deployable, {**env, **github}).returncode == 0
    assert [each["body"][:14] for each in forge.comments] == ["nice", "<!-- moat gate"], "one comment, replaced"
    assert forge.seen[0] == ("GET", "/repos/ann/shop/issues/7/comments?per_page=100&page=1", "Bearer s3cret")
    with deployable.serving():
        assert run_job(bash, jobs["deploy-staging"], deployable, context, **github) == [
            "Deploy to staging",
            "Run smoke tests",
        ]
        assert len(run_job(bash, _quick(jobs["deploy-production"]), deployable, context, **github)) == 4
    assert forge.said == [{"text": f"LLM app, production: success ({sha})"}]


def _quick(job: dict[str, Any]) -> dict[str, Any]:
    """The production job on one suite: the example's other one does not decide."""
    steps = [{**s, "run": s["run"].replace("gate --all", "gate --all --suite smoke")} for s in job["steps"]]
    return {**job, "steps": steps}


def test_the_gitlab_pipeline(bash: Bash, deployable: Project, forge: Forge) -> None:
    deployable.ok("ci", "gitlab")
    pipeline = read(deployable.root / ".gitlab-ci.yml")
    commit(deployable.root)
    sha = git(deployable.root, "rev-parse", "HEAD")
    gitlab = {
        "GITLAB_CI": "true",
        "CI_API_V4_URL": forge.url,
        "CI_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_IID": "7",
        "GITLAB_TOKEN": "s3cret",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": git(deployable.root, "rev-parse", "main"),
        "CI_COMMIT_SHA": sha,
        "CI_JOB_STATUS": "success",
        "SLACK_WEBHOOK_URL": f"{forge.url}/hook",
    }
    script = "\n".join(pipeline["eval"]["script"])
    done = bash(script.replace("moat gate", "moat gate --suite smoke"), deployable, gitlab)
    assert done.returncode == 0, done
    assert "s3cret" not in done.stdout + done.stderr
    assert bash("\n".join(pipeline["deploy-production"]["after_script"]), deployable, gitlab).returncode == 0
    assert ("POST", "/projects/12/merge_requests/7/notes", "s3cret") in forge.seen
    assert forge.said == [{"text": f"LLM app, production: success ({sha})"}]


def test_the_action_judges(bash: Bash, branch: Project, tmp_path: Path) -> None:
    worse(branch)
    environ = {"BASE": "main", "ARGUMENTS": "--suite support", "GITHUB_OUTPUT": str(tmp_path / "out")}
    assert bash(step_of_the_action("gate"), branch, environ).returncode == 1
    assert (tmp_path / "out").read_text() == "verdict=regressed\n"
    assert {path.name for path in (branch.root / "eval_results").iterdir()} >= {"report.md", "junit.xml"}


@pytest.mark.parametrize(
    ("gate", "inconclusive", "code", "verdict"),
    [
        (0, "fail", 0, "pass"),
        (1, "pass", 1, "regressed"),
        (2, "fail", 2, "inconclusive"),
        (2, "pass", 0, "inconclusive"),
        (65, "pass", 65, None),
    ],
)
def test_the_action_says_its_verdict(
    bash: Bash, branch: Project, tmp_path: Path, gate: int, inconclusive: str, code: int, verdict: str | None
) -> None:
    """By the exit code of the gate, when it wrote the same."""
    environ = {"BASE": "", "ARGUMENTS": "", "INCONCLUSIVE": inconclusive, "GITHUB_OUTPUT": str(tmp_path / "out")}
    step = step_of_the_action("gate")
    assert bash(f"{written(verdict)}moat() {{ return {gate}; }}\n{step}", branch, environ).returncode == code
    assert (tmp_path / "out").exists() == (verdict is not None)
    if verdict is not None:
        assert (tmp_path / "out").read_text() == f"verdict={verdict}\n"


def written(verdict: str | None) -> str:
    """Writes an outcome as the gate does."""
    outcome = msgspec.json.format(msgspec.json.encode({"verdict": verdict, "lint": {"verdict": "pass"}}), indent=2)
    return f"mkdir -p eval_results; echo '{outcome.decode()}' > eval_results/outcome.json\n"


@pytest.mark.parametrize("said", [None, "regressed"])
@pytest.mark.parametrize("code", [0, 2])
def test_a_gate_that_was_ended_by_what_it_ran_has_not_passed(
    bash: Bash, branch: Project, tmp_path: Path, said: str | None, code: int
) -> None:
    ended = f"moat() {{ {written(said) if said else ''} return {code}; }}\n"
    environ = {"BASE": "", "ARGUMENTS": "", "INCONCLUSIVE": "pass", "GITHUB_OUTPUT": str(tmp_path / "out")}
    assert bash(ended + step_of_the_action("gate"), branch, environ).returncode == 70
    assert not (tmp_path / "out").exists()
    (step,) = (s for s in read(CI / "github.yml")["jobs"]["eval"]["steps"] if "moat gate" in s.get("run", ""))
    assert bash(ended + step["run"], branch, environ).returncode != 0
    assert bash(ended + "\n".join(read(CI / "gitlab.yml")["eval"]["script"]), branch, environ).returncode != 0


def test_results_that_a_change_brings_along_are_removed_before_those_of_the_cache(bash: Bash, branch: Project) -> None:
    for path in (CI / "github.yml", ROOT / "action.yml"):
        steps = steps_of(path)
        at = next(i for i, step in enumerate(steps) if step.get("uses", "").startswith("actions/cache"))
        (branch.root / ".moat/forged").mkdir(parents=True)
        (branch.root / "eval_results").mkdir(exist_ok=True)
        assert bash(steps[at - 1]["run"], branch, {}).returncode == 0
        assert not {".moat", "eval_results"} & {entry.name for entry in branch.root.iterdir()}


def step_of_the_action(name: str) -> str:
    """What a step of it runs."""
    script: str = next(step["run"] for step in steps_of(ROOT / "action.yml") if step.get("id") == name)
    return script


def test_both_forges_test_and_deploy_with_the_same_commands() -> None:
    jobs, pipeline = read(CI / "github.yml")["jobs"], read(CI / "gitlab.yml")
    for name in ("deploy-staging", "deploy-production"):
        scripts = [pipeline[name]["script"], "\n".join(s["run"] for s in jobs[name]["steps"]).splitlines()]
        ours, theirs = (
            [line for line in script if line.startswith("moat ") and "notify" not in line] for script in scripts
        )
        assert ours == theirs
    steps = {step["name"]: step["run"].strip() for step in jobs["test"]["steps"] if "run" in step}
    assert [*pipeline[".python"]["before_script"], *pipeline["test"]["script"]] == [
        steps["Install"],
        steps["Unit tests"],
        steps["Prompt tests"].removesuffix(" --format github"),
        steps["Guard tests"],
    ]
    assert all(pipeline[name]["extends"] == ".python" for name in ("test", "eval"))
    lines = [line for job in pipeline.values() if isinstance(job, dict) for line in job.get("script", [])]
    assert all(isinstance(line, str) for line in lines)
    assert all(
        job["stage"] in pipeline["stages"] for job in pipeline.values() if isinstance(job, dict) and "stage" in job
    )


def test_a_workflow_that_was_changed_stays(branch: Project) -> None:
    branch.ok("ci", "github")
    branch.ok("ci", "github")
    path = branch.root / ".github/workflows/llm.yml"
    assert path.read_text("utf-8") == branch.ok("ci", "github", "--print").out
    path.write_text("mine")
    done = branch.run("ci", "github")
    assert (done.code, path.read_text()) == (75, "mine")


def test_comments_are_found_on_later_pages_and_refusals_are_told(
    branch: Project, forge: Forge, tmp_path: Path, monkeypatch
) -> None:
    report = tmp_path / "report.md"
    report.write_text("<!-- moat gate: bot -->\nnew")
    forge.comments = [{"id": n + 1, "body": "chat"} for n in range(150)]
    forge.comments[140] |= {"body": "<!-- moat gate: bot -->\nold", "user": {"login": "moat[bot]"}}
    forge.comments[30] |= {"body": "<!-- moat gate: bot -->\nforged", "user": {"login": "eve"}}
    forge.comments[31] |= {"body": "<!-- moat gate: bot -->\nof nobody", "user": None}
    environ = {"GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "a/b", "PULL_REQUEST": "7", "GITHUB_TOKEN": "s3cret"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert "replaced" in branch.ok("ci", "comment", str(report)).out
    assert forge.comments[140]["body"].endswith("new")
    assert [forge.comments[n]["body"].splitlines()[1] for n in (30, 31)] == ["forged", "of nobody"]
    monkeypatch.setenv("GITHUB_REPOSITORY", "a/denied")
    done = branch.run("ci", "comment", str(report))
    assert (done.code, "HTTP 403" in done.err, "s3cret" in done.err) == (69, True, False), done
    monkeypatch.setenv("PULL_REQUEST", "x")
    assert "no number" in branch.run("ci", "comment", str(report)).err
    monkeypatch.delenv("PULL_REQUEST")
    assert "PULL_REQUEST is not set" in branch.run("ci", "comment", str(report)).err
    report.write_text("hello")
    monkeypatch.setenv("PULL_REQUEST", "7")
    assert branch.run("ci", "comment", str(report)).code == 65
    assert branch.run("ci", "comment", str(tmp_path / "none")).code == 65


def test_a_chat_that_is_away_is_told_without_its_address(branch: Project, monkeypatch) -> None:
    monkeypatch.delenv("SLACK_WEBHOOK_URL", raising=False)
    assert "is not set" in branch.run("ci", "notify", "x").err
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "http://127.0.0.1:1/s3cret")
    done = branch.run("ci", "notify", "x")
    assert (done.code, "s3cret" in done.err) == (69, False)
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "s3cret")
    assert "s3cret" not in branch.run("ci", "notify", "x").err


def test_smoke_says_what_is_wrong(branch: Project, monkeypatch) -> None:
    assert branch.run("smoke").code == 69
    branch.release("1.2.0", "staging")
    with branch.serving() as server:
        found = branch.ok("smoke", "--env", "staging", "--json").json
        assert [check["name"] for check in found["checks"]] == ["health", "ready", "models", f"{PROMPT}@staging"]
        assert "serves no release" in branch.run("smoke").out
        assert branch.run("smoke", "--env", "staging", "--max-seconds", "0.001").code in (0, 1)
        key = branch.key("--tenant", "ci")
        monkeypatch.setenv("MOAT_API_KEY", key)
        assert branch.ok("smoke", "--url", server.url, "--env", "staging").out.count("fine") >= 4
        monkeypatch.setenv("MOAT_API_KEY", "moat-wrong-s3cret")
        done = branch.run("smoke", "--url", server.url, "--env", "staging")
        assert (done.code, "HTTP 401" in done.out, "s3cret" in done.out) == (1, True, False)
        branch.replace(
            "evals/smoke.yaml",
            {
                "{score: facts, min: 1.0}": "{score: never, min: 1.0}",
                "scorers:": "scorers:\n  - {kind: equals, name: never, expected: labels.intent}",
            },
        )
        done = branch.run("smoke", "--env", "staging")
        assert (done.code, "never:" in done.out) == (1, True), done
        for suite in ("smoke", "support"):
            (branch.root / f"evals/{suite}.yaml").unlink()
        branch.replace("moat.yaml", {"    require: [support]\n": ""})
        assert "not asked" in branch.ok("smoke", "--env", "staging").out
    assert branch.run("smoke", "--url", "http://127.0.0.1:1").code == 1
    assert branch.run("smoke", "--url", "ftp://x").code == 65
    monkeypatch.delenv("MOAT_API_KEY")
    assert "MOAT_API_KEY is not set" in branch.run("smoke", "--url", "http://127.0.0.1:1").err
    assert branch.run("smoke", "--env", "nowhere").code != 0
