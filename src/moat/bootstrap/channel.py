"""Messages between the keeper and its workers, with open connections in them: one socket pair for each worker.

The socket keeps messages apart and in order (SOCK_SEQPACKET, unix(7)); a message may carry file descriptors.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from moat.caching.report import CacheState
from moat.domain.errors import MoatError
from moat.domain.false_hits import Example, Subject
from moat.domain.keys import Key
from moat.gateway.refusals import Count
from moat.routing.health import DeploymentState
from moat.spend.leases import Grant, Want
from moat.spend.spikes import Whose

MAX_MESSAGE = 200_000
"""Bytes: what a socket takes as one message by default is a little more."""
MAX_DATA = 100_000
MAX_FDS = 2


class Message(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """What one process says to another."""


class Start(Message, frozen=True):
    """To a worker, first: what it serves. Carries the memory of its tally."""

    root: str
    key: Key
    """The keeper's own, for commands on this machine."""
    max_requests: int


class Take(Message, frozen=True):
    """To either: serve the connection that this carries, of which so much was read. More than a message takes is in
    memory that it carries as well.
    """

    data: bytes = b""


class Granted(Message, frozen=True):
    """To a worker: the answer to `Asked`."""

    number: int
    grants: Sequence[Grant]


class Recall(Message, frozen=True):
    """To a worker: give back what can be spared of these leases."""

    number: int
    indexes: Sequence[int]


class Look(Message, frozen=True):
    """To a worker: files or store have changed."""


class Stop(Message, frozen=True):
    """To a worker: end what is under way, then yourself."""


class Ready(Message, frozen=True):
    """From a worker: connections may come."""


class Leaving(Message, frozen=True):
    """From a worker: no more connections; it ends."""


class Took(Message, frozen=True):
    """From a worker: it serves the connection that `Take` brought, the oldest it has not told of yet."""


class Asked(Message, frozen=True):
    """From a worker: more room is wanted."""

    number: int
    wants: Sequence[Want]


class Back(Message, frozen=True):
    """From a worker: the answer to `Recall`."""

    number: int
    amounts: Sequence[int]


class Looked(Message, frozen=True):
    """From a worker: when the last look at files and store that is done began, in monotonic seconds."""

    at: float


class Compared(Message, frozen=True):
    """From a worker: a would-be hit of a semantic cache was compared."""

    subject: Subject
    now_ns: int
    false: bool
    example: Example | None


class Status(Message, frozen=True):
    """From a worker, now and then."""

    deployments: Sequence[DeploymentState]
    caches: Sequence[CacheState]
    dropped: int
    requests: int
    """Under way."""
    spent: Sequence[tuple[Whose, int]]
    """Picodollars since the last one, for the breaker."""
    refused: Sequence[Count] = ()
    """Since it began."""


_ToWorker = Start | Take | Granted | Recall | Look | Stop
_FromWorker = Ready | Leaving | Take | Took | Asked | Back | Looked | Compared | Status
_Any = _ToWorker | _FromWorker
_decoder: msgspec.msgpack.Decoder[_Any] = msgspec.msgpack.Decoder(_Any)
_encoder = msgspec.msgpack.Encoder()


class MessageTooLong(MoatError):
    """A message that the socket does not take."""

    code = "message_too_long"


class Channel:
    """One end. `received` gets each message and the descriptors that it carries; `lost` is called once."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._waiting: deque[tuple[bytes, Sequence[int]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._received: Callable[[_Any, list[int]], None] = lambda message, fds: None
        self._lost: Callable[[], None] = lambda: None

    def listen(self, received: Callable[[_Any, list[int]], None], lost: Callable[[], None]) -> None:
        """Begin."""
        self._received, self._lost = received, lost
        self._loop.add_reader(self._end.fileno(), self._read)

    def pause(self) -> None:
        """Leave what comes where it is, until somebody listens again."""
        self._loop.remove_reader(self._end.fileno())

    def send(self, message: Message, *fds: int) -> None:
        """Send, or queue while the other side is slow. The descriptors are closed once they are sent; a lost channel
        takes everything. Raises `MessageTooLong`.
        """
        data = _encoder.encode(message)
        if len(data) > MAX_MESSAGE:
            raise MessageTooLong(f"{type(message).__name__} has {len(data):,} bytes", remedy="This is a bug of Moat.")
        self._waiting.append((data, fds))
        if len(self._waiting) == 1:
            self._write()

    def hand_over(self, fd: int, data: bytes) -> None:
        """Give a connection away, with what was read of it."""
        if len(data) <= MAX_DATA:
            self.send(Take(data), fd)
            return
        memory = os.memfd_create("moat-request")
        os.write(memory, data)
        self.send(Take(), fd, memory)

    def close(self) -> None:
        """Idempotent."""
        if self._end.fileno() >= 0:
            self._loop.remove_reader(self._end.fileno())
            self._loop.remove_writer(self._end.fileno())
            self._end.close()
        self._drop()

    def _write(self) -> None:
        while self._waiting and self._end.fileno() >= 0:
            data, fds = self._waiting[0]
            try:
                socket.send_fds(self._end, [data], fds)
            except BlockingIOError:
                self._loop.add_writer(self._end.fileno(), self._write)
                return
            except OSError:  # the other process is gone; the reader sees it too
                break
            self._waiting.popleft()
            _close(fds)
        self._drop()
        if self._end.fileno() >= 0:
            self._loop.remove_writer(self._end.fileno())

    def _drop(self) -> None:
        """What nobody takes."""
        while self._waiting:
            _close(self._waiting.popleft()[1])

    def _read(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._end, MAX_MESSAGE + 1, MAX_FDS)
        except BlockingIOError:
            return
        except ConnectionError:
            data, fds = b"", []
        if data:
            self._received(_decoder.decode(data), fds)
            return
        self.close()
        self._lost()


def given(message: Take, fds: Sequence[int]) -> tuple[int, bytes]:
    """The connection that a message brings, and what was read of it."""
    if len(fds) == 1:
        return fds[0], message.data
    connection, memory = fds
    with os.fdopen(memory, "rb") as file:
        file.seek(0)
        return connection, file.read()


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
