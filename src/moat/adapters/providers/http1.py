"""A small pooled HTTP/1.1 client: no redirects, no decompression, no surprises.

    client = HttpClient(where="provider openai")
    async with client.request("POST", url, headers, body) as response:
        if response.status == 200:
            async for chunk in response:
                ...

Made for the request path of a gateway: chunks are handed over as they come from the socket, a slow consumer
slows the peer down, and leaving the block early closes the connection. All failures are `ProviderError`s.
"""

import re
import ssl
from functools import lru_cache
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import msgspec

from moat.adapters.providers.addresses import Reach, check_host
from moat.adapters.providers.connection import Connection, Unanswered
from moat.adapters.providers.pool import Pool, PoolBounds
from moat.domain.errors import ConfigError, ProviderDown

Headers = tuple[tuple[str, str], ...]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_HOST = re.compile(r"[0-9A-Za-z._:-]+")
_PATH = re.compile(r"/[\x21-\x7e]*")


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Separate limits, in seconds."""

    connect: float = 5.0
    """Until a connection is there: a free one, or a new one with its TLS handshake."""
    first_byte: float = 60.0
    """From sending the request to the complete head of the response."""
    idle: float | None = 30.0
    """Between two pieces of the body. None: the limit of the head stands until `Response.allow`."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one client."""

    connections: int = 512
    """Per origin, busy and idle together."""
    keep_alive: float = 30.0
    """Seconds an idle connection is kept."""
    head: int = 64 * 1024
    """Bytes of a response's head, and of its trailers."""
    body: int = 64 * 2**20
    """Bytes of a body that is taken as it comes: what comes of it is kept until the answer is recorded."""


DEFAULT_TIMEOUTS = Timeouts()
DEFAULT_LIMITS = Limits()


class Origin(NamedTuple):
    """Where a pool's connections go."""

    scheme: str
    host: str
    port: int


class Response:
    """One request and its response; enter it to send, leave it to give the connection back."""

    def __init__(self, client: "HttpClient", pool: Pool, request: bytes, timeouts: Timeouts, head_only: bool) -> None:
        self._client = client
        self._pool = pool
        self._request = request
        self._timeouts = timeouts
        self._head_only = head_only
        self._connection: Connection | None = None
        self._headers: dict[str, str] | None = None
        self._taken = 0

    async def __aenter__(self) -> Self:
        """Send the request, once, and wait for the head of the response.

        Raises `Unanswered` when a kept connection swallowed it; those that lay idle beside it are closed, so that
        another try gets a new one.
        """
        try:
            await self._exchange(await self._pool.acquire(self._timeouts.connect))
        except Unanswered:
            self._pool.close_idle()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep the connection if the response was complete, else close it."""
        self._release()

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._open.status

    @property
    def complete(self) -> bool:
        """Is all of it here?"""
        return self._open.complete

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name; several of one name are joined by commas."""
        if self._headers is None:
            self._headers = {}
            for raw_name, raw_value in self._open.raw_headers:
                name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
                self._headers[name] = f"{self._headers[name]}, {value}" if name in self._headers else value
        return self._headers

    def has_any(self, names: frozenset[bytes]) -> bool:
        """Is there a header of one of these lower-case names?"""
        return not names.isdisjoint(self._open.fields)

    def allow(self, seconds: float) -> None:
        """Give the peer `seconds` from now for everything until the next call: its progress is ours to judge."""
        self._open.allow(seconds)

    async def read(self, max_bytes: int) -> bytes:
        """The whole body. Raises `ProviderDown` when it is larger, `StreamCut` when it is cut short."""
        connection = self._open
        pieces: list[bytes] = []
        size = 0
        while not connection.complete:
            if connection.has_body:
                pieces.append(connection.take())
                size += len(pieces[-1])
            if size > max_bytes:
                break
            await self._more(connection)
        pieces.append(connection.take())
        if size + len(pieces[-1]) > max_bytes:
            raise ProviderDown(f"sent a body of more than {max_bytes} bytes", where=self._client.where)
        return b"".join(pieces)

    def __aiter__(self) -> Self:
        """The body's bytes, as they come."""
        return self

    async def __anext__(self) -> bytes:
        """The next bytes, never empty. Raises `StreamCut` after the last ones of a body that is cut short, and
        `ProviderDown` for one that is too long.
        """
        connection = self._open
        while not connection.has_body:
            if connection.complete:
                raise StopAsyncIteration
            await self._more(connection)
        data = connection.take()
        self._taken += len(data)
        if self._taken > self._client.limits.body:
            raise ProviderDown(f"sent a body of more than {self._client.limits.body} bytes", where=self._client.where)
        return data

    @property
    def _open(self) -> Connection:
        assert self._connection is not None, "inside `async with`"
        return self._connection

    async def _exchange(self, connection: Connection) -> None:
        self._connection = connection
        try:
            connection.send(
                self._request,
                first_byte=self._timeouts.first_byte,
                idle=self._timeouts.idle,
                head_only=self._head_only,
            )
            while not connection.head_complete:
                await self._more(connection)
        except BaseException:
            self._release()
            raise

    async def _more(self, connection: Connection) -> None:
        """Wait for the next event, or raise what ended the response."""
        if connection.error is not None:
            raise connection.error
        await connection.wait()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection, self._client.limits.keep_alive)


