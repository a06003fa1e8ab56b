"""The HTTP client against real sockets."""

import asyncio
import ssl
from pathlib import Path

import pytest

from moat.adapters.providers.connection import Unanswered
from moat.adapters.providers.http1 import DEFAULT_TIMEOUTS, HttpClient, Limits, Timeouts
from moat.domain.errors import (
    ConfigError,
    ProviderDown,
    ProviderError,
    ProviderOverloaded,
    ProviderTimeout,
    StreamCut,
)
from tests.providers.peer import Handler, Peer, answering, chunked, dribbling, keeping, peer, whole

pytestmark = pytest.mark.anyio

QUICK = Timeouts(connect=5, first_byte=0.15, idle=0.1)


async def fetch(client: HttpClient, url: str, timeouts: Timeouts = DEFAULT_TIMEOUTS, method: str = "POST") -> bytes:
    async with client.request(method, url, (), b"hello", timeouts) as response:
        return await response.read(2**20)


async def test_a_request_arrives_whole_and_connections_are_kept() -> None:
    async with peer(answering(whole(b"one", b"X-A: 1", b"x-a: 2"), whole(b"two"))) as server:
        client = HttpClient()
        async with client.request("POST", server.url + "/v1/x?y=1", (("x-b", "c"),), b"body") as response:
            assert (response.status, response.headers["x-a"]) == (200, "1, 2")
            assert await response.read(100) == b"one"
            assert response.complete
        assert await fetch(client, server.url) == b"two"
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        assert body == b"body"
        host = server.url.removeprefix("http://").encode()
        assert head.split(b"\r\n") == [
            b"POST /v1/x?y=1 HTTP/1.1",
            b"host: " + host,
            b"accept-encoding: identity",
            b"x-b: c",
            b"content-length: 4",
        ]
        assert server.connections == 1
        await client.aclose()
        await server.all_closed()


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (whole(b"x", b"connection: close"), b"x"),
        (chunked(b"a", b"bc"), b"abc"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + whole(b"late"), b"late"),
    ],
)
async def test_every_framing_of_a_body_is_understood(response: bytes, expected: bytes) -> None:
    async with peer(answering(response)) as server:
        client = HttpClient()
        assert await fetch(client, server.url) == expected
        await client.aclose()
        await server.all_closed()


