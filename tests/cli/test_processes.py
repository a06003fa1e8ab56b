"""What only a process of its own shows: terminals, pipes, signals, what is imported."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from tests.bootstrap.projects import DEADLINE, MOAT, PROMPT, Project, environment, eventually, slow_down

V = f"{PROMPT}@1.0.0"
HEAVY = (
    "sqlalchemy",
    "duckdb",
    "numpy",
    "scipy",
    "starlette",
    "uvicorn",
    "rich",
    "jinja2",
    "yaml",
    "alembic",
    "msgspec",
)


def loaded(code: str) -> set[str]:
    """Top-level modules a program has loaded when it ends."""
    program = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_the_version_costs_no_import() -> None:
    found = loaded("sys.argv = ['moat', '--version']; from moat.cli.main import main; main()")
    assert "typer" in found
    assert found.isdisjoint(HEAVY) or found & set(HEAVY) == {"msgspec"}


def test_help_and_the_package_cost_little() -> None:
    assert loaded("sys.argv = ['moat', '--help']; from moat.cli.main import main; main()").isdisjoint(HEAVY)
    assert loaded("import moat").isdisjoint((*HEAVY, "typer"))


@pytest.mark.parametrize("command", [("config", "check"), ("lint",), ("guard", "list")])
def test_who_reads_files_only_loads_no_store(project: Project, command: tuple[str, ...]) -> None:
    arguments = ["moat", "--project", str(project.root), *command]
    found = loaded(f"sys.argv = {arguments}; from moat.cli.main import main; main()")
    assert "msgspec" in found
    assert found.isdisjoint({"sqlalchemy", "alembic", "genai_prices"})


def test_a_server_carries_nothing_that_only_commands_need() -> None:
    program = "import moat.cli.server, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    found = set(done.stdout.split())
    few = ("moat.evals.project_code", "moat.evals.rerun", "moat.evals.statistics")
    assert [name for name in sorted(found) if name.startswith("moat.evals.") and not name.startswith(few)] == []
    assert found.isdisjoint({"typer", "rich", "pydantic", "numpy", "scipy", "smtplib", "moat.cli.main"})


@pytest.mark.parametrize("options", [(), ("--workers", "1")])
def test_modules_of_a_project_are_not_the_servers(project: Project, options: tuple[str, ...]) -> None:
    for name in ("uvloop", "msgspec", "json", "moat"):
        (project.root / f"{name}.py").write_text("raise SystemExit('imported from the project')")
    with project.serving(*options) as server:
        assert server.get("/api/v1/limits")[0] == 200


def test_completion(tmp_path: Path) -> None:
    surroundings = environment()
    shown = subprocess.run(
        [MOAT, "--show-completion", "bash"], env=surroundings, capture_output=True, text=True, check=True
    )
    assert "_moat_completion()" in shown.stdout
    for words, at, wanted in (
        ("moat rollb", 1, "rollback"),
        ("moat eval sh", 2, "show"),
        ("moat gate --basel", 2, "--baseline"),
    ):
        asked = {"_MOAT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        done = subprocess.run(
            [MOAT], env=surroundings | asked, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == [wanted]


def on_terminal(project: Project, columns: int, *arguments: str) -> list[str]:
    """Lines of a command's output on a terminal that wide, without its colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [MOAT, *arguments],
        cwd=project.root,
        env=environment() | {"TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    pieces = []
    try:
        while piece := os.read(ours, 65536):
            pieces.append(piece)
    except OSError:
        pass  # how Linux says that the other side is closed
    finally:
        os.close(ours)
    assert process.wait(DEADLINE) in (0, 1)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(pieces).decode()).replace("\r", "").splitlines()


def test_narrow_and_wide_terminals_and_pipes(project: Project) -> None:
    release = project.release("1.0.0")
    project.ok("eval", "run", V, "--suite", "smoke")
    (run,) = project.ok("eval", "list", "--json").json
    narrow = on_terminal(project, 80, "eval", "list")
    assert f"run       {run['id']}" in narrow, "no id is broken over lines"
    assert max(map(len, narrow)) <= 80
    assert f"release      {release}" in on_terminal(project, 80, "status")
    assert any(release in line and PROMPT in line for line in on_terminal(project, 160, "status")), "a table"
    piped = project.process("eval", "list")
    assert "\x1b" not in piped.out
    assert any(run["id"] in line and "finished" in line for line in piped.out.splitlines())
    gate = on_terminal(project, 80, "gate", f"{PROMPT}@1.1.0", "--suite", "smoke", "--baseline", "1.0.0")
    assert any(line.startswith("valid_json") and "regressed" in line for line in gate)


