"""Server-sent events: told soon of each change, over one watcher, and over when they must be."""

import asyncio
import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from moat.api import events
from moat.api.changes import MAX_LISTENERS, Changes
from moat.bootstrap.http_server import GRACE_SECONDS
from moat.domain.keys import Key
from moat.domain.spans import Span
from moat.gateway.admission import KeyRing
from moat.testing.fakes import FakeClock
from tests.api.world import SECRETS, Api, open_api
from tests.bootstrap.projects import DEADLINE, Project, eventually

PATH = "/api/v1/events"


class Stream:
    """An open stream of events."""

    def __init__(self, connection: http.client.HTTPConnection, secret: str) -> None:
        self.connection = connection
        connection.request("GET", PATH, headers={"authorization": f"Bearer {secret}"})
        self.response = connection.getresponse()

    def lines(self) -> Iterator[str]:
        """One by one, to the end of the stream."""
        while line := self.response.readline():
            if text := line.decode().strip():
                yield text

    def hear(self, topic: str) -> None:
        """Wait until this topic has changed."""
        for line in self.lines():
            if line.startswith("data: ") and topic in json.loads(line.removeprefix("data: "))["topics"]:
                return
        raise AssertionError("the stream has ended")


@pytest.fixture
def own(template: Path, tmp_path: Path) -> Iterator[Api]:
    """An API of its own: its changes are heard."""
    with open_api(template, tmp_path) as opened:
        yield opened


@contextmanager
def listening(api: Api, who: str = "viewer") -> Iterator[Stream]:
    with closing(http.client.HTTPConnection(api.host, timeout=DEADLINE)) as connection:
        stream = Stream(connection, SECRETS[who])
        assert stream.response.status == 200
        assert next(stream.lines()) == f"retry: {events.RETRY_MS}"
        yield stream


def call(api: Api, folder: Path, number: int) -> None:
    segment = folder / f"{number}.ndjson"
    span = Span(
        span_id=f"{number:016x}", trace_id=f"{number:032x}", kind="call", name="x", started_ns=number, duration_ns=1
    )
    segment.write_bytes(msgspec.json.encode(span) + b"\n")
    api.traces.ingest([segment])


def test_each_kind_of_change_is_told(own: Api, tmp_path: Path) -> None:
    with listening(own) as stream:
        call(own, tmp_path, 100)
        stream.hear("traces")
        own.state.keys.add(Key(id="key_new", hash="1" * 64), actor="tests")
        stream.hear("state")
        own.refresh()
        stream.hear("serving")


def test_all_who_listen_share_one_watcher_that_ends_with_them(own: Api, tmp_path: Path) -> None:
    with listening(own) as one, listening(own, "admin") as other:
        assert own.changes.watched
        call(own, tmp_path, 100)
        one.hear("traces")
        other.hear("traces")
    eventually(lambda: not own.changes.watched)
    with listening(own) as again:
        call(own, tmp_path, 101)
        again.hear("traces")


def test_it_ends_soon_after_its_key_is_not_taken_any_more(own: Api) -> None:
    own.changes.beat = 0.1
    with listening(own) as stream:
        assert ": still here" in next(line for line in stream.lines() if line.startswith(":"))
        own.live.serving = replace(own.live.serving, keys=KeyRing([], FakeClock()))
        for _ in stream.lines():
            pass
    eventually(lambda: not own.changes.watched)


def test_a_stopping_server_lets_everybody_go(own: Api) -> None:
    with listening(own) as stream:
        own.changes.end()
        for _ in stream.lines():
            pass
    assert own.raw("GET", PATH, Authorization="Bearer mk-admin")[0] == 503


def test_no_more_than_so_many_listen(own: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_LISTENERS >= 100
    monkeypatch.setattr("moat.api.changes.MAX_LISTENERS", 1)
    with listening(own):
        status, _, body = own.raw("GET", PATH, Authorization="Bearer mk-admin")
        assert (status, "listen already" in json.loads(body)["error"]["message"]) == (503, True)


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_a_server_of_any_number_of_processes_tells_and_stops_at_once(
    project: Project, options: tuple[str, ...]
) -> None:
    key = project.key("--role", "viewer")
    caller = project.key()
    with project.serving(*options) as server, closing(server.connection()) as connection:
        stream = Stream(connection, key)
        heard, ended = set[str](), threading.Event()

        def listen() -> None:
            for line in stream.lines():
                if line.startswith("data: "):
                    heard.update(json.loads(line.removeprefix("data: "))["topics"])
            ended.set()

        threading.Thread(target=listen, daemon=True).start()

        def told(topic: str) -> bool:
            body = {"model": "assistant", "messages": [{"role": "user", "content": "Where is my parcel?"}]}
            assert server.send("POST", "/v1/chat/completions", body, caller)[0] == 200
            time.sleep(0.3)
            return topic in heard

        eventually(lambda: told("traces"))
        project.key("--name", "another")
        eventually(lambda: "state" in heard and "serving" in heard)
        began = time.monotonic()
        assert server.stop(signal.SIGTERM) == 0
        assert ended.wait(DEADLINE)
        assert time.monotonic() - began < GRACE_SECONDS, "it waited for those who listen"
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", connection.port), timeout=5):
        pass


def test_a_source_with_a_bug_silences_neither_itself_nor_the_others() -> None:
    """Whatever it raises, and as often as it does."""
    asks = {"state": 0, "traces": 0}

    def broken() -> int:
        asks["state"] += 1
        if 1 < asks["state"] < 4:
            raise ValueError("a bug")
        return asks["state"] // 4

    def sound() -> int:
        asks["traces"] += 1
        return asks["traces"]

    async def listen() -> set[str]:
        heard: set[str] = set()
        async with Changes({"state": broken, "traces": sound}, pause=0).listening() as listener:
            while heard != {"state", "traces"}:
                news = await listener.hear(DEADLINE)
                assert news, "the watcher is gone"
                heard |= set(news)
        return heard

    assert asyncio.run(listen()) == {"state", "traces"}
    assert asks["state"] >= 4
