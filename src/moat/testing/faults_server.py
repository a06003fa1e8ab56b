"""A model server on a real socket that fails as it is told, byte for byte, and counts what it bills.

    with faulty(Script(faults=(parse_fault("reset-body,rate=0.1"),))) as server:
        ...  # ask f"{server.url}/v1/chat/completions"
    assert server.books.billed.output == 120

It speaks OpenAI's chat completions and embeddings and Anthropic's messages, asks for no key and keeps no text.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from moat.testing.faults import Script
from moat.testing.faults_books import Books
from moat.testing.faults_connection import Connection

_QUIET = Script()
_WAIT = 20.0


class FaultServer:
    """Listens, and hands connections their books."""

    def __init__(self, script: Script = _QUIET) -> None:
        """Raises `InputError` for a script with a fault that there is not."""
        self.books = Books(script)
        self._connections: list[Connection] = []
        self._server: asyncio.Server | None = None
        self._reopen: asyncio.Task[None] | None = None
        self._address = ("127.0.0.1", 0)

    @property
    def url(self) -> str:
        """`http://host:port`."""
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self, listener: socket.socket) -> None:
        """Listen on a bound socket, which it takes over."""
        self._address = listener.getsockname()[:2]
        self._server = await asyncio.get_running_loop().create_server(self._connection, sock=listener)

    async def aclose(self) -> None:
        """Stop listening and close what is open."""
        if self._reopen is not None:
            self._reopen.cancel()
        self._stop_listening()
        tasks = [connection.task for connection in self._connections if not connection.task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)

    def refuse(self, seconds: float) -> None:
        """Accept no connection for a while: the system refuses them."""
        self._stop_listening()
        if self._reopen is None or self._reopen.done():
            self._reopen = asyncio.get_running_loop().create_task(self._listen_again(seconds))

    def _connection(self) -> Connection:
        self._connections = [known for known in self._connections if not known.task.done()]
        self._connections.append(Connection(self.books, self.refuse))
        return self._connections[-1]

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _listen_again(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._server = await asyncio.get_running_loop().create_server(self._connection, *self._address)


@asynccontextmanager
async def serving_faults(server: FaultServer, listener: socket.socket | None = None) -> AsyncIterator[FaultServer]:
    """Run a server on this loop until the block ends, on any free port of 127.0.0.1 unless a socket is given."""
    await server.start(listener or socket.create_server(("127.0.0.1", 0)))
    try:
        yield server
    finally:
        await server.aclose()


@contextmanager
def faulty(script: Script = _QUIET) -> Iterator[FaultServer]:
    """A server on a loop and thread of its own, until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="faults", daemon=True)
    thread.start()
    running = serving_faults(FaultServer(script))

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(_WAIT)

    try:
        yield run(running.__aenter__())
    finally:
        run(running.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_WAIT)
        loop.close()
