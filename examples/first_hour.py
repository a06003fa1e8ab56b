"""A team's first hour with Moat, through the same commands and the same SDK a user has. `make demo` runs it.

    python examples/first_hour.py            leaves the server up on http://127.0.0.1:4000
    python examples/first_hour.py --once     stops it at the end
    python examples/first_hour.py --stop     stops the one that was left up

The project it makes is `demo/support-assistant`. With OPENAI_API_KEY set a real model answers; without it a
simulated one does, and everything printed and recorded says so.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from openai import OpenAI
from shop import CALLERS, QUESTIONS

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "demo" / "support-assistant"
MOAT = Path(sys.executable).parent / "moat"
PROMPT = "support/answer"
ACCOUNT = "you@example.org"
REAL = bool(os.environ.get("OPENAI_API_KEY"))


class FirstHour:
    """Runs the steps, printing each with what it showed and how long it took."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._step = 0
        self._began = time.monotonic()
        self.server: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.printed = ""
        self.environment = "production"

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One numbered step."""
        self._step += 1
        print("\n" + _bold(f"{self._step}. {title}"), flush=True)
        began = time.monotonic()
        yield
        print(f"   ({time.monotonic() - began:.1f} s)", flush=True)

    def moat(self, *arguments: str, expect: tuple[int, ...] = (0,), quiet: bool = False) -> int:
        """Run a command as a user would; its exit code must be an expected one and is returned."""
        shown = " ".join(f"'{a}'" if " " in a else a for a in arguments)
        if not quiet:
            print(f"   $ moat {shown}", flush=True)
        done = subprocess.run([MOAT, *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
        if not quiet:
            print(_indent(done.stdout + done.stderr), flush=True)
        if done.returncode not in expect:
            raise SystemExit(f"moat {shown} exited {done.returncode}, not {expect}:\n{done.stdout}{done.stderr}")
        self.printed = done.stdout
        return done.returncode

    def make_project(self) -> None:
        """`moat init`, in a folder of our own."""
        shutil.rmtree(PROJECT, ignore_errors=True)
        PROJECT.parent.mkdir(exist_ok=True)
        print("   $ moat init demo/support-assistant")
        done = subprocess.run([MOAT, "init", PROJECT], capture_output=True, text=True, check=True)
        print(_indent(done.stdout))
        log = subprocess.run(["git", "log", "--oneline"], cwd=PROJECT, capture_output=True, text=True, check=True)
        print(_indent(log.stdout))

    def start_server(self) -> None:
        """`moat serve`, in the background; it survives this script."""
        print(f"   $ moat serve --port {self._port} &")
        with (PROJECT / ".moat-serve.log").open("wb") as log:
            self.server = subprocess.Popen(
                [MOAT, "serve", "--port", str(self._port)],
                cwd=PROJECT,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        began = time.monotonic()
        while not self._answers():
            if self.server.poll() is not None or time.monotonic() - began > 180:
                self.server.terminate()
                said = (PROJECT / ".moat-serve.log").read_text()
                raise SystemExit(said or "the server said nothing, and did not answer within three minutes")
            time.sleep(0.02)
        print(f"   {self.url}/healthz answered 200 after {time.monotonic() - began:.2f} s")

    def _answers(self) -> bool:
        file = PROJECT / ".moat" / "server.json"
        try:
            self.url = json.loads(file.read_text())["url"]
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as response:
                return bool(response.status == 200)
        except (OSError, ValueError):
            return False

    def new_key(self, tenant: str) -> str:
        """A virtual key for a tenant."""
        self.moat("keys", "create", "--name", f"{tenant} app", "--tenant", tenant, "--json", quiet=True)
        secret: str = json.loads(self.printed)["secret"]
        return secret

    def invite(self) -> str:
        """An account for whoever runs this, and the link, good once, that signs it in to the console."""
        self.moat("accounts", "add", ACCOUNT, "--role", "admin", "--json", quiet=True)
        link: str = json.loads(self.printed)["link"]
        return link

    def show_console(self) -> None:
        """Where to look at all of it; the last thing that is said, so that it is still there to be clicked."""
        print(f"The server stays up on {self.url}. Its project: {PROJECT}, its commands: {MOAT}")
        print("Stop it with: make demo ARGS=--stop")
        print("\n" + _bold("Look at it in a browser"))
        print(f"   console   {self.url}/")
        print(f"   sign in   {self.invite()}")
        print(f"             as {ACCOUNT}, an admin; the link is good once, for 7 days")

    def gate(self, version: str, simulated: int) -> int:
        """`moat gate`. The simulated model must be judged as told; a real one is judged as it answers."""
        code = self.moat("gate", f"{PROMPT}@{version}", expect=(0, 1, 2) if REAL else (simulated,))
        print(f"   exit code {code}")
        return code

    def release_all(self) -> None:
        """1.2.0 to staging, then to production if its rule lets it pass: with a real model it may not."""
        version = f"{PROMPT}@1.2.0"
        self.moat("release", "create", f"{PROMPT}@1.0.0", "--to", "staging", quiet=True)
        self.moat("release", "create", version, "--to", "staging")
        allowed = (0, 75) if REAL else (0,)
        refused = self.moat("release", "create", version, "--to", "production", expect=allowed)
        if refused:
            print("   production's rule refused it, as it should; the rest of the tour is in staging")
            self.environment = "staging"
        self.moat("release", "list")

    def send_traffic(self) -> str:
        """Real calls through the official SDK; one key to go on with."""
        keys = {tenant: self.new_key(tenant) for tenant in sorted({tenant for tenant, _, _ in CALLERS})}
        wait_for_key(self.url, keys["acme"])
        jobs = [(caller, question, n) for n, question in enumerate(QUESTIONS * 2) for caller in CALLERS]
        with ThreadPoolExecutor(8) as pool:
            releases = list(pool.map(lambda job: self.ask(keys[job[0][0]], *job), jobs))
        streamed = sum(n % 2 for _, _, n in jobs)
        who = f"{len(keys)} tenants and {len(CALLERS)} users"
        print(f"   {len(jobs)} calls by {who}, {streamed} of them streamed;")
        print(f"   every answer named its release: {', '.join(sorted(set(releases)))}")
        return keys["acme"]

    def ask(self, key: str, caller: tuple[str, str, str], question: str, number: int) -> str:
        """One call that names the prompt, as OpenAI's API does it. Returns the release that answered."""
        _, feature, user = caller
        prompt = {"id": f"{PROMPT}@{self.environment}", "variables": {"question": question}}
        with OpenAI(base_url=f"{self.url}/v1", api_key=key) as client:
            raw = client.chat.completions.with_raw_response.create(
                model="assistant",
                messages=[],
                user=user,
                stream=bool(number % 2),  # type: ignore[call-overload]
                extra_headers={"x-moat-feature": feature},
                extra_body={"prompt": prompt},
            )
            answer = raw.parse()
            if number % 2:
                assert any(chunk.choices and chunk.choices[0].finish_reason for chunk in answer)
            else:
                assert answer.choices[0].message.content
            release: str = raw.headers["x-moat-release"]
            return release

    def total(self) -> str:
        """Seconds since the start."""
        return f"{time.monotonic() - self._began:.0f} s"