async def test_head_has_no_body_whatever_its_length_says() -> None:
    async with peer(keeping(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")) as server:
        client = HttpClient()
        assert await fetch(client, server.url, method="HEAD") == b""
        await server.all_closed()


@pytest.mark.promise("inj-1")
async def test_redirects_are_not_followed() -> None:
    async with peer(answering(whole(b"", b"location: http://10.0.0.1/", status=b"302 Found"))) as server:
        client = HttpClient()
        async with client.request("GET", server.url) as response:
            assert response.status == 302
        assert len(server.requests) == 1
        await client.aclose()


async def test_a_kept_connection_that_died_is_replaced() -> None:
    async with peer(answering(whole(b"only one per connection"))) as server:
        client = HttpClient()
        for _ in range(3):
            assert await fetch(client, server.url) == b"only one per connection"
            async with asyncio.timeout(10):
                while client.open_connections:  # noqa: ASYNC110 - the peer closes when it likes
                    await asyncio.sleep(0.005)
        assert len(server.requests) == 3
        await client.aclose()


@pytest.mark.promise("money-3")
async def test_a_request_swallowed_by_a_kept_connection_is_never_sent_again_in_silence() -> None:
    def handler(seen: Peer) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await seen.read(reader)
            writer.write(whole(b"ok"))
            if seen.connections == 1:
                await seen.read(reader)  # and closes without a word

        return serve

    async with peer(handler) as server:
        client = HttpClient()
        assert await fetch(client, server.url) == b"ok"
        with pytest.raises(ProviderDown, match="without an answer") as caught:
            await fetch(client, server.url)
        assert (len(server.requests), server.connections) == (2, 1)
        assert caught.value.retryable
        assert await fetch(client, server.url) == b"ok"
        assert (len(server.requests), server.connections) == (3, 2)
        await client.aclose()


async def test_after_one_dead_connection_the_others_are_not_tried() -> None:
    arrived = asyncio.Event()

    def handler(seen: Peer) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            early = seen.connections <= 3
            await seen.read(reader)
            if early and len(seen.requests) == 3:
                arrived.set()
            await arrived.wait()
            writer.write(whole(b"ok"))
            await seen.read(reader)  # the early ones close without a word now
            if not early:
                writer.write(whole(b"ok"))

        return serve

    async with peer(handler) as server:
        client = HttpClient()
        await asyncio.gather(*(fetch(client, server.url) for _ in range(3)))
        assert client.open_connections == 3
        with pytest.raises(Unanswered):
            await fetch(client, server.url)
        assert client.open_connections == 0
        assert await fetch(client, server.url) == b"ok"
        await client.aclose()


@pytest.mark.parametrize("first_words", [b"", b"HTTP/1.1 200 OK\r\nconte"])
async def test_a_fresh_connection_or_a_begun_answer_is_never_asked_twice(first_words: bytes) -> None:
    async with peer(answering(first_words)) as server:
        with pytest.raises(ProviderDown, match=r"closed the connection"):
            await fetch(HttpClient(where="provider x"), server.url)
        assert len(server.requests) == 1


async def test_a_begun_answer_on_a_kept_connection_is_not_asked_again() -> None:
    async with peer(answering(whole(b"ok"), b"HTTP/1.1 2")) as server:
        client = HttpClient()
        await fetch(client, server.url)
        with pytest.raises(ProviderDown, match="middle of the response's head"):
            await fetch(client, server.url)
        assert len(server.requests) == 2
        assert client.open_connections == 0


@pytest.mark.parametrize("cut", [whole(b"abcdef")[:-1], chunked(b"abc", end=False), chunked(b"abc")[:-2]])
async def test_a_body_cut_short_is_never_whole(cut: bytes) -> None:
    async with peer(answering(cut)) as server:
        client = HttpClient()
        with pytest.raises(StreamCut):
            await fetch(client, server.url)
        assert client.open_connections == 0


async def test_a_reset_connection_is_told() -> None:
    def handler(seen: Peer) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.transport.get_extra_info("socket").setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SO_LINGER 0
            writer.transport.abort()

        return serve

    async with peer(handler) as server:
        with pytest.raises(ProviderDown, match=r"the connection"):
            await fetch(HttpClient(), server.url)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx",
    ],
)
async def test_nonsense_is_a_provider_error(nonsense: bytes) -> None:
    async with peer(keeping(nonsense)) as server:
        client = HttpClient(where="provider x")
        with pytest.raises(ProviderDown) as caught:
            await fetch(client, server.url)
        assert caught.value.where == "provider x"
        await server.all_closed()


@pytest.mark.promise("up-2")
@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
async def test_a_head_that_never_ends_is_a_timeout_or_too_large(start: bytes, drop: bytes) -> None:
    async with peer(dribbling(start, drop)) as server:
        client = HttpClient()
        with pytest.raises(ProviderError):
            await fetch(client, server.url, QUICK)
        await server.all_closed()


@pytest.mark.promise("up-3")
@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nx: ",
        b"HTTP/1.1 200 OK\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: ",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;",
    ],
)
async def test_heads_trailers_and_chunk_extensions_are_bounded(start: bytes) -> None:
    async with peer(dribbling(start, b"y" * 4096, every=0)) as server:
        client = HttpClient(limits=Limits(head=20_000))
        with pytest.raises(ProviderDown, match="20000 bytes of headers"):
            await fetch(client, server.url)
        await server.all_closed()


async def test_many_small_headers_are_bounded_too() -> None:
    async with peer(keeping(whole(b"", *[b"x: y"] * 100))) as server:
        client = HttpClient(limits=Limits(head=500))
        with pytest.raises(ProviderDown, match="500 bytes of headers"):
            await fetch(client, server.url)
        await server.all_closed()


