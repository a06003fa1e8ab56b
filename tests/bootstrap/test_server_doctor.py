"""The doctor of a running server: people who ask at the same time share one look."""

import asyncio
import threading
from typing import NamedTuple

import pytest

from moat.bootstrap.server_doctor import ServerDoctor
from moat.domain.errors import Unavailable
from moat.ports.doctor import Checkup
from moat.ports.traces import Kept
from tests.bootstrap.projects import Project


class Slow(NamedTuple):
    """A trace store that answers when it is let go."""

    inside: threading.Semaphore
    go: threading.Event

    def kept(self) -> Kept:
        """What it holds."""
        self.inside.release()
        assert self.go.wait(60)
        return Kept(spans=0, opinions=0, rejects=0, bytes=0, first_ns=0)


@pytest.fixture
def slow() -> Slow:
    return Slow(threading.Semaphore(0), threading.Event())


def looking(doctor: ServerDoctor, many: int, *, providers: bool = False) -> list[asyncio.Task[Checkup]]:
    return [asyncio.create_task(doctor.examine(providers=providers, problems=())) for _ in range(many)]


def test_impatient_people_share_one_look_and_hold_no_threads(project: Project, slow: Slow) -> None:
    doctor = ServerDoctor(project.root, project.environ, slow.kept, lambda: "")

    async def asked() -> None:
        first, *others = looking(doctor, 60)
        await asyncio.to_thread(slow.inside.acquire)
        threads = threading.active_count()
        others += looking(doctor, 60)
        await asyncio.sleep(0)
        first.cancel()
        assert threading.active_count() == threads
        slow.go.set()
        found = await asyncio.gather(*others)
        assert first.cancelled(), "who leaves ends the look for nobody else"
        assert {id(one) for one in found} == {id(found[0])}
        assert not slow.inside.acquire(blocking=False), "one look for all of them"
        assert await doctor.examine(providers=False, problems=()) is not found[0], "the next one is a new one"

    asyncio.run(asked())


def test_one_look_at_a_time_and_each_of_its_own_kind(project: Project, slow: Slow) -> None:
    doctor = ServerDoctor(project.root, project.environ, slow.kept, lambda: "")

    async def asked() -> None:
        [without] = looking(doctor, 1)
        await asyncio.to_thread(slow.inside.acquire)
        [with_providers] = looking(doctor, 1, providers=True)
        await asyncio.sleep(0.05)
        assert not slow.inside.acquire(blocking=False)
        slow.go.set()
        assert [(await one).providers for one in (without, with_providers)] == [False, True]

    asyncio.run(asked())


def test_a_look_that_fails_fails_for_those_who_wait_and_for_nobody_after(project: Project, slow: Slow) -> None:
    slow.go.set()
    broken = True

    def refusing() -> str:
        if broken:
            raise Unavailable("the spool cannot be read")
        return ""

    doctor = ServerDoctor(project.root, project.environ, slow.kept, refusing)

    async def asked() -> None:
        nonlocal broken
        failed = await asyncio.gather(*looking(doctor, 3), return_exceptions=True)
        assert [type(one) for one in failed] == [Unavailable] * 3
        broken = False
        assert (await doctor.examine(providers=False, problems=())).checks

    asyncio.run(asked())
