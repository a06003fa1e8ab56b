"""The server's side of HTTP/1.1: uvicorn's, with a bound on what a client may send before its request begins."""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers."""


class BoundedHttp(HttpToolsProtocol):
    """Answers 400 and hangs up when a head is larger than `MAX_HEAD`: httptools itself would keep any size."""

    _head = 0
    _in_head = True

    def data_received(self, data: bytes) -> None:
        """Count what arrives until the headers are complete."""
        super().data_received(data)
        if not self._in_head:
            return
        self._head += len(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The request's headers are larger than {MAX_HEAD // 1024} KiB.")

    def on_message_begin(self) -> None:
        """A new request on this connection."""
        self._head, self._in_head = 0, True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One whole header: many in a single read are bounded here."""
        self._head += len(name) + len(value)
        if self._head > 2 * MAX_HEAD:
            raise httptools.HttpParserError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request begins; its body has its own limit."""
        self._in_head = False
        super().on_headers_complete()
