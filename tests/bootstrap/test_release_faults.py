"""Releases by several processes at once, and releases that are killed: none is lost, none is half done."""

import multiprocessing
import os
import random
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from moat.bootstrap.project import Project as Files
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.wiring import open_state
from moat.domain.errors import ConflictError, NotFound
from moat.domain.releases import Arm, Assignment
from moat.ports.releases import Order
from moat.prompts.lock import read_lock
from tests.bootstrap.projects import PROMPT, Project

VERSIONS = 5
WORKERS = 4
ROUNDS = 100
POINTS = 40
"""Places in the middle of a release at which a process is killed."""
KILLS = 8
"""Real commands that are killed."""


class Outcome(NamedTuple):
    """What a process was told about one of its changes."""

    reason: str
    sequence: int
    """0 when it was refused, or had nothing to do."""


def small_project(root: Path) -> None:
    """One prompt in some versions, without suites."""
    (root / "prompts" / "p").mkdir(parents=True)
    (root / "moat.yaml").write_text("providers: {}\nmodels: {}\nenvironments: {production: {}}\n", "utf-8")
    for number in range(VERSIONS):
        (root / "prompts" / "p" / f"1.{number}.0.txt").write_text(f"Hello {number}", "utf-8")


def order(version: str, reason: str = "") -> Order:
    """A wish for production."""
    return Order(prompt="p", version=version, environment="production", reason=reason)


def race(root: Path, worker: int) -> list[Outcome]:
    """Release and roll back, as fast as it goes; a refusal must be a `ConflictError`, or a pile that is too low."""
    chance = random.Random(worker)
    files = Files(root)
    outcomes = []
    with open_state(files) as state:
        releasing = Releasing(files, state)
        for number in range(ROUNDS):
            reason = f"{worker}:{number}"
            try:
                if chance.random() < 0.6:
                    _, served = releasing.release(order(f"1.{chance.randrange(VERSIONS)}.0", reason), f"w{worker}")
                else:
                    served = releasing.roll_back("p", "production", f"w{worker}", reason)
            except (ConflictError, NotFound):
                outcomes.append(Outcome(reason, 0))
            else:
                outcomes.append(Outcome(reason, served.sequence if served.reason == reason else 0))
    return outcomes


def pile_of(history: list[Assignment]) -> list[str]:
    """What was released and not rolled back, by the book: each release on top, each rollback one off."""
    pile: list[str] = []
    for assignment in reversed(history):
        if assignment.returns_to:
            pile.pop()
        elif pile[-1:] != [assignment.arms[0].release]:
            pile.append(assignment.arms[0].release)
        assert assignment.arms == (Arm(pile[-1]),)
        assert assignment.replaces == tuple(map(Arm, pile[-2:-1]))
    return pile


def test_no_release_or_rollback_of_several_processes_is_lost(tmp_path: Path) -> None:
    """Each success is in the history, once; nothing else is; and each was decided on what stood there before it."""
    small_project(tmp_path)
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        told = [outcome for found in pool.map(race, [tmp_path] * WORKERS, range(WORKERS)) for outcome in found]
    with open_state(Files(tmp_path)) as state:
        history = state.releases.history("p", "production")
    assert len(told) == WORKERS * ROUNDS
    assert [a.sequence for a in history] == list(range(len(history), 0, -1))
    assert sorted(o for o in told if o.sequence) == sorted(Outcome(a.reason, a.sequence) for a in history)
    assert {a.actor for a in history} == {f"w{worker}" for worker in range(WORKERS)}
    assert pile_of(history)


class Killed(NamedTuple):
    """A release that was killed on its way: versions."""

    before: str
    wanted: str
    after: str
    again: str
    """Served after the same release was asked for again."""


def release_or_die(root: Path, version: str, calls: int) -> int:
    """Release a version in a process that kills itself at its n-th function call; its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    left = calls

    def count(_frame: Any, _event: str, _argument: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    files = Files(root)
    with open_state(files) as state:
        sys.setprofile(count)
        Releasing(files, state).release(order(version), "ada")
        sys.setprofile(None)
    os._exit(0)


def served(root: Path) -> str:
    """The version in production, as another process finds it."""
    with open_state(Files(root)) as state:
        (assignment,) = state.releases.current()
        return state.releases.get(assignment.arms[0].release).version


def calls_of_a_release(root: Path) -> int:
    """About how many function calls the release of another version makes: it dies before one more than that."""
    calls = 1
    while os.WIFSIGNALED(release_or_die(root, f"1.{1 + calls.bit_length() % 2}.0", calls)):
        calls *= 2
    return calls


def die_in_the_middle(root: Path) -> list[Killed]:
    """Releases killed at places from their first function call to their last."""
    files = Files(root)
    with open_state(files) as state:
        Releasing(files, state).release(order("1.0.0"), "ada")
    calls = calls_of_a_release(root)
    found = []
    for point in range(1, POINTS + 1):
        before = served(root)
        wanted = next(f"1.{n}.0" for n in range(VERSIONS) if f"1.{n}.0" != before)
        release_or_die(root, wanted, calls * point // POINTS)
        after = served(root)
        with open_state(files) as state:
            Releasing(files, state).release(order(wanted), "ada")
        found.append(Killed(before, wanted, after, served(root)))
    return found


def test_a_process_killed_anywhere_in_a_release_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """`kill -9` at function calls all over the release; the same release again completes it."""
    small_project(tmp_path)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(die_in_the_middle, tmp_path).result()
    assert len(found) == POINTS
    for killed in found:
        assert killed.after in (killed.before, killed.wanted), killed
        assert killed.again == killed.wanted, killed
    assert {killed.after == killed.wanted for killed in found} == {True, False}, "some died before, some after"
    with open_state(Files(tmp_path)) as state:
        history = state.releases.history("p", "production")
    assert [a.sequence for a in history] == list(range(len(history), 0, -1))
    assert {f"p@{killed.wanted}" for killed in found} <= read_lock(tmp_path).keys()


def test_a_killed_command_leaves_the_old_or_the_new(project: Project) -> None:
    """The real `moat release create`, killed at moments of its second half, where it writes."""
    began = time.monotonic()
    assert project.process("release", "create", f"{PROMPT}@1.0.0", "--to", "staging").code == 0
    duration = time.monotonic() - began
    old = "1.0.0"
    for number in range(KILLS):
        new = "1.1.0" if old != "1.1.0" else "1.2.0"
        child = project.spawn("release", "create", f"{PROMPT}@{new}", "--to", "staging")
        time.sleep(duration * (0.5 + 0.5 * number / KILLS))
        child.kill()
        child.communicate()
        assert served(project.root) in (old, new)
        project.release(new)
        assert served(project.root) == new
        assert {f"{PROMPT}@{old}", f"{PROMPT}@{new}"} <= read_lock(project.root).keys()
        old = new
