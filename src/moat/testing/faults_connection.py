"""One connection of a fault-injecting server: HTTP/1.1 by hand, since no library sends what is wrong on purpose."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from moat.domain.errors import InputError
from moat.testing.faults_books import Bill, Books
from moat.testing.faults_reply import Reply
from moat.testing.faults_wire import Asked, wire_of

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 2**20
BLOCK = 64 * 1024
"""Bytes that are sent at once at most."""
READ_SECONDS = 0.05
"""Before a reset: the system throws away what the client has not read by then."""
COUNTS_PATH = "/simulated/counts"
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close a reset."""
_REASONS = {200: "OK", 307: "Temporary Redirect", 404: "Not Found", 429: "Too Many Requests"}


class Connection(asyncio.Protocol):
    """One client: requests in, replies out, one after the other."""

    def __init__(self, books: Books, refuse: Callable[[float], None]) -> None:
        """`refuse` stops listening for so many seconds."""
        self._books = books
        self._refuse = refuse
        self._buffer = bytearray()
        self._unsent = bytearray()
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.task = asyncio.get_running_loop().create_task(self._serve())

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._books.accepted += 1
        self._books.open += 1

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        self._buffer += data
        self._changed.set()

    def eof_received(self) -> None:
        """The client says no more: it counts as gone."""
        self._gone.set()
        self._changed.set()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone."""
        self._books.open -= 1
        self.eof_received()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable.set()

    # requests

    async def _serve(self) -> None:
        try:
            while await self._exchange():
                pass
        except asyncio.CancelledError:
            self._transport.abort()
        finally:
            self._transport.close()

    async def _exchange(self) -> bool:
        """Answer one request. May another follow?"""
        head = await self._take(b"\r\n\r\n", MAX_HEAD)
        if head is None:
            return False
        lines = head.decode("latin-1").split("\r\n")
        method, _, path = lines[0].partition(" ")
        path = path.partition(" ")[0].partition("?")[0]
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY or "transfer-encoding" in headers:
            return await self._plain(400, {"error": {"message": "send a content-length of at most 64 MiB"}}) and False
        body = await self._take_bytes(int(length))
        if body is None:
            return False
        if (method, path) == ("GET", COUNTS_PATH):
            return await self._plain(200, self._books.counts())
        wire = wire_of(path)
        if method != "POST" or wire is None:
            return await self._plain(404, {"error": {"message": f"there is no {method} {path}"}})
        self._books.billed.requests += 1
        try:
            asked = _asked(self._books.billed.requests, path, body)
            reply, bill = self._books.reply(asked, wire, headers)
        except InputError as error:
            return await self._plain(400, wire.failed(400, str(error)))
        return await self._play(reply, bill, asked)

    async def _take(self, mark: bytes, limit: int) -> bytes | None:
        while mark not in self._buffer:
            if len(self._buffer) > limit or not await self._more():
                return None
        end = self._buffer.index(mark)
        return await self._take_bytes(end + len(mark))

    async def _take_bytes(self, count: int) -> bytes | None:
        while len(self._buffer) < count:
            if not await self._more():
                return None
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _more(self) -> bool:
        """Wait for bytes; False when the client is gone."""
        if self._gone.is_set():
            return False
        self._changed.clear()
        await self._changed.wait()
        return True

    # replies

    async def _plain(self, status: int, content: dict[str, Any]) -> bool:
        """A small reply about the server itself, not billed."""
        body = msgspec.json.encode(content)
        head = _head(Reply(status=status, headers=[("content-type", "application/json")]), len(body))
        return await self._write(head + body) and await self._flush()

    async def _play(self, reply: Reply, bill: Bill, asked: Asked) -> bool:
        """Send a reply exactly as it is; count what goes out."""
        if not await self._pause(reply.wait):
            return False
        if reply.refuse:
            self._refuse(reply.refuse)
        if reply.head == "none":
            return await self._end(reply, bill)
        pieces = list(reply.pieces) if reply.framing == "length" else reply.pieces
        length = sum(len(piece.data) for piece in pieces) if isinstance(pieces, list) else 0
        head = _head(reply, length)
        if reply.head == "half":
            await self._write(head[: len(head) // 2])
            return await self._end(reply, bill)
        if reply.billed:
            self._books.charge(bill, input=asked.input_tokens)
        if not await self._write(head):
            return False
        for count, piece in enumerate(pieces):
            if count == reply.stop:
                return await self._end(reply, bill)
            if count and not await self._pause(reply.pause):
                return False
            if not await self._send(reply, piece.data):
                return False
            if reply.billed:
                self._books.charge(bill, output=piece.tokens)
        if reply.framing == "chunked" and reply.ending == "complete":
            await self._write(b"0\r\n\r\n")
        return await self._end(reply, bill)

    async def _send(self, reply: Reply, data: bytes) -> bool:
        step = 1 if reply.drip else max(1, len(data))
        for start in range(0, len(data), step):
            part = data[start : start + step]
            framed = b"%x\r\n%s\r\n" % (len(part), part) if reply.framing == "chunked" else part
            if not await self._pause(reply.drip) or not await self._write(framed):
                return False
        return True

    async def _end(self, reply: Reply, bill: Bill) -> bool:
        if not await self._flush():
            return False
        bill.complete = True
        match reply.ending:
            case "complete":
                return reply.framing != "close"
            case "reset":
                await self._pause(READ_SECONDS)
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                self._transport.abort()
            case "silence":
                await self._pause(reply.silence)
            case "half-close":
                self._transport.write_eof()
                await self._pause(reply.silence)
        return False

    async def _write(self, data: bytes) -> bool:
        """Send it, or keep it for the next `_flush`; False when the client is gone."""
        self._unsent += data
        return len(self._unsent) < BLOCK or await self._flush()

    async def _flush(self) -> bool:
        if self._unsent and not self._gone.is_set():
            self._transport.write(bytes(self._unsent))
            await asyncio.sleep(0)  # a client that went can be noticed
            await self._writable.wait()
        self._unsent.clear()
        return not self._gone.is_set()

    async def _pause(self, seconds: float) -> bool:
        """Wait so long; False when the client went meanwhile."""
        if seconds > 0 and await self._flush():
            try:
                async with asyncio.timeout(seconds):
                    await self._gone.wait()
            except TimeoutError:
                return True
        return not self._gone.is_set()


def _asked(number: int, path: str, body: bytes) -> Asked:
    try:
        params = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"the body is not a JSON object: {error}") from None
    model, stream = params.get("model", ""), params.get("stream", False)
    if not isinstance(model, str) or not isinstance(stream, bool | None):
        raise InputError("`model` must be text and `stream` true or false")
    return Asked(number=number, path=path, model=model, stream=bool(stream), params=params)


def _head(reply: Reply, length: int) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Simulated')}", "x-moat-simulated: true"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if reply.framing == "length":
        lines.append(f"content-length: {length}")
    elif reply.framing == "chunked":
        lines.append("transfer-encoding: chunked")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
