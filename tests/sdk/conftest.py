"""A Moat server as the SDK sees one: a real socket, and answers that a test decides on."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class FakeMoat:
    """Serves what `answer` returns for a request; records every request."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        """Method, path, headers, body."""
        self.answer: Callable[[str, dict[str, str]], tuple[int, dict[str, str], bytes]] = lambda path, headers: (
            (200, {}, b"{}")
        )
        self._start(0)
        self.url = f"http://127.0.0.1:{self.port}"

    def _start(self, port: int) -> None:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fake.requests.append((self.command, self.path, dict(self.headers), body))
                status, headers, content = fake.answer(self.path, dict(self.headers))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = handle_any

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """Be away: the port refuses connections."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def restart(self) -> None:
        """Be back, on the same port."""
        self._start(self.port)

    def serve(self, text: str, *, etag: str = "") -> None:
        """Answer every prompt request with one whose user message is `text`, or 304 when it is known."""
        body = json.dumps(
            {
                "prompt": {
                    "name": "support/answer",
                    "version": "1.2.0",
                    "messages": [{"role": "user", "content": text}],
                    "model": "assistant",
                    "params": {"temperature": 0.2},
                    "variables": {"question": {"type": "string"}},
                    "tool_definitions": [{"type": "function", "function": {"name": "lookup"}}],
                    "output": {"type": "object"},
                    "a_field_of_tomorrow": 1,
                },
                "release": "rel_1",
                "environment": "production",
                "digest": "sha256:1",
            }
        ).encode()

        def answer(_path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
            if etag and headers.get("If-None-Match") == etag:
                return 304, {}, b""
            return 200, {"ETag": etag} if etag else {}, body

        self.answer = answer

    def refuse(self, status: int, message: str = "no") -> None:
        """Answer everything with an error."""
        content = json.dumps({"error": {"message": message}}).encode()
        self.answer = lambda _path, _headers: (status, {}, content)

    def spans(self) -> list[dict[str, Any]]:
        """All spans received, in order."""
        bodies = [json.loads(body) for _, path, _, body in self.requests if path == "/v1/traces"]
        return [span for body in bodies for span in body["resourceSpans"][0]["scopeSpans"][0]["spans"]]


@pytest.fixture
def fake() -> Iterator[FakeMoat]:
    """A running one."""
    server = FakeMoat()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def anyio_backend() -> str:
    """The SDK is for asyncio."""
    return "asyncio"
