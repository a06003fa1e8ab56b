"""Talking to a Moat server: one request, one answer, errors sorted into answers and outages."""

from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import msgspec

from moat.domain.errors import AccessError, ConfigError, ConflictError, MoatError, NotFound, RequestError, Unavailable

MAX_ANSWER_BYTES = 16 * 2**20


class Response(msgspec.Struct, frozen=True):
    """A 2xx or 304."""

    status: int
    etag: str
    body: bytes


class Server:
    """A Moat server at a base URL, reached with a key. Thread-safe: every request has its own connection."""

    def __init__(self, base_url: str, api_key: str, timeout: float) -> None:
        """Opens nothing. Raises `ConfigError` for an address that is none. `timeout`: seconds per socket step."""
        try:
            parts = urlsplit(base_url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ConfigError(f"not an address: {error}", where="base_url") from None
        if parts.scheme not in ("http", "https") or not self._host:
            raise ConfigError(
                f"not an address: {base_url!r}",
                where="base_url",
                remedy='It looks like "http://127.0.0.1:4000".',
            )
        if not api_key.isascii() or not api_key.isprintable():
            raise ConfigError("not a key: it holds characters that no key has", where="api_key")
        self.url = base_url.rstrip("/")
        self._path = parts.path.rstrip("/")
        self._connection = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._authorization = f"Bearer {api_key}"
        self._timeout = timeout

    def get(self, path: str, *, etag: str = "") -> Response:
        """Fetch. Status 304 when `etag` is still right. Raises as `_error` says."""
        return self._request("GET", path, {"If-None-Match": etag} if etag else {})

    def post(self, path: str, body: bytes) -> Response:
        """Send JSON."""
        return self._request("POST", path, {"Content-Type": "application/json"}, body)

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> Response:
        connection = self._connection(self._host, self._port, timeout=self._timeout)
        try:
            # http.client follows no redirect, so that the key goes to no other host.
            headers["Authorization"] = self._authorization
            connection.request(method, self._path + path, body, headers)
            with connection.getresponse() as answer:
                content = answer.read(MAX_ANSWER_BYTES + 1)
        except (OSError, HTTPException, UnicodeError) as error:
            raise Unavailable(
                f"no answer from the Moat server: {error or type(error).__name__}",
                where=self.url,
                remedy="Is `moat serve` running, and is this its address?",
            ) from error
        finally:
            connection.close()
        if len(content) > MAX_ANSWER_BYTES:
            raise Unavailable(f"an answer of over {MAX_ANSWER_BYTES // 2**20} MiB", where=self.url + path)
        if answer.status in (200, 201, 202, 204, 304):
            return Response(answer.status, answer.headers.get("ETag", ""), content)
        raise _error(answer.status, content, self.url + path)


def _error(status: int, body: bytes, where: str) -> MoatError:
    """What a refusal means: an `Unavailable` is an outage, worth a later try; the others are answers."""
    what = _message(body) or f"HTTP status {status}"
    if status == 401:
        error = AccessError.unauthenticated(what, remedy="Check `api_key`.")
        error.where = where
        return error
    if status == 403:
        return AccessError(what, where=where)
    if status == 404:
        return NotFound(what, where=where)
    if status == 409:
        return ConflictError(what, where=where)
    if 400 <= status < 500 and status not in (408, 429):
        return RequestError(what, where=where)
    return Unavailable(f"the Moat server cannot answer now: {what} (status {status})", where=where)


def _message(body: bytes) -> str:
    """The server's own words when there are any: `error.message`, or as OTLP has it `message`."""
    try:
        answer: Any = msgspec.json.decode(body)
        return str(answer.get("error", answer)["message"]).removesuffix(".")
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, AttributeError):
        return ""
