"""The server that fails on purpose: what it sends, what it bills, and how it is told."""

import asyncio
import gzip
import json
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic, InternalServerError
from openai import InternalServerError as OpenAIServerError
from openai import OpenAI, RateLimitError

from moat.domain.errors import DocumentError, InputError
from moat.testing.faults import Script, read_script
from moat.testing.faults_choice import Choice, parse_fault
from moat.testing.faults_connection import COUNTS_PATH
from moat.testing.faults_kinds import FAULTS
from moat.testing.faults_server import FaultServer, faulty, serving_faults
from moat.testing.faults_wire import Asked
from tests.bootstrap.projects import MOAT, environment, in_process

HELLO: Any = [{"role": "user", "content": "Hello"}]
CHAT, MESSAGES, EMBEDDINGS = "/v1/chat/completions", "/v1/messages", "/v1/embeddings"


def ask(server: FaultServer, body: bytes, *, path: str = CHAT, headers: str = "") -> bytes:
    """Everything that comes, until the answer is complete or the connection ends."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        got = b""
        try:
            while not complete(got) and (piece := client.recv(65536)):
                got += piece
        except ConnectionResetError as end:
            return got + type(end).__name__.encode()
    return got


def complete(answer: bytes) -> bool:
    """Has it the length that it says, or the mark of its last chunk?"""
    head, found, body = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return bool(found and length and len(body) >= int(length[1]))


def chat(fault: str = "", **more: Any) -> bytes:
    return json.dumps({"model": f"fault:{fault}" if fault else "large", "messages": HELLO, **more}).encode()


def test_official_clients_are_answered_and_billed() -> None:
    with faulty(Script(words=4)) as server:
        with OpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=0) as openai:
            whole = openai.chat.completions.create(model="large", messages=HELLO)
            options: Any = {"include_usage": True}
            chunks = list(
                openai.chat.completions.create(model="large", messages=HELLO, stream=True, stream_options=options)
            )
            vectors = openai.embeddings.create(model="small", input=["a", "b"], encoding_format="float")
            with pytest.raises(RateLimitError) as raised:
                openai.chat.completions.create(model="fault:429,retry_after=3", messages=HELLO)
        with Anthropic(base_url=server.url, api_key="x", max_retries=0) as anthropic:
            message = anthropic.messages.create(model="large", max_tokens=2, messages=HELLO)
            with anthropic.messages.stream(model="large", max_tokens=100, messages=HELLO) as stream:
                final = stream.get_final_message()
            with pytest.raises(InternalServerError):
                anthropic.messages.create(model="fault:529", max_tokens=2, messages=HELLO)
        assert whole.choices[0].message.content == "This answer is simulated"
        assert whole.model == "simulated/large"
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "This answer is simulated"
        assert len(vectors.data) == 2
        assert raised.value.response.headers["retry-after"] == "3"
        assert raised.value.response.headers["x-moat-simulated"] == "true"
        assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 2)
        assert final.usage.output_tokens == 4
        reported = [
            (whole.usage.prompt_tokens, whole.usage.completion_tokens) if whole.usage else None,
            (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) if chunks[-1].usage else None,
            (vectors.usage.prompt_tokens, 0),
            (0, 0),
            (message.usage.input_tokens, message.usage.output_tokens),
            (final.usage.input_tokens, final.usage.output_tokens),
            (0, 0),
        ]
        assert [(bill.input, bill.output) for bill in server.books.bills] == reported
        counts = server.books.counts()
    assert counts["billed"] == {"input": sum(r[0] for r in reported if r), "output": sum(r[1] for r in reported if r)}
    assert counts["requests"] == 7
    assert counts["faults"] == {"429": 1, "529": 1, "none": 5}


SENT = {
    "reset": b"ConnectionResetError",
    "close": b"",
    "hang,seconds=0.05": b"",
    "reset-head": b"ConnectionResetError",
    "html-502": b"<h1>",
    "redirect": b"location: http://203.0.113.1/",
    "gzip": b"content-encoding: gzip",
    "error-200": b'"error"',
    "invalid-utf8": b"\xff\xfe",
    "lone-surrogate": rb"\ud83d",
    "usage-absurd": b"1000000000000000000",
    "two-lengths": b"content-length: 7",
    "null": b"null",
    "429,retry_after=0.25,retry_form=ms": b"retry-after-ms: 250",
    "503,retry_after=60,retry_form=date": b" GMT\r\n",
}


@pytest.mark.parametrize("path", [CHAT, MESSAGES, EMBEDDINGS])
@pytest.mark.parametrize("fault", SENT)
def test_what_goes_out(fault: str, path: str) -> None:
    if path == EMBEDDINGS and fault in ("invalid-utf8", "lone-surrogate"):
        return  # there are no words in a vector
    with faulty() as server:
        got = ask(server, chat(fault), path=path)
    assert SENT[fault] in got


def test_what_is_billed_is_what_was_produced() -> None:
    with faulty(Script(words=5)) as server:
        for fault, output in {
            "reset-body": 2,
            "close-body,after=3": 3,
            "usage-zero": 0,
            "usage-missing": 5,
            "500": 0,
        }.items():
            ask(server, chat(fault, stream=True))
            assert server.books.bills[-1].output == output, fault
            assert server.books.bills[-1].fault == fault.partition(",")[0]
        ask(server, chat("reset"))
        assert server.books.bills[-1].input == 0


def test_gzip_is_gzip() -> None:
    with faulty() as server:
        _, _, body = ask(server, chat("gzip")).partition(b"\r\n\r\n")
    assert "simulated" in gzip.decompress(body).decode()


def test_a_request_may_name_its_fault_in_a_header() -> None:
    with faulty() as server:
        assert b"HTTP/1.1 418 " in ask(server, chat(), headers="x-moat-fault: 418\r\n")
        wrong = ask(server, chat("hnag"))
    assert b"HTTP/1.1 400 " in wrong
    assert b"Did you mean 'hang'?" in wrong


def test_what_it_does_not_serve() -> None:
    with faulty() as server:
        assert b"HTTP/1.1 404 " in ask(server, b"{}", path="/v1/nothing")
        assert b"not a JSON object" in ask(server, b"[]")
        assert b"`model` must be text" in ask(server, b'{"model": 7}')
        assert b"HTTP/1.1 400 " in ask(server, b"", headers="transfer-encoding: chunked\r\n")
        assert server.books.billed.input == 0


def test_faults_are_drawn_by_the_seed_and_counted() -> None:
    asked = Asked(number=1, path=CHAT, model="large")

    def struck(script: Script) -> list[bool]:
        choice = Choice(script)
        return [choice.choose(asked, {}) is not None for _ in range(200)]

    some = struck(Script(faults=(parse_fault("500,rate=0.25"),), seed=3))
    assert some == struck(Script(faults=(parse_fault("500,rate=0.25"),), seed=3))
    assert some != struck(Script(faults=(parse_fault("500,rate=0.25"),), seed=4))
    assert 20 < sum(some) < 80
    turn = struck(Script(faults=(parse_fault("500,skip=2,first=3"),)))
    assert turn == [False, False, True, True, True, *[False] * 195]
    other = Choice(Script(faults=(parse_fault("500,model=small"), parse_fault("503,endpoint=/completions"))))
    chosen = other.choose(asked, {})
    assert chosen is not None
    assert chosen.status == 503
    assert other.choose(Asked(number=1, path=EMBEDDINGS, model="large"), {}) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "there is no fault"),
        ("399", "no error status"),
        ("200", "no error status"),
        ("reset,rate", "not key=value"),
        ("reset,speed=7", "Keys: rate"),
        ("reset,rate=2", "<= 1.0"),
        ("reset,rate=often", "Expected"),
        ("", "there is no fault"),
    ],
)
def test_what_is_no_fault(text: str, said: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_fault(text)
    assert said in str(raised.value)


def test_scripts_are_read_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("seed: 7\nwords: 3\nfaults:\n  - {fault: reset-body, model: large}\n  - {fault: 503, first: 2}\n")
    script = read_script(path)
    assert [str(fault.kind) for fault in script.faults] == ["reset-body", "503"]
    assert script.faults[1].status == 503
    path.write_text("faults:\n  - {fault: 503}\n  - {fault: reset, rat: 1}\n")
    with pytest.raises(DocumentError, match=r"faults\.yaml:3: .*Did you mean 'rate'"):
        read_script(path)
    path.write_text("faults:\n  - {fault: rset}\n")
    with pytest.raises(InputError, match="Did you mean 'reset'"):
        FaultServer(read_script(path))


def test_it_accepts_no_connection_for_a_while() -> None:
    with faulty() as server:
        assert ask(server, chat("refuse,seconds=3")).endswith(b"ConnectionResetError")
        with pytest.raises(ConnectionRefusedError):
            ask(server, chat())
        for _ in range(200):
            try:
                assert b"200 OK" in ask(server, chat())
                return
            except ConnectionRefusedError:
                time.sleep(0.05)
    raise AssertionError("it did not come back")


@pytest.mark.anyio
async def test_it_ends_with_its_block_and_counts_over_http() -> None:
    async with serving_faults(FaultServer()) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        body = chat("hang")
        writer.write(b"POST %s HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (CHAT.encode(), len(body)) + body)
        asking, counts = await asyncio.open_connection(host, int(port))
        counts.write(f"GET {COUNTS_PATH} HTTP/1.1\r\n\r\n".encode())
        assert b'"simulated":true' in await asking.readuntil(b"}}")
        counts.close()
        async with asyncio.timeout(10):
            while not server.books.billed.requests:  # noqa: ASYNC110 - a counter
                await asyncio.sleep(0.01)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()


def test_the_command_checks_what_it_is_given(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "Did you mean 'reset'" in in_process(capsys, "simulate", "--fault", "rest").err
    assert "give one of" in in_process(capsys, "simulate").err
    assert in_process(capsys, "simulate", "--fault", "reset", "--rules", "x.yaml").code == 65
    assert in_process(capsys, "simulate", "--faults", str(tmp_path / "none.yaml")).code in (65, 66)
    listed = in_process(capsys, "simulate", "--list-faults")
    assert listed.code == 0
    assert all(name in listed.out for name in FAULTS)


def test_the_command_serves_until_it_is_stopped_and_says_what_it_billed() -> None:
    command = [MOAT, "simulate", "--fault", "503,first=1", "--port", "0"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment()
    ) as run:
        assert run.stderr is not None
        url = re.search(r"http://[\d.]+:\d+", run.stderr.readline())
        assert url is not None
        with OpenAI(base_url=f"{url[0]}/v1", api_key="x", max_retries=0) as client:
            with pytest.raises(OpenAIServerError):
                client.chat.completions.create(model="large", messages=HELLO)
            assert client.chat.completions.create(model="large", messages=HELLO).usage
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=20)
    assert run.returncode == 0
    assert "2 requests, billed 12 input and 12 output tokens" in said
    assert re.search(r"1\s+none\n\s+1\s+503", said)
