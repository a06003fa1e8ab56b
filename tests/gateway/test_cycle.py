"""Answers on the wire: one head, right framing, and nothing that an application could break it with."""

import asyncio
import contextlib
import http.client
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from moat.gateway.http import App, Receive, Scope, Send
from moat.testing.loopback import on_loopback

Sending = list[MutableMapping[str, Any]]


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> MutableMapping[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes, *, more: bool = False) -> MutableMapping[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def sends(*messages: MutableMapping[str, Any]) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for message in messages:
            await send(message)

    return app


def ask(app: App, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    with on_loopback(app) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
        connection.request(method, "/")
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response, data


def test_an_answer_of_known_length() -> None:
    response, data = ask(sends(start(201, (b"content-length", b"5"), (b"x-a", b"1"), (b"x-a", b"2")), body(b"hello")))
    assert (response.status, data, response.headers.get_all("x-a")) == (201, b"hello", ["1", "2"])
    assert response.headers["date"], "RFC 9110, 6.6.1"
    assert "transfer-encoding" not in response.headers


def test_an_answer_in_pieces_is_chunked() -> None:
    response, data = ask(sends(start(), body(b"one ", more=True), body(b"", more=True), body(b"two")))
    assert (response.headers["transfer-encoding"], data) == ("chunked", b"one two")


def test_an_answer_without_a_body() -> None:
    response, data = ask(sends(start(204), body(b"")))
    assert (response.status, data) == (204, b"")
    assert not {"transfer-encoding", "content-length"} & {name.lower() for name in response.headers}


def test_head_is_answered_without_the_body() -> None:
    response, data = ask(sends(start(200, (b"content-length", b"5")), body(b"hello")), "HEAD")
    assert (response.headers["content-length"], data) == ("5", b"")


def test_the_application_may_close_the_connection() -> None:
    response, _ = ask(sends(start(200, (b"connection", b"close"), (b"content-length", b"0")), body(b"")))
    assert response.headers.get_all("connection") == ["close"]


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: x", b"a\nb", b"a\rb", b"a\0b"])
def test_a_header_with_a_line_break_goes_nowhere(value: bytes) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(sends(start(200, (b"x-a", value)), body(b"never")))


@pytest.mark.parametrize("data", [b"hell", b"hello!"])
def test_a_body_of_another_length_is_cut_off(data: bytes) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(sends(start(200, (b"content-length", b"5")), body(data)))


@pytest.mark.parametrize("messages", [[body(b"x")], [start(), start()], [start(), body(b"x"), body(b"y")]])
def test_messages_out_of_turn_are_refused(messages: Sending) -> None:
    refused: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            for message in messages:
                await send(message)
        except RuntimeError as error:
            refused.append(str(error))
            raise

    with contextlib.suppress(http.client.HTTPException, ConnectionError):
        ask(app)
    assert [text.partition("'")[0] for text in refused] == ["unexpected ASGI message "]


def test_pipelined_requests_are_answered_in_turn() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if scope["path"] == "/slow":
            await asyncio.sleep(0.05)
        said = f"{scope['path']}?{scope['query_string'].decode()}".encode()
        await send(start(200, (b"content-length", b"%d" % len(said))))
        await send(body(said))

    async def both(url: str) -> bytes:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(
            b"GET /slow?a=1 HTTP/1.1\r\nhost: x\r\n\r\nGET /f%20st HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )
        found = await reader.read()
        writer.close()
        return found

    with on_loopback(app) as url:
        found = asyncio.run(asyncio.wait_for(both(url), 20))
    assert 0 < found.index(b"/slow?a=1") < found.index(b"/f st?")
    assert found.count(b"HTTP/1.1 200") == 2
