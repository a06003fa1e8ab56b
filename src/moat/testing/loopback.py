"""An ASGI application on a real socket of this machine, for as long as a `with` block."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from moat.gateway.protocol import BoundedHttp

START_SECONDS = 20.0


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
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    started = threading.Event()

    async def run() -> None:
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0.005)
        started.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="loopback", daemon=True)
    thread.start()
    try:
        assert started.wait(START_SECONDS), "the application did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
        listener.close()
