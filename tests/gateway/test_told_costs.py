"""What clients are told of tokens, money and waiting."""

import msgspec
import openai
import pytest

from moat.domain.calls import Attempt, Call, Delta, Deployment, Finished
from moat.domain.errors import GuardBlocked, LimitExceeded, Overloaded
from moat.domain.usage import Usage, from_usd
from moat.gateway.format import Format
from moat.gateway.formats.anthropic import AnthropicMessages
from moat.gateway.formats.gemini_answer import ResponseEncoder as GeminiEncoder
from moat.gateway.formats.gemini_answer import response_body
from moat.gateway.formats.openai_chat import OpenAIChat
from moat.gateway.formats.openai_operations import Passing
from moat.gateway.formats.responses import OpenAIResponses
from moat.gateway.http import error_headers
from moat.testing.fakes import new_call
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import Start

HELLO = [{"role": "user", "content": "Hi there"}]
COUNTS = Delta(usage=Usage(input=3))
END = Finished(reason="stop", usage=Usage(input=3, output=1))


@pytest.mark.parametrize("format", [OpenAIChat(), AnthropicMessages(), OpenAIResponses()])
def test_counts_on_the_way_are_no_bytes(format: Format) -> None:
    call = new_call(stream=True)
    encoder = format.encoder(call)
    assert encoder.encode(COUNTS) == b""
    assert encoder.encode(Delta(text="Hi"))
    assert encoder.encode(COUNTS) == b""
    raw = Delta(text="Hi", raw=b'{"the": "provider\'s"}')
    if not isinstance(format, OpenAIResponses):
        assert format.body(call, [COUNTS, raw, COUNTS, END])[0] == raw.raw
        native = format.encoder(call)
        assert native.encode(COUNTS) + native.encode(raw) + native.encode(COUNTS) + native.encode(raw) == raw.raw * 2


def test_nor_are_they_for_googles_clients_and_other_operations() -> None:
    encoder, raw = GeminiEncoder(new_call(stream=True)), Delta(text="Hi", raw=b"data: {}\n\n")
    assert encoder.encode(COUNTS) == b""
    assert encoder.encode(raw) == raw.raw
    assert encoder.encode(COUNTS) == b""
    assert encoder.encode(raw) == raw.raw
    assert response_body(new_call(), [COUNTS, raw, END]) == raw.raw
    assert Passing(b"").encode(COUNTS) == b""


def test_an_uncounted_chat_tells_the_estimate_that_is_recorded() -> None:
    call = new_call(stream=True, stream_options={"include_usage": True})
    attempt = Attempt(span_id="s", deployment=Deployment("p", "m"), started_ns=1)
    call.journal.attempts.append(attempt)
    encoder = OpenAIChat().encoder(call)
    out = encoder.encode(Delta(text="Hi")) + encoder.encode(Finished(reason="stop"))
    assert b"usage" not in out
    attempt.usage = Usage(input=7, output=2, estimated=True)
    end = encoder.end()
    chunk = msgspec.json.decode(end.split(b"\n\n")[0].removeprefix(b"data: "))
    assert (chunk["choices"], chunk["usage"]["prompt_tokens"], chunk["usage"]["total_tokens"]) == ([], 7, 9)
    assert end.endswith(b"data: [DONE]\n\n")
    counted = OpenAIChat().encoder(call)
    assert counted.encode(END).count(b'prompt_tokens":3') == 1
    assert counted.end() == b"data: [DONE]\n\n"


def test_the_sdk_gets_an_estimate_where_nobody_counted(start: Start) -> None:
    gateway = start(ScriptedProvider([Delta(text="Hello you"), Finished(reason="stop")]))
    whole = gateway.client().chat.completions.create(model="assistant", messages=HELLO)  # type: ignore[call-overload]
    assert whole.usage.prompt_tokens > 0
    assert whole.usage.completion_tokens > 0
    stream = gateway.client().chat.completions.create(  # type: ignore[call-overload]
        model="assistant", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    (told,) = [chunk.usage for chunk in stream if chunk.usage]
    assert (told.prompt_tokens, told.completion_tokens) == (whole.usage.prompt_tokens, whole.usage.completion_tokens)


@pytest.mark.parametrize(("retry_after", "said"), [(None, True), (61.0, True), (60.0, False), (1.0, False)])
def test_a_limit_that_waiting_does_not_help_says_so(retry_after: float | None, said: bool) -> None:
    error = LimitExceeded("used up", retry_after=retry_after)
    assert ((b"x-should-retry", b"false") in error_headers(error, "r")) == said
    assert not any(name == b"x-should-retry" for name, _ in error_headers(Overloaded("busy"), "r"))


def test_what_a_guard_stopped_says_so() -> None:
    assert (b"x-moat-guard", b"block") in error_headers(GuardBlocked("found swearing"), "r")
    assert b"x-moat-guard" not in dict(error_headers(Overloaded("busy"), "r"))


def test_whole_answers_say_what_they_cost(start: Start) -> None:
    gateway = start(ScriptedProvider([Delta(text="Hi"), END]))
    raw = gateway.client().chat.completions.with_raw_response
    told = raw.create(model="assistant", messages=HELLO).headers  # type: ignore[arg-type]
    (root,) = gateway.spool.calls
    assert root.cost
    assert from_usd(told["x-moat-cost"]) == root.cost
    streamed = raw.create(model="assistant", messages=HELLO, stream=True)  # type: ignore[call-overload]
    assert "x-moat-cost" not in streamed.headers


def test_the_sdk_asks_once_when_a_budget_is_used_up(start: Start) -> None:
    calls: list[Call] = []

    class UsedUp:
        def watches(self, call: Call) -> bool:
            return True

        async def admit(self, call: Call) -> Call:
            calls.append(call)
            raise LimitExceeded("the budget is used up")

    gateway = start(ScriptedProvider("Hi"), ledger=UsedUp())
    client = gateway.client().with_options(max_retries=openai.DEFAULT_MAX_RETRIES)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="assistant", messages=HELLO)  # type: ignore[arg-type]
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(calls) == 1