@pytest.mark.promise("up-8")
async def test_first_byte_and_idle_are_separate_limits() -> None:
    async with peer(keeping(b"", b"")) as silent, peer(keeping(chunked(b"x", end=False))) as stalling:
        client = HttpClient()
        with pytest.raises(ProviderTimeout, match=r"sent no answer within 0\.05 s"):
            await fetch(client, silent.url, Timeouts(first_byte=0.05, idle=9))
        with pytest.raises(ProviderTimeout, match=r"sent nothing more within 0\.05 s"):
            await fetch(client, stalling.url, Timeouts(first_byte=9, idle=0.05))
        await silent.all_closed()
        await stalling.all_closed()


async def test_without_an_idle_limit_the_consumer_judges_progress() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    async with peer(dribbling(head, b"1\r\nx\r\n")) as server:
        client = HttpClient()

        async def listen() -> None:
            async with client.request("GET", server.url, timeouts=Timeouts(first_byte=9, idle=None)) as response:
                response.allow(0.08)
                async for chunk in response:
                    assert set(chunk) == {ord("x")}

        with pytest.raises(ProviderTimeout, match=r"0\.08 s"):
            await listen()
        await server.all_closed()


async def test_a_silent_tls_handshake_is_a_connect_timeout() -> None:
    async with peer(keeping()) as server:
        with pytest.raises(ProviderTimeout, match="no connection to 127"):
            await fetch(HttpClient(), server.url.replace("http", "https"), Timeouts(connect=0.1))


async def test_nobody_listening_is_down() -> None:
    async with peer(keeping()) as server:
        url = server.url
    client = HttpClient(where="provider x")
    with pytest.raises(ProviderDown, match="provider x: cannot connect to"):
        await fetch(client, url)
    assert client.open_connections == 0


@pytest.mark.promise("up-3")
@pytest.mark.parametrize("announced", [True, False])
async def test_a_200_mb_body_is_cut_off_at_the_bound(announced: bool) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + (b"content-length: 200000000\r\n" if announced else b"") + b"\r\n"
    sent = 0

    def handler(seen: Peer) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await seen.read(reader)
            writer.write(head)
            while sent < 200_000_000:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536

        return serve

    async with peer(handler) as server:
        client = HttpClient()
        with pytest.raises(ProviderDown, match="more than 1048576 bytes"):
            await fetch(client, server.url)
        await server.all_closed()
        assert sent < 40_000_000


@pytest.mark.promise("up-3")
async def test_a_slow_consumer_slows_the_peer_down_and_is_no_timeout() -> None:
    body = 60_000_000
    sent = 0

    def handler(seen: Peer) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await seen.read(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % body)
            while sent < body:
                writer.write(b"x" * 60_000)
                await writer.drain()
                sent += 60_000

        return serve

    async with peer(handler) as server:
        client = HttpClient()
        got = 0
        async with client.request("GET", server.url, timeouts=Timeouts(idle=0.5)) as response:
            async for chunk in response:
                if not got:
                    await asyncio.sleep(0.7)
                    assert sent < body / 2
                got += len(chunk)
        assert got == body
        await client.aclose()


async def test_leaving_early_closes_the_socket() -> None:
    async with peer(keeping(chunked(b"x", end=False))) as server:
        client = HttpClient()
        async with client.request("GET", server.url) as response:
            assert await anext(response) == b"x"
        await server.all_closed()
        assert client.open_connections == 0


async def test_a_cancelled_request_closes_the_socket() -> None:
    async with peer(keeping(b"")) as server:
        client = HttpClient()
        task = asyncio.ensure_future(fetch(client, server.url))
        await server.asked()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.all_closed()
        assert client.open_connections == 0


async def test_connections_are_bounded_and_shared_in_turn() -> None:
    async with peer(answering(*[whole(b"ok")] * 50)) as server:
        client = HttpClient(limits=Limits(connections=2))
        answers = await asyncio.gather(*[fetch(client, server.url) for _ in range(40)])
        assert answers == [b"ok"] * 40
        assert server.connections == client.open_connections == 2
        await client.aclose()
        await server.all_closed()


async def test_waiting_for_a_connection_has_a_limit_and_can_be_cancelled() -> None:
    async with peer(keeping(b"")) as server:
        client = HttpClient(limits=Limits(connections=1))
        busy = asyncio.ensure_future(fetch(client, server.url))
        await server.asked()
        waiting = asyncio.ensure_future(fetch(client, server.url))
        with pytest.raises(ProviderOverloaded, match="all 1 connections were busy"):
            await fetch(client, server.url, Timeouts(connect=0.05))
        waiting.cancel()
        busy.cancel()
        await asyncio.gather(busy, waiting, return_exceptions=True)
        assert client.open_connections == 0


