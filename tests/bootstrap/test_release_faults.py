"""Many processes change what is served at the same time, and some are killed: nothing is lost, nothing is halved."""

import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

from moat.bootstrap.project import Project as Files
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.state import open_state
from moat.domain.errors import ConflictError, MoatError, NotFound
from moat.domain.releases import Arm, Assignment
from moat.ports.releases import Order, Plan, Promotion
from moat.prompts.lock import read_lock
from moat.prompts.rollouts import settled
from tests.bootstrap.projects import DEADLINE, PROMPT, Project
from tests.bootstrap.test_releasing import NoRepository, small_project

WORKERS, ROUNDS, VERSIONS = 4, 100, 5
ENVIRONMENT = "production"
TIMED_KILLS, AIMED_KILLS = 8, 8


class Outcome(NamedTuple):
    """What one change came to."""

    name: str
    """Its reason in the history."""
    sequence: int = 0
    """0: refused, or there was nothing to change."""
    refusal: str = ""


def change(releasing: Releasing, chance: random.Random, name: str) -> Assignment:
    """Something that people do."""

    def release(plan: Plan) -> Assignment:
        version = f"1.{chance.randrange(VERSIONS)}.0"
        order = Order(prompt="p", version=version, environment=ENVIRONMENT, reason=name, plan=plan)
        return releasing.release(order, "ada")[1]

    def promote(percent: float | None) -> Assignment:
        return releasing.promote(Promotion(prompt="p", environment=ENVIRONMENT, reason=name, percent=percent), "ada")

    choices: list[Callable[[], Assignment]] = [
        lambda: release(Plan()),
        lambda: release(Plan(strategy="canary", percent=chance.randrange(1, 100))),
        lambda: promote(None),
        lambda: promote(chance.randrange(1, 100)),
        lambda: releasing.roll_back("p", ENVIRONMENT, "ada", name),
    ]
    return chance.choice(choices)()


def work(root: Path, number: int, start: Barrier, outcomes: "multiprocessing.Queue[list[Outcome]]") -> None:
    """A process that makes one change in every round, when all others do."""
    chance = random.Random(number)
    found = []
    files = Files(root)
    files.__dict__["repository"] = NoRepository()
    with open_state(files) as state:
        for turn in range(ROUNDS):
            name = f"{turn}/{number}"
            start.wait(DEADLINE)
            try:
                made = change(Releasing(files, state), chance, name)
                found.append(Outcome(name, made.sequence if made.reason == name else 0))
            except MoatError as error:
                found.append(Outcome(name, refusal=type(error).__name__))
    outcomes.put(found)


def test_changes_at_the_same_moment_are_never_lost(tmp_path: Path) -> None:
    """A hundred rounds of releases, canaries, promotions and rollbacks, by processes that begin each round together."""
    files = small_project(tmp_path, VERSIONS)
    with open_state(files):
        pass
    context = multiprocessing.get_context("spawn")
    start, queue = context.Barrier(WORKERS), context.Queue()
    workers = [context.Process(target=work, args=(tmp_path, n, start, queue)) for n in range(WORKERS)]
    for worker in workers:
        worker.start()
    outcomes: list[Outcome] = [outcome for _ in workers for outcome in queue.get(timeout=2 * DEADLINE)]
    for worker in workers:
        worker.join(DEADLINE)
        assert worker.exitcode == 0
    with open_state(files) as state:
        history = state.releases.history("p", ENVIRONMENT)
        shipped = {release.id for release in state.releases.releases()}
    assert len(outcomes) == WORKERS * ROUNDS
    assert {outcome.refusal for outcome in outcomes} <= {"", ConflictError.__name__, NotFound.__name__}
    made = {outcome.sequence: outcome.name for outcome in outcomes if outcome.sequence}
    assert {a.sequence: a.reason for a in history} == made, "each success is there once, and nothing else"
    assert [a.sequence for a in reversed(history)] == list(range(1, len(made) + 1))
    for index, assignment in enumerate(history):
        assert set(assignment.releases) <= shipped
        if assignment.returns_to:
            assert assignment.arms == history[index + 1].replaces, "it went where its predecessor pointed"


def whole(project: Project, version: str, served_before: str) -> bool:
    """Is the new version served? The store and the lock can be read, and it is the old one or the new one."""
    read_lock(project.root)
    files = Files(project.root)
    with open_state(files) as state:
        history = state.releases.history(PROMPT, "staging")
        release = state.releases.get(settled(history))
    assert [a.sequence for a in reversed(history)] == list(range(1, len(history) + 1))
    assert history[0].arms == (Arm(release.id),)
    assert release.version in (version, served_before)
    return release.version == version


def new_version(project: Project, number: int) -> str:
    """Nobody released it before."""
    version = f"2.{number}.0"
    text = (project.root / f"prompts/{PROMPT}/1.0.0.yaml").read_text("utf-8")
    file = project.root / f"prompts/{PROMPT}/{version}.yaml"
    file.write_text(text.replace("temperature: 0.2", f"temperature: 0.{number + 10}"), "utf-8")
    return version


def wait_for_publication(project: Project, version: str) -> None:
    """To the millisecond."""
    deadline = time.monotonic() + DEADLINE
    while f"{PROMPT}@{version}" not in (project.root / "prompts.lock").read_text("utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def test_a_killed_release_leaves_the_old_one_or_the_new_one(project: Project) -> None:
    """Killed at moments spread over its run, and right after it published the version; done again, it completes."""
    before = "1.0.0"
    project.release(before)

    def command(version: str) -> tuple[str, ...]:
        return ("release", "create", f"{PROMPT}@{version}", "--to", "staging")

    began = time.monotonic()
    assert project.process(*command("1.1.0")).code == 0
    takes, before = time.monotonic() - began, "1.1.0"
    for number in range(TIMED_KILLS + AIMED_KILLS):
        version = new_version(project, number)
        aimed = number - TIMED_KILLS
        child = project.spawn(*command(version))
        if aimed < 0:
            time.sleep(takes * (number + 1) / TIMED_KILLS)
        else:
            wait_for_publication(project, version)
            time.sleep(aimed / 1000)
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=DEADLINE)
        done = whole(project, version, before)
        assert done or child.returncode != 0, "what it called done is served"
        project.ok(*command(version))
        assert whole(project, version, before)
        before = version
    assert list(project.root.glob("prompts.lock*")) == [project.root / "prompts.lock"], "and leaves nothing behind"
