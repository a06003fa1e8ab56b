"""What batch APIs have in common over HTTP: short exchanges in JSON, and long files of results, read line by line."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

import msgspec

from moat.adapters.providers.addresses import Reach
from moat.adapters.providers.exchange import ERROR_SECONDS, MAX_BODY_BYTES, MAX_ERROR_BYTES, ErrorOf, Reachable, Refusal
from moat.adapters.providers.http1 import Headers, HttpClient, Limits, Response, Timeouts
from moat.domain.errors import ProviderDown, ProviderError

T = TypeVar("T")

MAX_RESULTS = 2**30
"""Bytes of a file of results."""
CONNECTIONS = 8


class BatchHttp:
    """The HTTP of one provider's batches. Opens connections as needed; `aclose` releases them."""

    def __init__(
        self,
        where: str,
        config: Reachable,
        headers: Headers,
        *,
        error_of: ErrorOf,
        masked: Callable[[ProviderError], ProviderError],
    ) -> None:
        """`masked` takes secrets out of an error."""
        self.where = where
        timeouts = config.timeouts
        self._headers = dict(headers)
        self._timeouts = Timeouts(connect=timeouts.connect, first_byte=timeouts.first_token, idle=timeouts.idle)
        self._error_of = error_of
        self._masked = masked
        reach = Reach.PRIVATE if config.private_network else Reach.NAMED
        self._client = HttpClient(where=where, limits=Limits(connections=CONNECTIONS, body=MAX_RESULTS), reach=reach)

    async def ask(self, method: str, url: str, type: type[T], body: bytes = b"", *, own: Headers = ()) -> T:
        """Ask for a JSON object. `own` are headers of this request, instead of the provider's of the same name.

        Raises `ProviderError`, without secrets, for every answer that is not 200 and such an object.
        """
        async with self._asking(method, url, body, own) as response:
            return self._read(await response.read(MAX_BODY_BYTES), type)

    async def _lines(self, url: str) -> AsyncGenerator[bytes, None]:
        """Those that are not blank, as they come."""
        rest = b""
        async with self._asking("GET", url) as response:
            async for chunk in response:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield line
        if rest.strip():
            yield rest

    async def objects(self, url: str, type: type[T]) -> AsyncGenerator[T, None]:
        """The lines of a file of JSON. Raises `ProviderError`."""
        async with aclosing(self._lines(url)) as lines:
            async for line in lines:
                yield self._read(line, type)

    def _read(self, data: bytes, type: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderDown(f"sent something unreadable of a batch: {error}", where=self.where) from None

    def masked(self, error: ProviderError) -> ProviderError:
        """The error without secrets."""
        return self._masked(error)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def _asking(
        self, method: str, url: str, body: bytes = b"", own: Headers = ()
    ) -> AsyncGenerator[Response, None]:
        """A request that is answered with 200."""
        headers = self._headers | dict(own)
        if not body:
            headers.pop("content-type", None)
        try:
            async with self._client.request(method, url, tuple(headers.items()), body, self._timeouts) as response:
                if response.status != 200:
                    raise await self._refused(response)
                yield response
        except ProviderError as error:
            raise self._masked(error) from None

    async def _refused(self, response: Response) -> ProviderError:
        response.allow(ERROR_SECONDS)
        refusal = Refusal(response.status, dict(response.headers), await response.read(MAX_ERROR_BYTES))
        return self._error_of(refusal) or ProviderDown(f"answered {response.status}", where=self.where)
