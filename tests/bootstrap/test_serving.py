"""The parts of `moat serve`, inside this process."""

import asyncio
import gc
import json
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.adapters.duckdb import DuckTraces
from moat.adapters.sqlite import SqliteState
from moat.bootstrap import plugins
from moat.bootstrap.announcement import ServerFile, announced, running_server
from moat.bootstrap.models import ProviderShelf
from moat.bootstrap.project import Project as Files
from moat.bootstrap.reload import INDEX_SECONDS
from moat.bootstrap.server import listen, serve
from moat.bootstrap.traces import open_traces
from moat.domain.errors import ConflictError, StorageError, Unavailable
from moat.gateway.serving import Live, Serving
from moat.ports.traces import TraceFilter
from moat.telemetry.shipper import Shipper
from moat.telemetry.spool import SegmentSpool
from tests.bootstrap.projects import DEADLINE, PROMPT, Project, slow_down

LOCAL = ("127.0.0.1", 0)


@asynccontextmanager
async def up(files: Files) -> AsyncIterator[tuple[ServerFile, Live]]:
    """A server on this test's own event loop, stopped by a signal as any other."""
    ready: asyncio.Future[tuple[ServerFile, Live]] = asyncio.get_running_loop().create_future()
    server = asyncio.ensure_future(serve(files, {}, LOCAL, lambda file, live, _: ready.set_result((file, live))))
    await asyncio.wait((server, ready), return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        server.result()
    try:
        yield await ready
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(server, DEADLINE)


async def get(file: ServerFile, path: str) -> Any:
    request = urllib.request.Request(f"{file.url}{path}", headers={"authorization": f"Bearer {file.token}"})

    def fetch() -> Any:
        with urllib.request.urlopen(request, timeout=DEADLINE) as response:
            return json.loads(response.read())

    return await asyncio.to_thread(fetch)


async def another(live: Live, than: Serving) -> Serving:
    """The next snapshot."""
    async with asyncio.timeout(DEADLINE):
        while live.serving is than:  # noqa: ASYNC110 - the product offers no event for it
            await asyncio.sleep(0.01)
    return live.serving


async def settled(live: Live) -> Serving:
    """The newest snapshot once no other came for longer than the slowest of the looks that begin with the server."""
    serving = live.serving
    while True:
        try:
            async with asyncio.timeout(1.25 * INDEX_SECONDS):
                serving = await another(live, serving)
        except TimeoutError:
            return serving


@pytest.mark.anyio
async def test_from_start_to_end(project: Project) -> None:
    release = project.release("1.0.0")
    threshold = gc.get_threshold()
    files = Files(project.root)
    async with up(files) as (file, _):
        assert running_server(files.server_path) == file
        assert (await get(file, "/readyz"))["status"] == "ready"
        assert (await get(file, f"/api/v1/prompts/{PROMPT}?environment=staging"))["release"] == release
        with pytest.raises(ConflictError, match="served already"):
            await serve(files, {}, LOCAL, lambda *_: None)
        assert running_server(files.server_path) == file, "the refused one took nothing away"
    assert running_server(files.server_path) is None
    assert gc.get_threshold() == threshold
    assert gc.get_freeze_count() == 0


PLUGIN = """
from dataclasses import replace
import msgspec
from moat.testing.simulated import KIND

Word = str

class Answer(msgspec.Struct):
    word: "Word"

KIND = replace(KIND, name="late")
"""


@pytest.mark.anyio
async def test_what_a_plugin_decodes_is_worked_out_before_the_first_request(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "late_kind.py").write_text(PLUGIN, "utf-8")
    monkeypatch.syspath_prepend(project.root)
    point = EntryPoint("late", "late_kind:KIND", plugins.PROVIDER_GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
    project.replace("moat.yaml", {"simulated: {kind: simulated,": "simulated: {kind: late,"})
    try:
        async with up(Files(project.root)):
            late = sys.modules["late_kind"]
            del late.Word
            assert msgspec.json.decode(b'{"word": "done"}', type=late.Answer).word == "done"
    finally:
        sys.modules.pop("late_kind", None)


@pytest.mark.anyio
async def test_changes_of_files_and_store_become_snapshots(project: Project) -> None:
    async with up(Files(project.root)) as (_, live):
        await settled(live)
        await asyncio.to_thread(project.release, "1.0.0")
        second = await settled(live)
        assert second.released == (f"{PROMPT}@staging",)
        project.replace("moat.yaml", {"providers:": "provider:"})
        while not (broken := live.serving).problems:
            await another(live, broken)
        assert "Did you mean 'providers'?" in broken.problems[0]
        assert (broken.aliases, broken.released) == (second.aliases, second.released)
        project.replace("moat.yaml", {"provider:": "providers:"})
        while live.serving.problems:
            await another(live, live.serving)
        prompts, away = project.root / "prompts", project.root / "away"
        prompts.rename(away)
        await settled(live)
        (away / PROMPT / "1.0.0.yaml").write_text("messages: [", "utf-8")
        away.rename(prompts)
        while not any("1.0.0.yaml" in problem for problem in live.serving.problems):
            await another(live, live.serving)
        assert live.serving.released == second.released, "what was released is served from the release"


@pytest.mark.anyio
@pytest.mark.promise("money-4")
async def test_a_call_longer_than_the_grace_is_cut_off_and_recorded(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.release("1.0.0")
    slow_down(project, 600_000)
    monkeypatch.setattr("moat.bootstrap.http_server.GRACE_SECONDS", 0.2)
    files = Files(project.root)
    body = {"prompt": {"id": f"{PROMPT}@staging", "variables": {"question": "Refund?"}}}
    async with up(files) as (file, _):
        host, port = file.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        content = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {file.token}\r\n"
        writer.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
        await writer.drain()
        await get(file, "/healthz")  # a later request, so the earlier one was read
    answer = await asyncio.wait_for(reader.read(), DEADLINE)
    writer.close()
    assert int(answer.split()[1]) >= 500
    with open_traces(files) as traces:
        (call,) = traces.search(TraceFilter())
    assert call.error


def test_the_announcement_is_locked_while_its_process_lives(tmp_path: Path) -> None:
    path = tmp_path / "server.json"
    file = ServerFile(url="http://127.0.0.1:1", pid=os.getpid(), token="mk-1")
    assert running_server(path) is None
    with announced(path, file):
        assert running_server(path) == file
        assert running_server(path) == file
        assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"torn {")
    assert running_server(path) is None, "nobody holds it"
    with announced(path, file):
        assert running_server(path) == file


def test_an_announcement_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        with announced(tmp_path / "nowhere" / "server.json", ServerFile(url="", pid=1, token="")):
            raise AssertionError("it was announced")


def test_a_port_that_is_bound_and_not_yet_listened_on_is_taken() -> None:
    with socket.socket() as early:
        early.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        early.bind(LOCAL)
        early.listen()
        with pytest.raises(Unavailable, match="Address already in use") as raised:
            listen("127.0.0.1", early.getsockname()[1])
        assert "--port" in raised.value.remedy
    with pytest.raises(Unavailable, match="cannot listen on") as raised:
        listen("192.0.2.1", 0)
    assert "--host" in raised.value.remedy
    with listen("127.0.0.1", 0) as first, pytest.raises(Unavailable):
        listen("127.0.0.1", first.getsockname()[1])


@pytest.mark.anyio
async def test_whatever_fails_at_the_end_the_rest_is_closed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    failing: dict[str, Exception] = {}

    def spy(owner: type, name: str) -> None:
        original, spied = getattr(owner, name), f"{owner.__name__}.{name}"

        def called(self: Any, *args: Any) -> Any:
            done.append(spied)
            found = original(self, *args)
            if spied in failing:
                raise failing[spied]
            return found

        monkeypatch.setattr(owner, name, called)

    calls = ["ProviderShelf.aclose", "SegmentSpool.close", "Shipper.drain", "DuckTraces.close", "SqliteState.close"]
    for owner in (SegmentSpool, DuckTraces, SqliteState):
        spy(owner, "close")
    spy(Shipper, "drain")
    spy(ProviderShelf, "aclose")
    ends = {"SegmentSpool.close": StorageError("the disk is full"), "Shipper.drain": StorageError("no room")}
    with pytest.raises(StorageError, match="no room"):
        async with up(Files(project.root)):
            failing |= ends
    assert done[-6:] == ["SegmentSpool.close", *calls], "the spool of opinions comes first"
    assert running_server(project.root / ".moat" / "server.json") is None

    done.clear()
    del failing["Shipper.drain"]
    project.replace("moat.yaml", {"rules: simulation/support.yaml": "rules: simulation/none.yaml"})
    with pytest.raises(StorageError) as raised:
        await serve(Files(project.root), {}, LOCAL, lambda *_: None)
    assert "none.yaml" in str(raised.value.__context__), "the start's own error is not lost"
    assert done == ["Shipper.drain", *calls], "a start that fails half-way leaves nothing open"


@pytest.mark.anyio
async def test_a_store_that_cannot_be_opened_leaves_nothing_open(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / ".moat").mkdir(exist_ok=True)
    (project.root / ".moat" / "traces.duckdb").write_text("no database", "utf-8")
    closed: list[SqliteState] = []
    close = SqliteState.close

    def closing(self: SqliteState) -> None:
        closed.append(self)
        close(self)

    monkeypatch.setattr(SqliteState, "close", closing)
    with pytest.raises(StorageError, match=r"."):
        await serve(Files(project.root), {}, LOCAL, lambda *_: None)
    assert len(closed) == 1
    (project.root / ".moat" / "traces.duckdb").unlink()
    async with up(Files(project.root)) as (file, _):
        assert (await get(file, "/readyz"))["status"] == "ready"


@pytest.mark.anyio
async def test_a_bug_in_the_background_does_not_end_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("moat.bootstrap.engine.RESTART_SECONDS", 0.01)
    ship = Shipper.ship
    failed: list[bool] = []

    def broken(self: Shipper) -> int:
        if len(failed) < 2:
            failed.append(True)
            raise ZeroDivisionError("a bug")
        return ship(self)

    project.release("1.0.0")
    secret = project.key()
    async with up(Files(project.root)) as (file, _):
        monkeypatch.setattr(Shipper, "ship", broken)  # not before: what earlier servers left is shipped in front
        body = {"prompt": {"id": f"{PROMPT}@staging", "variables": {"question": "Refund?"}}}
        headers = {"authorization": f"Bearer {secret}"}
        request = urllib.request.Request(f"{file.url}/v1/chat/completions", json.dumps(body).encode(), headers)
        (await asyncio.to_thread(urllib.request.urlopen, request)).close()
        async with asyncio.timeout(DEADLINE):
            while not await get(file, "/api/v1/traces"):  # noqa: ASYNC110 - the product offers no event for it
                await asyncio.sleep(0.05)
    assert len(failed) == 2
    assert "it begins anew" in caplog.text
