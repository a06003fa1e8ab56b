"""What a client may do to the server's HTTP, over real sockets: slow, malformed, contradictory, too many."""

import asyncio
import json
import select
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from moat.gateway import protocol
from moat.gateway.http import JSON, Receive, Scope, Send, read_body, respond
from moat.testing.loopback import on_loopback
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import SECRET, Start

DEADLINE = 20.0


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Says how much it got, and by which way."""
    body = await read_body(receive, 2**24)
    answer = {"path": scope["path"], "size": len(body), "headers": len(scope["headers"])}
    await respond(send, 200, json.dumps(answer).encode(), [JSON])


def connect(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=DEADLINE)


def read_all(client: socket.socket) -> bytes:
    """Until the server hangs up, whether or not it has read everything."""
    got = b""
    with suppress(ConnectionResetError):
        while piece := client.recv(65536):
            got += piece
    return got


def read_one(client: socket.socket) -> bytes:
    """One answer of a stated length, however many pieces it comes in."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += client.recv(65536) or hung_up()
    head, _, rest = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(rest) < length:
        rest += client.recv(65536) or hung_up()
    return head + rest


def hung_up() -> bytes:
    raise AssertionError("the server hung up within its answer")


def say(url: str, request: bytes) -> bytes:
    """Everything that comes back; the request should make the server hang up."""
    with connect(url) as client:
        client.sendall(request)
        return read_all(client)


GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

POST = b"POST / HTTP/1.1\r\nhost: x\r\n"

MALFORMED = {
    "length and chunks": POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "two equal lengths": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    "list of lengths": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5, 5\r\n\r\nhello",
    "negative length": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
    "signed length": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: +5\r\n\r\nhello",
    "huge length": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    "hex length": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0x5\r\n\r\nhello",
    "odd chunk size": POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    "huge chunk size": POST + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    "unknown coding": POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nhost : x\r\n\r\n",
    "bare carriage return": b"GET / HTTP/1.1\r\nhost: x\r\nx-a: 1\rx-b: 2\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nhost: x\r\nx-a: 1\x002\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nhost: x\r\n folded: yes\r\n\r\n",
    "header without a name": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "no version": b"GET / HTTP/9.9\r\nhost: x\r\n\r\n",
    "not a method": b"G\x00T / HTTP/1.1\r\nhost: x\r\n\r\n",
    "not ASCII in the path": "GET /ä HTTP/1.1\r\nhost: x\r\n\r\n".encode(),
    "an authority as path": b"CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "large header": b"GET / HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * 70_000,
    "large header that is whole": b"GET / HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * 70_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 30_000 + b"\r\n",
    "long path": b"GET /" + b"a" * 70_000,
}


@pytest.fixture(scope="module")
def recorded() -> Iterator[tuple[str, list[str]]]:
    """A server, and the paths that its application was asked for."""
    asked: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await echo(scope, receive, send)

    with on_loopback(app) as url:
        yield url, asked


@pytest.mark.promise("inj-5")
@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_requests_are_answered_with_400_and_reach_no_application(
    request_bytes: bytes, recorded: tuple[str, list[str]]
) -> None:
    url, asked = recorded
    asked.clear()
    try:
        answer = say(url, request_bytes)
    except ConnectionError:  # it hung up on what we had not sent yet
        answer = b""
    assert [path for path in asked if path != "/"] == [], "nothing was smuggled"
    assert say(url, GET).startswith(b"HTTP/1.1 200"), "the server lives"
    if answer:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400"), answer[:300]
        assert json.loads(body)["error"]["code"] == "invalid_request"


@pytest.mark.promise("inj-5")
def test_line_breaks_in_what_a_client_names_reach_no_header() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].encode("latin-1", "replace")
        await respond(send, 200, b"{}", [JSON, (b"x-named", name)])

    with on_loopback(app) as url:
        answer = say(url, b"GET /a%0d%0aset-cookie:%20b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert answer == b"", "the answer is given up, not split"


def test_a_head_that_dribbles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 1.0)
    with on_loopback(echo) as url, connect(url) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        answer = dribble(client, b"x: y\r\n")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"did not come in time" in answer


def test_a_body_that_dribbles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.3)
    with on_loopback(echo) as url, connect(url) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
        answer = dribble(client, b"x")
    assert answer.startswith(b"HTTP/1.1 408")


def dribble(client: socket.socket, drop: bytes) -> bytes:
    """Send drop after drop until the server answers; the whole answer."""
    for _ in range(round(DEADLINE / 0.05)):
        with suppress(ConnectionError):  # it hung up; what it said before can still be read
            client.sendall(drop)
        if select.select([client], [], [], 0.05)[0]:
            return read_all(client)
    raise AssertionError("the server waits for ever")


