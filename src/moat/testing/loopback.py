"""An ASGI application on a real socket of this machine, for as long as a `with` block."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from moat.gateway.protocol import BoundedHttp

START_SECONDS = 20.0
GRACE_SECONDS = 5.0
"""How long answers under way may go on at the end."""


@contextmanager
def on_loopback(app: Any, *, max_requests: int | None = None) -> Iterator[str]:
    """Serve `app` on 127.0.0.1 and a free port, in a thread of its own; yields `http://127.0.0.1:port`."""
    # Named, or asyncio leaves Nagle's algorithm on: each answer would wait 40 ms for an acknowledgement.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=BoundedHttp,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        limit_concurrency=max_requests,
    )
    server = _Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="loopback", daemon=True)
    thread.start()
    try:
        assert server.up.wait(START_SECONDS), "the application did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.stop()
        thread.join(START_SECONDS)
        listener.close()


class _Server(uvicorn.Server):
    """Starts and ends at once; uvicorn's own looks ten times a second, and test suites start hundreds of servers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()
        self._asked_to_end = asyncio.Event()

    def stop(self) -> None:
        """Ask it to end, from another thread."""
        self.should_exit = True
        if self.up.is_set():
            self._loop.call_soon_threadsafe(self._asked_to_end.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say when the first request can be answered."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self.up.set()

    async def main_loop(self) -> None:
        """Only the date in answers is looked after."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked_to_end.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let answers under way come to their end, for a while."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - there is no event
                    await asyncio.sleep(0.002)
        for task in self.server_state.tasks:
            task.cancel()
