"""Start a program on chosen processors, and stop it with all its children."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.errors import Unavailable

STOP_SECONDS = 10.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@contextmanager
def running(
    argv: Sequence[str | Path],
    directory: Path,
    pinned: frozenset[int],
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `argv` in `directory` with a bare environment; its output goes to `directory`/output.log."""
    with (directory / "output.log").open("wb") as output, on(pinned):
        process = subprocess.Popen(
            argv,
            cwd=directory,
            env={"PATH": PATH, "HOME": str(directory), "LANG": "C.UTF-8", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


@contextmanager
def on(pinned: frozenset[int]) -> Iterator[None]:
    """Children begun in here run on these processors: they inherit them from this thread."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, pinned)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the group to end, then make it: the group outlives its leader when a child hangs on."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def run(argv: Sequence[str | Path], directory: Path, seconds: float) -> str:
    """Run `argv` to its end and return what it printed. Raises Unavailable when it fails or takes longer."""
    command = " ".join(str(word) for word in argv[:4])
    try:
        done = subprocess.run(
            argv,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        raise Unavailable(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"`{command}` took longer than {seconds:.0f} s") from None
    if done.returncode:
        raise Unavailable(f"`{command}` failed: {last_line(done.stderr or done.stdout)}")
    return done.stdout


def last_line(text: str) -> str:
    """The last line that says something, cut to fit a table's note."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it printed nothing"