def test_a_body_that_keeps_its_pace_is_taken_however_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 2.0)
    with on_loopback(echo) as url, connect(url) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 20000\r\n\r\n")
        for _ in range(20):
            client.sendall(b"x" * 1000)
            time.sleep(0.12)
        answer = read_all(client)
    assert b'"size": 20000' in answer


def test_silent_connections_are_closed_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_loopback(echo) as url, connect(url) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert read_one(client).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
        client.sendall(b"\r\n")
        assert read_all(client) == b"", "one that says nothing but empty lines"
        with connect(url) as client:
            assert read_all(client) == b"", "a new one"


def test_what_a_client_is_slow_to_send_after_its_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.3)

    async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 401, b"{}", [JSON])

    with on_loopback(hasty) as url, connect(url) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nx")
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 401")
    assert answer.count(b"HTTP/1.1") == 1


def test_rubbish_behind_a_request_does_not_spoil_its_answer() -> None:
    said = threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [JSON]})
        await send({"type": "http.response.body", "body": b'{"a":', "more_body": True})
        while not said.is_set():  # noqa: ASYNC110 - it is set from another thread
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # the loop reads what was said
        await send({"type": "http.response.body", "body": b"1}"})

    with on_loopback(slow) as url, connect(url) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        got = client.recv(65536)
        client.sendall(b"\x00rubbish\r\n\r\n")
        said.set()
        got += read_all(client)
    assert b"400" not in got.partition(b"\r\n\r\n")[2]


class Held:
    """Requests that wait until they are let go; health is answered at once."""

    def __init__(self) -> None:
        self.waiting = 0
        self.most = 0
        self.free = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/healthz":
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            while not self.free.is_set():  # noqa: ASYNC110 - it is set from another thread
                await asyncio.sleep(0.01)
            self.waiting -= 1
        await respond(send, 200, b'{"status":"ok"}', [JSON])


def get(url: str) -> tuple[int, Any, Any]:
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE) as response:
            return response.status, json.loads(response.read()), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), error.headers


@pytest.mark.promise("up-4")
def test_overload_is_shed_and_health_answers_meanwhile() -> None:
    held = Held()
    with on_loopback(held, max_requests=8) as url:
        clients = [connect(url) for _ in range(8)]
        for client in clients:
            client.sendall(b"GET /work HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        deadline = time.monotonic() + DEADLINE
        while held.waiting < 8:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        shed = [get(f"{url}/work") for _ in range(5)]
        took = []
        for _ in range(9):
            began = time.perf_counter()
            assert get(f"{url}/healthz")[0] == 200
            took.append(time.perf_counter() - began)
        held.free.set()
        answers = [read_all(client) for client in clients]
        [client.close() for client in clients]
        assert get(f"{url}/work")[0] == 200, "there is room again"
    assert {status for status, _, _ in shed} == {503}
    assert {body["error"]["code"] for _, body, _ in shed} == {"overloaded"}
    assert all(int(headers["retry-after"]) >= 1 for _, _, headers in shed)
    assert min(took) < 0.1, "when this machine has nothing else to do"
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers), "what was let in is answered"
    assert held.most == 8


@pytest.mark.promise("up-4")
def test_idle_connections_make_room() -> None:
    held = Held()
    with on_loopback(held, max_requests=5) as url:
        idle = [connect(url) for _ in range(40)]
        assert get(f"{url}/healthz")[0] == 200
        held.free.set()
        assert get(f"{url}/work")[0] == 200
        closed = 0
        for client in idle:
            client.settimeout(0.02)
            try:
                closed += client.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionError:
                closed += 1
            client.close()
    assert closed >= 25


def test_an_offer_of_another_protocol_is_answered_in_this_one(start: Start) -> None:
    """As Java's HttpClient sends it by default: body and connection stay as they are."""
    gateway = start(ScriptedProvider("Hello"))
    body = b'{"model": "assistant", "messages": [{"role": "user", "content": "upgrade: h2c"}]}'
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + SECRET.encode() + b"\r\n"
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA\r\n"
        b"content-type: application/json\r\ncontent-length: " + str(len(body)).encode() + b"\r\n\r\n"
    )
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        for _ in range(2):
            client.sendall(head + body)
            assert read_one(client).startswith(b"HTTP/1.1 200")
    assert gateway.provider.calls[0].messages[0]["content"] == "upgrade: h2c"
