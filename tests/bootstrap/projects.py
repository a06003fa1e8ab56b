"""Real projects, real `moat` processes and real servers, for the tests of everything above the stores."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from moat.bootstrap.scaffold import example_folder
from moat.cli.main import main

MOAT = Path(sys.executable).with_name("moat")
DEADLINE = 60.0
"""Seconds to wait for what takes milliseconds on an idle machine."""
PROMPT = "support/answer"


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass
class Project:
    """A copy of the example in a folder of its own, and the commands in it."""

    root: Path
    capture: "pytest.CaptureFixture[str]"
    environ: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str) -> Done:
        """A command, in this process: the same entry point as the program's. A server is a program of its own."""
        if "serve" in arguments[:1]:
            return self.process(*arguments)
        return in_process(self.capture, "--project", str(self.root), *arguments)

    def ok(self, *arguments: str) -> Done:
        """A command that must succeed."""
        done = self.run(*arguments)
        assert done.code == 0, done
        return done

    def spawn(self, *arguments: str) -> "subprocess.Popen[str]":
        """A command in a process of its own."""
        return subprocess.Popen(
            [MOAT, *arguments],
            cwd=self.root,
            env=environment() | self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def process(self, *arguments: str) -> Done:
        """A command in a process of its own, to its end."""
        with self.spawn(*arguments) as child:
            out, err = child.communicate(timeout=DEADLINE)
        return Done(child.returncode, out, err)

    def replace(self, path: str, changes: dict[str, str]) -> None:
        """Change text in a file."""
        file = self.root / path
        text = file.read_text("utf-8")
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        file.write_text(text, "utf-8")

    def release(self, version: str, environment: str = "staging") -> str:
        """Release a version where no suite is required; the release's id."""
        made: str = self.ok("release", "create", f"{PROMPT}@{version}", "--to", environment, "--json").json["release"][
            "id"
        ]
        return made

    def key(self, *options: str) -> str:
        """A new key's secret."""
        secret: str = self.ok("keys", "create", "--json", *options).json["secret"]
        return secret

    def guard(self) -> None:
        """Put the example's policies back."""
        shutil.copytree(example_folder() / "policies", self.root / "policies")

    @contextmanager
    def serving(self, *options: str) -> "Iterator[Server]":
        """A running `moat serve`; stopped at the end, and nothing of it may be left."""
        with (self.root / "serve.log").open("ab") as log:
            process = subprocess.Popen(
                [MOAT, "serve", "--port", "0", *options],
                cwd=self.root,
                env=environment() | self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield Server(self, process, *self._announced(process))
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(DEADLINE)
            if process.poll() is None:
                process.kill()
                process.wait()
                raise AssertionError(f"the server did not stop: {self.log()}")

    def _announced(self, process: "subprocess.Popen[bytes]") -> tuple[str, str]:
        file = self.root / ".moat" / "server.json"

        def found() -> "tuple[str, str] | None":
            assert process.poll() is None, self.log()
            with suppress(FileNotFoundError):
                content = json.loads(file.read_bytes())
                return (content["url"], content["token"]) if content["pid"] == process.pid else None
            return None

        return eventually(found)

    def log(self) -> str:
        """What the servers of this project wrote."""
        return (self.root / "serve.log").read_text("utf-8")


@dataclass
class Server:
    """A running one."""

    project: Project
    process: "subprocess.Popen[bytes]"
    url: str
    token: str

    def get(self, path: str, key: str = "", **headers: str) -> "tuple[int, Any]":
        """Status and JSON."""
        return self.send("GET", path, None, key, **headers)

    def send(self, method: str, path: str, body: Any = None, key: str = "", **headers: str) -> "tuple[int, Any]":
        """Status and JSON; as the machine's own admin unless a key is given."""
        request = urllib.request.Request(f"{self.url}{path}", method=method)
        request.add_header("authorization", f"Bearer {key or self.token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=DEADLINE) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def ask(self, question: str, key: str = "", *, at: str = "production", **body: Any) -> "tuple[int, Any]":
        """One chat completion of the example's prompt."""
        asked = {"prompt": {"id": f"{PROMPT}@{at}", "variables": {"question": question}}, **body}
        return self.send("POST", "/v1/chat/completions", asked, key)

    def connection(self) -> http.client.HTTPConnection:
        """A socket of one's own."""
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return http.client.HTTPConnection(host, int(port), timeout=DEADLINE)

    def stop(self, number: int) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


def environment() -> dict[str, str]:
    """The surroundings of a `moat` process: no credentials, no terminal settings of whoever runs the tests."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "COVERAGE_PROCESS_START")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONDONTWRITEBYTECODE": ""}


def in_process(capture: "pytest.CaptureFixture[str]", *arguments: str) -> Done:
    """`moat ARGUMENTS` without a new process."""
    capture.readouterr()
    before, sys.argv = sys.argv, ["moat", *arguments]
    try:
        main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    out, err = capture.readouterr()
    assert isinstance(code, int)
    return Done(code, out, err)


def eventually(found: Callable[[], Any]) -> Any:
    """The first answer that is true, asked for again and again."""
    deadline = time.monotonic() + DEADLINE
    while not (answer := found()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return answer


def slow_down(project: Project, milliseconds: int) -> None:
    """Let the simulated model think for a while before each answer."""
    project.replace("simulation/support.yaml", {"first_token_ms: 0": f"first_token_ms: {milliseconds}"})


def make_template(folder: Path) -> None:
    """`example`, as `moat init` makes it, with a model that answers at once, and no guards: these hold streams back."""
    subprocess.run(
        [MOAT, "init", "example", "--provider", "simulated"],
        cwd=folder,
        env=environment(),
        check=True,
        capture_output=True,
    )
    root = folder / "example"
    rules = root / "simulation" / "support.yaml"
    text = rules.read_text("utf-8")
    rules.write_text(
        text.replace(
            "{first_token_ms: 25, per_token_ms: 0.6, jitter: 0.3}", "{first_token_ms: 0, per_token_ms: 0, jitter: 0}"
        ),
        "utf-8",
    )
    assert rules.read_text("utf-8") != text
    shutil.rmtree(root / "policies")
    subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-qam", "No latency"],
        cwd=root,
        check=True,
    )
