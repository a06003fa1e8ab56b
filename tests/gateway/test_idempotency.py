"""The `idempotency-key` header: one upstream call for one key, whoever asks how often."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from moat.domain.calls import Call, Delta, Event, Finished
from moat.domain.errors import ConflictError, ProviderDown, RequestError, Stopped
from moat.domain.keys import Key
from moat.domain.usage import Usage
from moat.gateway.http import Message, Send
from moat.gateway.idempotency import KEEP_SECONDS, MAX_ANSWER, OVERHEAD, Answers, asked
from moat.testing.scripted import ScriptedProvider, says
from tests.gateway.conftest import SECRET, Running, Start

HELLO: Any = [{"role": "user", "content": "Hello"}]
DEADLINE = 30.0


class Gated:
    """Answers in two pieces, the second when it is let."""

    def __init__(self) -> None:
        self.calls = 0
        self.go = threading.Event()
        self.begun = threading.Event()

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        self.calls += 1
        yield Delta(text=f"answer {self.calls}, ")
        self.begun.set()
        while not self.go.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.005)
        yield Delta(text="to the end")
        yield Finished(reason="stop", usage=Usage(input=10, output=5))

    async def aclose(self) -> None:
        pass


def ask(running: Running, key: str | None, *, secret: str = SECRET, **body: Any) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one chat request."""
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=DEADLINE)
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    if key is not None:
        headers["idempotency-key"] = key
    content = json.dumps({"model": "assistant", "messages": HELLO, **body})
    try:
        connection.request("POST", "/v1/chat/completions", content, headers)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.promise("money-10")
@pytest.mark.parametrize("stream", [False, True])
def test_in_parallel_one_call_is_made_and_everybody_gets_its_answer(start: Start, stream: bool) -> None:
    provider = Gated()
    running = start(provider)
    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, running, "order-1", stream=stream) for _ in range(8)]
        assert provider.begun.wait(DEADLINE)
        time.sleep(0.05)  # the others arrive meanwhile; later ones would get the same
        provider.go.set()
        answers = [future.result() for future in asking]
    assert {(status, body) for status, _, body in answers} == {(200, answers[0][2])}
    assert b"to the end" in answers[0][2]
    assert sorted(headers.get("idempotent-replayed", "") for _, headers, _ in answers) == [""] + ["true"] * 7
    assert len({headers["x-request-id"] for _, headers, _ in answers}) == 1
    assert provider.calls == 1
    assert len(running.spool.calls) == 1


@pytest.mark.promise("money-10")
@pytest.mark.parametrize("stream", [False, True])
def test_asked_again_it_is_the_same_answer(start: Start, stream: bool) -> None:
    running = start(ScriptedProvider("first answer", "second answer"))
    first, second = ask(running, "order-1", stream=stream), ask(running, "order-1", stream=stream)
    assert first[2] == second[2]
    assert (first[1].get("idempotent-replayed"), second[1]["idempotent-replayed"]) == (None, "true")
    assert first[1]["content-type"] == second[1]["content-type"]
    assert len(running.provider.calls) == 1
    assert b"second" in ask(running, "order-2", stream=stream)[2]
    assert b"second" in ask(running, None, stream=stream)[2]


def test_the_official_sdk_sends_it_as_a_header(start: Start) -> None:
    running = start(ScriptedProvider("first answer", "second answer"))
    client = running.client()
    for _ in range(2):
        completion = client.chat.completions.create(
            model="assistant", messages=HELLO, extra_headers={"Idempotency-Key": "order-1"}
        )
        assert completion.choices[0].message.content == "first answer"
        stream = client.chat.completions.create(
            model="assistant", messages=HELLO, stream=True, extra_headers={"Idempotency-Key": "order-2"}
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "second answer"
    assert len(running.provider.calls) == 2


@pytest.mark.promise("money-10")
def test_another_request_under_the_key_is_refused(start: Start) -> None:
    running = start(ScriptedProvider("first", "second"))
    assert ask(running, "order-1")[0] == 200
    for other in ({"temperature": 1}, {"stream": True}, {"messages": [*HELLO, *HELLO]}):
        status, _, body = ask(running, "order-1", **other)
        assert (status, json.loads(body)["error"]["param"]) == (422, "idempotency-key")
    with pytest.raises(openai.UnprocessableEntityError, match="another request"):
        running.client().chat.completions.create(
            model="spare", messages=HELLO, extra_headers={"Idempotency-Key": "order-1"}
        )
    assert len(running.provider.calls) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_after_an_error_the_key_makes_a_new_call(start: Start, stream: bool) -> None:
    broken = [Delta(text="half an ans"), ProviderDown("cut")]
    running = start(ScriptedProvider(ProviderDown("away"), broken, says("whole")))
    assert ask(running, "order-1", stream=stream)[0] == 502
    status, _, body = ask(running, "order-1", stream=stream)
    assert (status, b"provider_down" in body) == ((200, True) if stream else (502, True))
    assert b"whole" in ask(running, "order-1", stream=stream)[2]
    assert b"whole" in ask(running, "order-1", stream=stream)[2]
    assert len(running.provider.calls) == 3


@pytest.mark.promise("gate-7")
def test_keys_of_others_are_others(start: Start) -> None:
    keys = {SECRET: Key(id="key_1", hash="", tenant="acme"), "mk-other": Key(id="key_2", hash="", tenant="globex")}
    running = start(ScriptedProvider("for acme", "for globex"), keys=keys)
    assert b"for acme" in ask(running, "order-1")[2]
    status, headers, body = ask(running, "order-1", secret="mk-other")
    assert (status, b"for globex" in body, "idempotent-replayed" in headers) == (200, True, False)


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tinside", "caf\xe9"])
def test_a_key_that_is_none_is_refused(start: Start, key: str) -> None:
    running = start(ScriptedProvider("no"))
    status, _, body = ask(running, key)
    assert (status, json.loads(body)["error"]["param"]) == (400, "idempotency-key")
    assert running.provider.calls == []


def test_who_hangs_up_finds_the_answer_later(start: Start) -> None:
    provider = Gated()
    running = start(provider)
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=DEADLINE)
    headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json", "idempotency-key": "order-1"}
    content = json.dumps({"model": "assistant", "messages": HELLO})
    connection.request("POST", "/v1/chat/completions", content, headers)
    assert provider.begun.wait(DEADLINE)
    connection.close()
    time.sleep(0.1)  # longer than a hang-up takes to be seen
    provider.go.set()
    eventually(lambda: bool(running.spool.calls))
    assert running.spool.calls[0].error == ""
    status, headers_, body = ask(running, "order-1")
    assert (status, headers_["idempotent-replayed"], b"answer 1" in body) == (200, "true", True)
    assert provider.calls == 1


