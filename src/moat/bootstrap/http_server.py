"""The HTTP server of one process: uvicorn, its limits, and how it stops."""

import asyncio
import errno
import gc
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn

from moat.domain.errors import Unavailable
from moat.gateway.handover import Place, PlacedHttp
from moat.gateway.http import App
from moat.gateway.protocol import BoundedHttp
from moat.gateway.refusals import Refusals

GC_THRESHOLD = 5_000
"""Allocations between young collections. Requests leave no cycles, so that there are few; what other work leaves is
found in a few milliseconds at a time, while all requests wait.
"""

GRACE_SECONDS = 30
"""How long calls under way may go on after the server was asked to stop."""

KEEP_ALIVE_SECONDS = 75
"""How long a connection may lie idle: longer than clients keep theirs, so that none is closed under a request."""

DESCRIPTORS = 65_536
"""Open files and sockets the server asks the system for; shells often allow 1,024."""

RECORD_SECONDS = 5
"""How long calls that were cut off may take to be recorded."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `Unavailable` when the port is taken or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, or asyncio leaves Nagle's algorithm on: answers would wait for acknowledgements.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Only this shows that the port is taken, when another process has bound it and listens later.
        listener.listen()
    except OSError as error:
        listener.close()
        remedy = "Choose an address of this machine with --host."
        if error.errno == errno.EADDRINUSE:
            remedy = "Stop what uses it, or choose another with --port (0: any free one)."
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}", remedy=remedy) from None
    return listener


def allow_descriptors() -> None:
    """As many as the system grants, up to `DESCRIPTORS`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def calm_collector() -> Iterator[None]:
    """What start-up made lives as long as the process: the collector need not look at it again and again."""
    threshold = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()


def http_settings(app: App, max_requests: int, place: Place | None, refusals: Refusals) -> uvicorn.Config:
    """`place`: of this process among others that serve on the same address."""
    refused = partial(refusals.add, "connection")
    bounded = partial(BoundedHttp, refused=refused)
    protocol = bounded if place is None else partial(PlacedHttp, refused=refused, place=place)
    return uvicorn.Config(
        app,
        loop="none",
        http=protocol,  # type: ignore[arg-type]  # a class, or what makes one's objects
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=max_requests,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class HttpServer(uvicorn.Server):
    """uvicorn, telling when it is ready and when it stops."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], Awaitable[None]], stopping: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping
        self._taking: set[asyncio.Task[Any]] = set()

    def take(self, fd: int, data: bytes) -> None:
        """Serve a connection that another process accepted, of which so much was read."""
        connection = socket.socket(fileno=fd)
        connection.setblocking(False)
        if self.should_exit:
            connection.close()
            return
        protocol: Callable[..., PlacedHttp] = self.config.http_protocol_class  # type: ignore[assignment]
        make = partial(
            protocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            early=data,
        )
        taking = asyncio.create_task(_connected(make, connection))
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)

    @property
    def under_way(self) -> int:
        """Requests that are not answered yet."""
        return len(self.server_state.tasks)

    def stop(self) -> None:
        """Finish what is under way, and end."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        # Whoever runs a generator closes it: the event loop need not list them all (measured: 2 % of a request).
        sys.set_asyncgen_hooks(firstiter=None)
        await super().startup(sockets=sockets)
        await self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for the calls under way; those that are cut off in the end still leave their records."""
        await asyncio.gather(self._stopping(), super().shutdown(sockets=sockets))
        cut = list(self.server_state.tasks)
        if self.force_exit:  # else uvicorn has cancelled them
            for task in cut:
                task.cancel()
        if cut:
            await asyncio.wait(cut, timeout=RECORD_SECONDS)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM. uvicorn's own way raises the signal again when it is done, which would
        kill the process before the spool is drained.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _signalled(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


async def _connected(make: Callable[..., asyncio.Protocol], connection: socket.socket) -> None:
    try:
        await asyncio.get_running_loop().connect_accepted_socket(make, connection)
    except OSError:  # it was broken off on the way
        connection.close()
