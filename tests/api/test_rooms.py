"""Who waits for whom at the management API: what is slow holds up neither rollbacks nor those who ask who they are."""

import asyncio
import http.client
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request

from moat.api.endpoint import ANYONE, Endpoint, application
from moat.api.rooms import THREADS, WAITING, Later, Room, Turns
from moat.api.routes import ENDPOINTS
from moat.api.services import Services
from moat.domain.errors import ClientClosed, LimitExceeded
from moat.testing.loopback import on_loopback

FRONT = SimpleNamespace(check_host=lambda scope: None)
SERVICES = cast(Services, SimpleNamespace(sign_in=SimpleNamespace(front=FRONT)))
"""As much of them as a route for anybody needs."""


class Slow:
    """Answers that wait until they are let go."""

    def __init__(self, room: Room) -> None:
        self.inside = threading.Semaphore(0)
        self.go = threading.Event()
        self.endpoints = (
            Endpoint("GET", "/thread", ANYONE, self.in_a_thread, str, room=room),
            Endpoint("GET", "/later", ANYONE, self.later, str, room=room),
            Endpoint("GET", "/releases", ANYONE, lambda *_: "released", str, room="releases"),
            Endpoint("GET", "/same", ANYONE, lambda *_: "same", str, room=room),
        )

    def in_a_thread(self, request: Request, services: Services) -> str:
        self.inside.release()
        assert self.go.wait(60)
        return "slow"

    def later(self, request: Request, services: Services) -> Later:
        async def answer() -> str:
            self.inside.release()
            while not self.go.is_set():  # noqa: ASYNC110 - it is set from another thread
                await asyncio.sleep(0.01)
            return "slow"

        return Later(answer)


@contextmanager
def held(slow: Slow, path: str, many: int, running: int) -> Iterator[str]:
    """So many requests under way, so many of them inside; all are answered in the end."""
    with (
        on_loopback(application(slow.endpoints, SERVICES)) as url,
        ThreadPoolExecutor(many) as pool,
    ):
        answers = [pool.submit(get, url, path) for _ in range(many)]
        try:
            for _ in range(running):
                assert slow.inside.acquire(timeout=60)
            yield url
            assert not any(answer.done() for answer in answers)
        finally:
            slow.go.set()
        assert [answer.result() for answer in answers] == ['"slow"'] * many


def get(url: str, path: str) -> str:
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read().decode()


@pytest.mark.parametrize("room", [room for room in THREADS if room != "releases"])
def test_releases_have_threads_whatever_the_others_wait_for(room: Room) -> None:
    with held(slow := Slow(room), "/thread", THREADS[room] + 5, THREADS[room]) as url:
        assert get(url, "/releases") == '"released"'
        assert not slow.inside.acquire(blocking=False), "no more than the room's threads"


def test_what_waits_on_the_event_loop_holds_no_thread() -> None:
    with held(Slow("tries"), "/later", 60, 60) as url:
        assert get(url, "/same") == '"same"'


def test_routes_wait_in_the_room_of_what_they_wait_for() -> None:
    rooms = {f"{each.method} {each.path}": each.room for each in ENDPOINTS}
    urgent = {route for route, room in rooms.items() if room == "releases"}
    assert urgent == {"POST /api/v1/rollbacks", "POST /api/v1/rollouts"}
    assert {room for route, room in rooms.items() if "/sign-in/oidc" in route} == {"identities"}
    assert rooms["GET /api/v1/comparisons"] == rooms["GET /api/v1/runs/{id}"] == "evals"
    assert rooms["POST /api/v1/proposals"] == rooms["GET /api/v1/proposals"] == "outside"
    once = {each.path for each in ENDPOINTS if each.at_once == 1}
    tries = {f"/api/v1/drafts/{what}" for what in ("lint", "preview", "run")} | {"/api/v1/guards/try"}
    assert once == tries | {"/api/v1/proposals"}
    assert {each.room for each in ENDPOINTS if each.path in tries} == {"tries"}
    assert {each.at_once for each in ENDPOINTS if each.path == "/api/v1/replays"} == {4}


async def forever() -> None:
    """A client that stays."""
    await asyncio.Event().wait()


def test_a_person_has_one_turn_at_a_time_and_others_theirs() -> None:
    asyncio.run(one_turn_at_a_time())


async def one_turn_at_a_time() -> None:
    turns, order = Turns(), list[str]()
    go = asyncio.Event()

    async def work(name: str, said: str, left: Callable[[], Awaitable[None]] = forever) -> None:
        async with turns.taken(name, 1, left):
            order.append(said)
            await go.wait()

    def begin(name: str, said: str) -> "asyncio.Task[None]":
        return asyncio.create_task(work(name, said))

    tasks: list[asyncio.Task[Any]] = [begin("ada", "first"), begin("ada", "second"), begin("grace", "other")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order == ["first", "other"]
    tasks += [begin("ada", "more") for _ in range(WAITING - 1)]
    await asyncio.sleep(0)
    with pytest.raises(LimitExceeded, match="wait for their turn"):
        await work("ada", "too many")
    tasks[1].cancel()
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["first", "other", *["more"] * (WAITING - 1)], "who went away has no turn"
    await work("ada", "again")
    go.clear()
    gone = asyncio.Event()

    async def leaves() -> None:
        await gone.wait()

    tasks = [begin("ada", "works"), asyncio.create_task(work("ada", "never", leaves)), begin("ada", "newest")]
    await asyncio.sleep(0)
    gone.set()
    with pytest.raises(ClientClosed, match="waited for its turn"):
        await tasks[1]
    go.set()
    await asyncio.gather(tasks[0], tasks[2])
    assert order[-2:] == ["works", "newest"], "whose client has left is not worked for"
    assert not turns._queues, "nothing is kept of those who have gone"