def wait_for_key(url: str, key: str) -> None:
    """A new key works within a second; wait for that moment."""
    request = urllib.request.Request(f"{url}/v1/models", headers={"authorization": f"Bearer {key}"})
    deadline = time.monotonic() + 10
    while True:
        try:
            urllib.request.urlopen(request, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def run(port: int, *, once: bool) -> None:
    """The first hour."""
    tour = FirstHour(port)
    provider = "the OpenAI-compatible model of OPENAI_API_KEY" if REAL else "simulated, no model is asked"
    print(_bold("Moat: a team's first hour."), f"Provider: {provider}.")
    try:
        with tour.step("A project, in a git repository of its own"):
            tour.make_project()
        with tour.step("The server: gateway and management API in one process, nothing else to start"):
            tour.start_server()
        with tour.step("Lint, then the baseline: prompt 1.0.0 on the suite"):
            tour.moat("lint")
            tour.moat("eval", "run", f"{PROMPT}@1.0.0")
            tour.gate("1.0.0", 0)
            allowed = (0, 75) if REAL else (0,)
            tour.moat("release", "create", f"{PROMPT}@1.0.0", "--to", "production", expect=allowed)
        with tour.step("The gate: 1.1.0 looks harmless and is worse; 1.2.0 is better"):
            tour.gate("1.1.0", 1)
            tour.gate("1.2.0", 0)
        with tour.step("Release 1.2.0 to staging, then to production, with its lineage"):
            tour.release_all()
        with tour.step("Traffic through the official OpenAI SDK, streamed and not"):
            key = tour.send_traffic()
        with tour.step("Who spent what, how fast"):
            time.sleep(2)
            tour.moat("traces", "--limit", "5")
            tour.moat("report", "--by", "tenant,feature")
        with tour.step(f"Rollback: {tour.environment} is back on 1.0.0"):
            before = tour.ask(key, CALLERS[0], QUESTIONS[0], 0)
            tour.moat("rollback", PROMPT, "--env", tour.environment, "--reason", "drill")
            after = tour.ask(key, CALLERS[0], QUESTIONS[0], 0)
            print(f"   the next answer came from {after}, no longer from {before}")
            assert after != before, "the rollback did not take effect"
    except BaseException:
        stop(quiet=True)
        raise
    print("\n" + _bold(f"Done in {tour.total()}."))
    if once:
        stop(quiet=True)
        return
    tour.show_console()


def stop(*, quiet: bool = False) -> None:
    """Stop the demo's server if one is up."""
    file = PROJECT / ".moat" / "server.json"
    try:
        pid = int(json.loads(file.read_text())["pid"])
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        if not quiet:
            print("No demo server is up.")
        return
    deadline = time.monotonic() + 35
    while file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    print("The demo's server is stopped.")


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


def _indent(text: str) -> str:
    return "\n".join(f"     {line}".rstrip() for line in text.splitlines() if line.strip())


def main() -> None:
    """Parse the arguments and go."""
    parser = argparse.ArgumentParser(description="A team's first hour with Moat.")
    parser.add_argument("--once", action="store_true", help="stop the server at the end")
    parser.add_argument("--stop", action="store_true", help="stop the server an earlier run left up")
    parser.add_argument("--port", type=int, default=4000, help="where to serve; 0: any free port")
    options = parser.parse_args()
    stop(quiet=not options.stop)
    if not options.stop:
        run(options.port, once=options.once)


if __name__ == "__main__":
    main()
