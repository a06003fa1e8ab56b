"""A gateway with batches on a real socket, over stores on a real disk."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from openai import OpenAI
from openai.types import Batch

from moat.adapters.sqlite import SqliteBatches, SqliteState
from moat.batches.api import BatchApi
from moat.batches.files import FileShelf
from moat.batches.providing import Pace
from moat.batches.service import Batches
from moat.domain.config import BatchConfig
from moat.domain.keys import Key, hash_secret
from moat.gateway.admission import KeyRing
from moat.gateway.app import Gateway
from moat.gateway.feedback import no_feedback
from moat.gateway.serving import Live, Serving
from moat.pipeline.ports import Ports
from moat.pipeline.recipe import build
from moat.ports.ledger import Ledger
from moat.ports.models import Provider
from moat.testing.fakes import FakeClock, FixedModels, FlatPrices, ListSpool, fake_ports
from moat.testing.loopback import on_loopback

T = TypeVar("T")

SECRET = "mk-test"
DEADLINE = 30.0
KEYS = {
    SECRET: Key(id="key_1", hash="", tenant="acme"),
    "mk-colleague": Key(id="key_2", hash="", tenant="acme"),
    "mk-staging": Key(id="key_3", hash="", tenant="acme", environment="staging"),
    "mk-other": Key(id="key_4", hash="", tenant="globex"),
    "mk-lone": Key(id="key_5", hash=""),
    "mk-lone-too": Key(id="key_6", hash=""),
    "mk-small": Key(id="key_7", hash="", tenant="acme", models=("spare",)),
}


@dataclass
class World:
    """What outlives a server: the disk; and what the tests look at."""

    root: Path
    provider: Provider
    config: BatchConfig = field(default_factory=BatchConfig)
    ledger: Ledger | None = None
    spool: ListSpool = field(default_factory=ListSpool)
    clock: FakeClock = field(default_factory=lambda: FakeClock(time.time_ns()))
    discounts: Mapping[str, float] = field(default_factory=dict)
    feedback: Callable[[Live], Any] = lambda live: no_feedback
    change: Callable[[Ports], Ports] = lambda ports: ports
    """Of what is behind the server: guards, a data-handling policy."""
    live: Live | None = None
    url: str = ""

    @contextmanager
    def running(self, keys: Mapping[str, Key] = KEYS) -> Iterator["World"]:
        """One life of the server."""
        models = FixedModels({"assistant": ["fake/large"], "spare": ["fake/small"]}, {"fake": self.provider})
        ports = fake_ports(self.provider, spool=self.spool)
        ports = replace(ports, models=models, ledger=self.ledger, clock=self.clock, prices=FlatPrices(1000, 1000))
        ports = self.change(ports)
        known = [msgspec.structs.replace(key, hash=hash_secret(secret)) for secret, key in keys.items()]
        ring, aliases = KeyRing(known, self.clock), ("assistant", "spare")
        serving = Serving(build(ports), ring, ports.prompts, aliases, ports=ports, batch_discounts=self.discounts)
        self.live = Live(serving)
        state = SqliteState.open(self.root / "state.db")
        shelf = FileShelf(self.root / "files")
        pace = Pace(0.02, 0.1, 0.2)
        batches = Batches(
            self.live, SqliteBatches(state), shelf, self.config, max_line=2**20, clock=self.clock, pace=pace
        )
        batches.open()
        gateway = Gateway(
            *(self.live, self.spool),
            max_body=2**20,
            management=_nothing,
            batches=BatchApi(self.live, batches),
            feedback=self.feedback(self.live),
        )
        life = _Life(gateway, batches, self.provider)
        try:
            with on_loopback(life) as self.url:
                try:
                    yield self
                finally:
                    life.stop()
        finally:
            state.close()

    @contextmanager
    def client(self, secret: str = SECRET) -> Iterator[OpenAI]:
        """The official SDK."""
        with OpenAI(base_url=f"{self.url}/v1", api_key=secret, max_retries=0, timeout=DEADLINE) as client:
            yield client

    def upload(self, client: OpenAI, *lines: Any) -> str:
        """A file of these lines; its id."""
        data = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        return client.files.create(file=("questions.jsonl", data.encode()), purpose="batch").id

    def begin(self, client: OpenAI, *lines: Any, endpoint: Any = "/v1/chat/completions") -> Batch:
        """A batch of these lines."""
        file = self.upload(client, *lines)
        return client.batches.create(input_file_id=file, endpoint=endpoint, completion_window="24h")


class _Life:
    """Starts the work of batches in the server's loop, with its first request."""

    def __init__(self, app: Any, batches: Batches, provider: Provider) -> None:
        self._app = app
        self._provider = provider
        self._batches = batches
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._task is None:
            self._loop = asyncio.get_running_loop()
            self._task = asyncio.create_task(self._batches.run())
        await self._app(scope, receive, send)

    def stop(self) -> None:
        """As the server does when it is asked to end."""

        async def end(task: "asyncio.Task[None]") -> None:
            task.cancel()
            await asyncio.wait([task])
            await self._provider.aclose()

        if self._loop is not None and self._task is not None:
            asyncio.run_coroutine_threadsafe(end(self._task), self._loop).result(DEADLINE)


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def line(name: str, text: str = "Hello", *, model: str = "assistant", **params: Any) -> dict[str, Any]:
    """A request for a chat completion."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **params}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def eventually(look: Callable[[], T | None]) -> T:
    """The first value that is not false."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


def ended(client: OpenAI, batch: Batch) -> Batch:
    """The batch when it is over."""

    def look() -> Batch | None:
        found = client.batches.retrieve(batch.id)
        return found if found.status in ("completed", "failed", "expired", "cancelled") else None

    return eventually(look)


def results(client: OpenAI, file: str | None) -> dict[str, Any]:
    """The lines of a file of results by `custom_id`."""
    assert file is not None
    found = [json.loads(each) for each in client.files.content(file).text.splitlines()]
    assert len({each["custom_id"] for each in found}) == len(found), "a line has two results"
    return {each["custom_id"]: each for each in found}