async def test_the_place_of_a_broken_connection_goes_to_the_next_in_the_queue() -> None:
    async with peer(answering(b"nonsense\r\n\r\n")) as server:
        client = HttpClient(limits=Limits(connections=1))
        results = await asyncio.gather(*[fetch(client, server.url) for _ in range(3)], return_exceptions=True)
        assert [type(result) for result in results] == [ProviderDown] * 3
        assert (server.connections, client.open_connections) == (3, 0)


async def test_idle_connections_end_when_they_are_old_or_when_the_peer_talks_out_of_turn() -> None:
    def chatty(seen: Peer) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await seen.read(reader)
            writer.write(whole(b"ok"))
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(whole(b"unasked"))
            await reader.read()

        return serve

    async with peer(keeping(whole(b"ok"))) as quiet, peer(chatty) as talking:
        client = HttpClient(limits=Limits(keep_alive=0.1))
        await fetch(client, quiet.url)
        await fetch(client, talking.url)
        await quiet.all_closed()
        await talking.all_closed()
        assert client.open_connections == 0


async def test_a_second_response_in_the_same_breath_is_dropped_with_its_connection() -> None:
    async with peer(keeping(whole(b"ok") + whole(b"smuggled"))) as server:
        client = HttpClient()
        assert await fetch(client, server.url) == b"ok"
        await server.all_closed()


async def test_a_closed_client_refuses_and_leaks_nothing() -> None:
    async with peer(keeping(b"", whole(b""))) as server:
        client = HttpClient(limits=Limits(connections=1))
        busy = asyncio.ensure_future(fetch(client, server.url))
        await server.asked()
        waiting = asyncio.ensure_future(fetch(client, server.url))
        await asyncio.sleep(0)
        await client.aclose()
        with pytest.raises(ProviderDown, match="closed"):
            await waiting
        with pytest.raises(ProviderDown, match="closed"):
            await fetch(client, server.url)
        busy.cancel()
        await asyncio.wait([busy])
        await server.all_closed()
        assert client.open_connections == 0


@pytest.mark.promise("inj-5")
@pytest.mark.parametrize(
    ("method", "url", "header"),
    [
        ("GET", "http://x/", ("a", "b\r\nc: d")),
        ("GET", "http://x/", ("a", "b\0")),
        ("GET", "http://x/", ("a\r\n", "b")),
        ("GET", "http://x/", ("a:", "b")),
        ("GET", "http://x/", ("a", "日")),
        ("GET /", "http://x/", ("a", "b")),
        ("GET", "http://x/\r\nh: 1", ("a", "b")),
        ("GET", "http://x/ y", ("a", "b")),
        ("GET", "http://x y/", ("a", "b")),
        ("GET", "http:///", ("a", "b")),
        ("GET", "http://x:99999/", ("a", "b")),
        ("GET", "http://me:secret@x/", ("a", "b")),
        ("GET", "ftp://x/", ("a", "b")),
    ],
)
async def test_what_could_smuggle_is_refused_before_anything_is_sent(
    method: str, url: str, header: tuple[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        HttpClient().request(method, url, (header,))
    assert "secret" not in str(caught.value)


async def test_tls_is_verified(certificate: Path) -> None:
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate)
    async with peer(answering(whole(b"private")), tls=ours) as server:
        trusting = HttpClient(tls=ssl.create_default_context(cafile=str(certificate)))
        assert await fetch(trusting, server.url) == b"private"
        with pytest.raises(ProviderDown, match="bad certificate"):
            await fetch(HttpClient(), server.url)
        await trusting.aclose()


async def test_plain_http_where_tls_is_expected_is_down() -> None:
    def plain(seen: Peer) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(whole(b"x"))
            await writer.drain()

        return serve

    async with peer(plain) as server:
        with pytest.raises(ProviderDown, match=r"TLS with|cannot connect"):
            await fetch(HttpClient(), server.url.replace("http", "https"))