class HttpClient:
    """Pools of connections by origin."""

    def __init__(
        self,
        *,
        where: str = "",
        limits: Limits = DEFAULT_LIMITS,
        tls: ssl.SSLContext | None = None,
        reach: Reach = Reach.NAMED,
    ) -> None:
        """`where` names the peer in errors; `tls` defaults to the system's certificates, verified.

        `reach` is checked at every connection, on the address that is connected to.
        """
        self.where = where
        self.limits = limits
        self._tls = tls
        self._reach = reach
        self._pools: dict[Origin, Pool] = {}

    def request(
        self,
        method: str,
        url: str,
        headers: Headers = (),
        body: bytes = b"",
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        *,
        trace: Headers = (),
    ) -> Response:
        """A request to enter with `async with`. `trace` are sound headers that no other request has.

        `host`, `content-length` and `accept-encoding: identity` are added. Raises `ConfigError` for a URL or a
        header that cannot be sent.
        """
        origin, head = request_head(method, url, headers)
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = self._new_pool(origin)
        own = "".join([f"{name}: {value}\r\n" for name, value in trace])
        request = b"%s%scontent-length: %d\r\n\r\n%s" % (head, own.encode("latin-1"), len(body), body)
        return Response(self, pool, request, timeouts, method == "HEAD")

    def check(self, url: str, headers: Headers = ()) -> None:
        """Raise the `ConfigError` of a request that cannot be sent, or of a host that is an address out of reach."""
        origin, _ = request_head("POST", url, headers)
        check_host(origin.host, self._reach)

    @property
    def open_connections(self) -> int:
        """Busy and idle, over all origins."""
        return sum(pool.size for pool in self._pools.values())

    async def aclose(self) -> None:
        """Close idle connections; those in use close as they are given back. Idempotent."""
        for pool in self._pools.values():
            pool.close()

    def _new_pool(self, origin: Origin) -> Pool:
        if origin.scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
        return Pool(
            origin.host,
            origin.port,
            self._tls if origin.scheme == "https" else None,
            where=self.where,
            bounds=PoolBounds(self.limits.connections, self.limits.head, self._reach),
        )


@lru_cache(maxsize=256)
def request_head(method: str, url: str, headers: Headers) -> tuple[Origin, bytes]:
    """Everything of a request's head that does not depend on its body. Cached: most calls send the same one.

    Raises `ConfigError` for what cannot be sent: control characters above all.
    """
    origin, host, path = _split(url)
    if not _TOKEN.fullmatch(method):
        raise ConfigError(f"not an HTTP method: {method!r}")
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", "accept-encoding: identity"]
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ConfigError("a header holds characters that HTTP forbids", where=repr(name))
        lines.append(f"{name}: {value}")
    return origin, ("\r\n".join(lines) + "\r\n").encode("latin-1")


def _split(url: str) -> tuple[Origin, str, str]:
    """Origin, `Host` header and path."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"not a URL: {error}", where=repr(url)) from None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if (
        parts.scheme not in ("http", "https")
        or not _HOST.fullmatch(parts.hostname or "")
        or not _PATH.fullmatch(path)
        or any(character in url for character in "\r\n\t")
    ):
        raise ConfigError("not an http or https URL", where=repr(url))
    if parts.username is not None or parts.password is not None:
        raise ConfigError("a URL must not hold a password", where=f"{parts.scheme}://…@{parts.hostname}")
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    default = 443 if parts.scheme == "https" else 80
    return Origin(parts.scheme, host, port or default), shown if port is None else f"{shown}:{port}", path
