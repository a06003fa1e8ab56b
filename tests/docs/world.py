"""Where the snippets of a page run: a project of their own, and a real server when the page asks for one."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moat.bootstrap.scaffold import create_project
from tests.docs.pages import Block

MOAT = Path(sys.executable).parent / "moat"
WAIT = 60.0
PROMPT = "support/answer"
INTERPRETERS = {"bash": ["bash", "-euo", "pipefail"], "python": [sys.executable, "-W", "error"]}


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a snippet sees: this Python's programs first, a home of its own, git with a name."""
    return {
        "PATH": f"{MOAT.parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        **more,
    }


def new_project(folder: Path) -> None:
    """The example, as `moat init` makes it."""
    create_project(folder, openai=False)


def released_project(folder: Path) -> None:
    """The example after its first releases: production serves 1.2.0 and served 1.0.0 before."""
    new_project(folder)
    for version in ("1.0.0", "1.2.0"):
        moat(folder, "gate", f"{PROMPT}@{version}", "--suite", "support")
        moat(folder, "release", "create", f"{PROMPT}@{version}", "--to", "production", "--reason", "docs")


def moat(project: Path, *arguments: str) -> str:
    """Run a command that must succeed; what it printed."""
    done = subprocess.run(
        [MOAT, *arguments], cwd=project, env=environment(project), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def running(project: Path) -> Iterator[dict[str, str]]:
    """`moat serve` on a free port; where it is and a key, as `MOAT_BASE_URL` and `MOAT_API_KEY`."""
    secret = json.loads(moat(project, "keys", "create", "--tenant", "acme", "--json"))["secret"]
    log = project.parent / "serve.log"
    with log.open("wb") as out:
        server = subprocess.Popen([MOAT, "serve", "--port", "0"], cwd=project, env=environment(project), stderr=out)
    try:
        address = project / ".moat" / "server.json"
        deadline = time.monotonic() + WAIT
        while not address.exists():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield {"MOAT_BASE_URL": json.loads(address.read_text())["url"], "MOAT_API_KEY": secret}
    finally:
        server.terminate()
        server.wait(WAIT)
    assert server.returncode == 0, log.read_text()


def execute(block: Block, project: Path, environ: dict[str, str]) -> None:
    """Run a block in the project; it must end with the exit code its info string names."""
    script = project.parent / "snippet"
    script.write_text(block.text, "utf-8")
    done = subprocess.run(
        [*INTERPRETERS[block.language], script],
        cwd=project,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT,
    )
    said = f"{block.place} exited {done.returncode}\n{block.text}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == int(block.option("exit", "0")), said


def copied(template: Path, folder: Path) -> Path:
    """A copy of a project for one page."""
    shutil.copytree(template, folder)
    return folder