# --- the store itself, with a clock of its own ---


def answering(text: str, *, complete: bool = True, status: int = 200) -> Callable[[Send], Any]:
    async def make(send: Send) -> bool:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": text.encode()})
        return complete

    return make


async def get(answers: Answers, key: str, text: str, body: bytes = b"", **how: Any) -> str:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await answers.answer(asked("key_1", key, body), answering(text, **how), send)
    return b"".join(message.get("body", b"") for message in sent).decode()


@pytest.mark.anyio
async def test_answers_are_kept_for_a_day() -> None:
    now = 0.0
    answers = Answers(now=lambda: now)
    assert await get(answers, "a", "one") == "one"
    now = KEEP_SECONDS - 1
    assert await get(answers, "b", "two") == "two"
    assert await get(answers, "a", "new") == "one"
    now = KEEP_SECONDS
    assert [await get(answers, key, "new") for key in "ab"] == ["new", "two"]


@pytest.mark.anyio
async def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    answers = Answers(max_bytes=3 * (OVERHEAD + 10))
    for key in "abcd":
        await get(answers, key, key * 10)
    assert [await get(answers, key, "new") for key in "dcb"] == ["d" * 10, "c" * 10, "b" * 10]
    assert await get(answers, "a", "new") == "new"
    huge = "x" * MAX_ANSWER
    assert await get(answers, "huge", huge) == huge
    assert await get(answers, "huge", "new") == "new", "what is too large is not kept"


@pytest.mark.anyio
async def test_a_call_that_broke_off_without_a_word_says_so() -> None:
    answers = Answers()

    async def stopped(send: Send) -> bool:
        raise Stopped("the server ends")

    async def buggy(send: Send) -> bool:
        raise ZeroDivisionError

    async def send(message: Message) -> None:
        raise AssertionError("nothing is sent")

    with pytest.raises(Stopped, match="the server ends"):
        await answers.answer(asked("key_1", "a"), stopped, send)
    with pytest.raises(ZeroDivisionError):
        await answers.answer(asked("key_1", "a"), buggy, send)
    assert await get(answers, "a", "new") == "new"


@pytest.mark.anyio
async def test_a_request_that_is_cancelled_ends_its_call_before_itself() -> None:
    answers, ended = Answers(), asyncio.Event()
    begun = asyncio.Event()

    async def make(send: Send) -> bool:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()
        return True

    async def send(message: Message) -> None:
        pass

    first = asyncio.create_task(answers.answer(asked("key_1", "a"), make, send))
    await begun.wait()
    second = asyncio.create_task(answers.answer(asked("key_1", "a"), make, send))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert ended.is_set()
    with pytest.raises(Stopped, match="Send it again"):
        await second


@pytest.mark.anyio
async def test_a_client_that_takes_nothing_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moat.gateway.idempotency.STALL_SECONDS", 0.02)
    answers = Answers()

    async def stalled(message: Message) -> None:
        await asyncio.Event().wait()

    await answers.answer(asked("key_1", "a", b""), answering("one"), stalled)
    assert await get(answers, "a", "new") == "one"


def test_the_parts_of_a_request_do_not_run_into_each_other() -> None:
    assert asked("k", "a", b"ab", b"c").digest != asked("k", "a", b"a", b"bc").digest
    for key in ("", "\n", "ü"):
        with pytest.raises(RequestError):
            asked("k", key)


@pytest.mark.anyio
async def test_a_changed_body_is_refused_while_the_call_runs_too() -> None:
    answers = Answers()
    await get(answers, "a", "one", b"body")
    with pytest.raises(ConflictError) as raised:
        await get(answers, "a", "one", b"other")
    assert raised.value.status == 422
