"""Keep-alive connections to one origin: bounded in number, shared in turn."""

import asyncio
import socket
import ssl
from collections import deque
from typing import NamedTuple

from moat.adapters.providers.addresses import Reach, resolve
from moat.adapters.providers.connection import Connection
from moat.domain.errors import ProviderDown, ProviderError, ProviderOverloaded, ProviderTimeout


class PoolBounds(NamedTuple):
    """What its connections may not exceed."""

    connections: int
    max_head: int
    """Bytes of a response's head."""
    reach: Reach


class Pool:
    """Connections to one origin. Idle ones are reused last in, first out; waiters are served first come."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, *, where: str, bounds: PoolBounds) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._where = where
        self._limit = bounds.connections
        self._max_head = bounds.max_head
        self._reach = bounds.reach
        self._idle: dict[Connection, None] = {}
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False
        self.size = 0
        """Connections that are open, being opened, or promised to a waiter."""

    async def acquire(self, timeout: float) -> Connection:
        """An open connection of one's own, within `timeout` seconds; give it back with `release`.

        Raises `ProviderOverloaded` when all stay busy, `ProviderDown`, `ProviderTimeout` and `AddressRefused` when
        none can be opened.
        """
        if self._closed:
            raise self._gone()
        if self._idle:
            connection = self._idle.popitem()[0]
            return connection if connection.open else await self._replace(connection, timeout)
        if self.size < self._limit:
            self.size += 1
            return await self._open(timeout)
        connected = await self._wait(timeout)
        return connected if connected is not None and connected.open else await self._replace(connected, timeout)

    def release(self, connection: Connection, keep_alive: float) -> None:
        """Give a connection back: to the next in the queue, or to lie idle for `keep_alive` seconds."""
        if self._closed or not connection.reusable:
            connection.abort()
            self._hand_on(None)
        else:
            connection.rest(keep_alive)
            self._hand_on(connection)

    def close_idle(self) -> None:
        """Close what is idle, as after one of them was found dead: the others lay there for longer."""
        for connection in list(self._idle):
            self._forget(connection)
            connection.abort()

    def close(self) -> None:
        """Close what is idle, refuse what waits; connections in use are closed when they are given back."""
        self._closed = True
        self.close_idle()
        for turn in self._waiters:
            if not turn.done():
                turn.set_exception(self._gone())
        self._waiters.clear()

    async def _open(self, timeout: float) -> Connection:
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(timeout)
        except BaseException as error:
            self._hand_on(None)
            if isinstance(error, OSError):
                raise _unsent(self._explain(error, timeout)) from error
            raise

    async def _connect(self, timeout: float) -> Connection:
        """To the first address that answers, among those that may be connected to; each has its share of the time."""
        loop = asyncio.get_running_loop()
        addresses = await resolve(self._host, self._port, self._reach, where=self._where)
        for left in range(len(addresses) - 1, -1, -1):
            try:
                async with asyncio.timeout(timeout / len(addresses)):
                    _, connection = await loop.create_connection(
                        lambda: Connection(loop, self._where, self._max_head, self._forget),
                        addresses[-1 - left],
                        self._port,
                        ssl=self._tls,
                        server_hostname=self._host if self._tls else None,
                    )
            except OSError:
                if not left:
                    raise
            else:
                return connection
        raise AssertionError("resolve gives at least one address")

    def _explain(self, error: OSError, timeout: float) -> ProviderError:
        """What stopped a connection, as a provider error."""
        place = f"{self._host}:{self._port}"
        if isinstance(error, TimeoutError):
            return ProviderTimeout(f"no connection to {place} within {timeout:g} s", where=self._where)
        if isinstance(error, ssl.SSLCertVerificationError):
            return ProviderDown(f"{place} shows a bad certificate: {error.verify_message}", where=self._where)
        if isinstance(error, ssl.SSLError):
            return ProviderDown(f"TLS with {place} failed: {error.reason}", where=self._where)
        if isinstance(error, socket.gaierror):
            return ProviderDown(f"cannot find the host {self._host!r}: {error.strerror}", where=self._where)
        return ProviderDown(f"cannot connect to {place}: {error.strerror or error}", where=self._where)

    async def _wait(self, timeout: float) -> Connection | None:
        """A connection that became free, or None for the right to open one."""
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            async with asyncio.timeout(timeout):
                return await turn
        except TimeoutError:
            self._give_up(turn)
            busy = f"all {self._limit} connections were busy for {timeout:g} s"
            raise _unsent(ProviderOverloaded(busy, where=self._where)) from None
        except asyncio.CancelledError:
            self._give_up(turn)
            raise

    def _give_up(self, turn: "asyncio.Future[Connection | None]") -> None:
        """Leave the queue; what was handed over in the same moment goes to the next."""
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self._hand_on(turn.result())
        elif turn in self._waiters:
            self._waiters.remove(turn)

    async def _replace(self, connection: Connection | None, timeout: float) -> Connection:
        if connection is not None:
            connection.abort()
        return await self._open(timeout)

    def _hand_on(self, connection: Connection | None) -> None:
        """A connection, or the place of a dead one, is free."""
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        if connection is None:
            self.size -= 1
        else:
            self._idle[connection] = None

    def _forget(self, connection: Connection) -> None:
        """An idle connection ended: closed by the peer or too old."""
        if connection in self._idle:
            del self._idle[connection]
            self.size -= 1

    def _gone(self) -> ProviderDown:
        return ProviderDown("the client was closed", where=self._where)


def _unsent(error: ProviderError) -> ProviderError:
    """An error from before the request left: nobody bills it, and a full pool is no fault of the provider."""
    error.sent = False
    return error
