"""A server on a real socket that does exactly what a test tells it to, however wrong."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """What the server saw."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.open = 0
        self.requests: list[bytes] = []

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """One whole request: its head, and its body after an empty line. Empty when the client closed."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
        self.requests.append(head + body)
        return head + body

    async def asked(self) -> None:
        """Wait until a request came."""
        await _until(lambda: bool(self.requests))

    async def all_closed(self) -> None:
        """Wait until no connection is open."""
        await _until(lambda: not self.open)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the conditions are counters, and tests can afford to poll
            await asyncio.sleep(0.005)


@asynccontextmanager
async def peer(handler: Callable[[Peer], Handler], tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Serve until the block ends; a connection is closed when its handler returns."""
    seen = Peer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        seen.open += 1
        try:
            await handler(seen)(reader, writer)
        except ConnectionError:
            pass  # the client hung up: what many tests are about
        finally:
            seen.open -= 1
            writer.transport.abort() if writer.is_closing() else writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    seen.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield seen
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)


def answering(*responses: bytes) -> Callable[[Peer], Handler]:
    """Each connection answers its requests with these bytes in turn, then closes."""

    def handler(seen: Peer) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for response in responses:
                if not await seen.read(reader):
                    return
                writer.write(response)
                await writer.drain()

        return serve

    return handler


def keeping(*responses: bytes) -> Callable[[Peer], Handler]:
    """Like `answering`, but after the last response it waits for the client to hang up."""

    def handler(seen: Peer) -> Handler:
        inner = answering(*responses)(seen)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await inner(reader, writer)
            await reader.read()

        return serve

    return handler


def dribbling(start: bytes, drop: bytes, every: float = 0.01) -> Callable[[Peer], Handler]:
    """Sends `start`, then `drop` again and again for as long as the client listens."""

    def handler(seen: Peer) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await seen.read(reader)
            writer.write(start)
            while not reader.at_eof():
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(every)

        return serve

    return handler


def whole(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """A response with a content length."""
    head = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunked(*pieces: bytes, end: bool = True, headers: tuple[bytes, ...] = ()) -> bytes:
    """A response in chunks, with its end mark or without."""
    head = [b"HTTP/1.1 200 OK", b"transfer-encoding: chunked", *headers]
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"\r\n".join(head) + b"\r\n\r\n" + body + (b"0\r\n\r\n" if end else b"")