@pytest.mark.parametrize(
    "arguments", [["eval", "show", "RUN"], ["eval", "show", "RUN", "--json"], ["gate", V, "--suite", "support"]]
)
def test_a_closed_pipe_is_no_verdict(project: Project, arguments: list[str]) -> None:
    project.ok("eval", "run", V, "--suite", "support")
    run = project.ok("eval", "list", "--json").json[0]["id"]
    read, write = os.pipe()
    os.close(read)
    command = [MOAT, *(run if word == "RUN" else word for word in arguments)]
    done = subprocess.run(
        command, cwd=project.root, env=environment(), stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def stored(project: Project) -> list[str]:
    """Cases with a result, of the only run there is."""
    runs = project.ok("eval", "list", "--json").json
    if not runs:
        return []
    (run,) = runs
    return [result["case"] for result in project.ok("eval", "show", run["id"], "--json").json["results"]]


@pytest.mark.promise("keep-5")
@pytest.mark.parametrize(
    ("command", "number"), [("eval run", signal.SIGINT), ("eval run", signal.SIGKILL), ("gate", signal.SIGINT)]
)
def test_an_interrupted_evaluation_goes_on_and_scores_no_case_twice(
    project: Project, number: int, command: str
) -> None:
    slow_down(project, 1000)
    words = [*command.split(), V, "--suite", "support"]
    with project.spawn(*words) as child:
        eventually(lambda: len(stored(project)) >= 16)
        child.send_signal(number)
        out, err = child.communicate(timeout=DEADLINE)
    if number == signal.SIGINT:
        assert (child.returncode, out, err) == (130, "", "error: interrupted\n")
    else:
        assert child.returncode == -number
    before = stored(project)
    assert 16 <= len(before) < 116
    asked = len(project.ok("traces", "--limit", "1000", "--json").json)
    project.replace("evals/support.yaml", {"concurrency: 16": "concurrency: 116"})  # no other run: only a faster one
    assert project.run(*words).code == 0
    after = stored(project)
    assert [case for case, times in Counter(after).items() if times > 1] == []
    assert len(after) == 116
    (run,) = project.ok("eval", "list", "--json").json
    assert run["status"] == "finished"
    calls = project.ok("traces", "--limit", "1000", "--json").json
    assert len(calls) - asked == 116 - len(before), "what is stored is not asked again"


def test_an_interrupted_init_leaves_nothing(tmp_path: Path) -> None:
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    started = tmp_path / "started"
    git.write_text(f"#!/bin/sh\ntouch {started}\nexec sleep 60\n", "utf-8")
    git.chmod(0o755)
    place = tmp_path / "place"
    place.mkdir()
    surroundings = environment() | {"PATH": f"{git.parent}:{os.environ['PATH']}"}
    with subprocess.Popen(
        [MOAT, "init", "new"],
        cwd=place,
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        eventually(started.exists)
        os.killpg(child.pid, signal.SIGINT)
        _, err = child.communicate(timeout=DEADLINE)
    assert (child.returncode, err) == (130, b"error: interrupted\n")
    assert list(place.iterdir()) == []


def test_init_without_git_says_so(tmp_path: Path) -> None:
    surroundings = environment() | {"PATH": str(tmp_path)}
    done = subprocess.run(
        [MOAT, "init", "new"], cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Install git" in done.stderr) == (69, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_simulated_provider_answers_until_it_is_stopped(project: Project, number: int, code: int) -> None:
    with project.spawn("simulate", "--rules", "simulation/support.yaml", "--port", "0") as child:
        assert child.stderr is not None
        url = re.search(r"http://\S+", child.stderr.readline())
        assert url is not None
        body = json.dumps({"model": "any", "messages": [{"role": "user", "content": "Refund?"}]}).encode()
        with urllib.request.urlopen(f"{url[0]}/chat/completions", body, timeout=DEADLINE) as response:
            assert response.headers["x-moat-simulated"] == "true"
            assert json.loads(response.read())["choices"][0]["message"]["content"]
        child.send_signal(number)
        out, err = child.communicate(timeout=DEADLINE)
    assert (child.returncode, out) == (code, "")
    assert "Traceback" not in err
