"""The official OpenAI SDK against the gateway, over a real socket."""

import json
import socket
import time
import urllib.error
import urllib.request
from dataclasses import replace
from urllib.parse import urlsplit

import openai
import pytest

from moat.domain.calls import Delta, Finished, ToolCallDelta
from moat.domain.errors import ProviderDown, ProviderOverloaded, StreamCut
from moat.domain.keys import Key
from moat.domain.releases import MessageTemplate, PromptVersion, Release, Variable, prompt_digest
from moat.domain.usage import Usage
from moat.gateway import endpoint
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import SECRET, Running, Start

HELLO = [{"role": "user", "content": "Hello"}]

GREETING = PromptVersion(
    name="team/greeting",
    version="1.2.0",
    messages=(MessageTemplate("user", "Greet {{ name }}"),),
    model="assistant",
    variables={"name": Variable()},
)
RELEASE = Release(
    id="rel_0123456789abcdef",
    content=GREETING,
    prompt_digest=prompt_digest(GREETING),
)


def test_an_answer_that_is_not_streamed(start: Start) -> None:
    gateway = start(ScriptedProvider("Good morning to you"))

    answer = gateway.client().chat.completions.create(model="assistant", messages=HELLO, user="ada")

    assert answer.choices[0].message.content == "Good morning to you"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 15
    call = gateway.spool.calls[0]
    assert (call.tenant, call.user, call.key, call.environment) == ("acme", "ada", "key_1", "production")


def test_a_streamed_answer_ends_with_usage_only_when_asked(start: Start) -> None:
    gateway = start(ScriptedProvider("Good morning to you"))

    def pieces(**options: object) -> tuple[str, int, int]:
        stream = gateway.client().chat.completions.create(model="assistant", messages=HELLO, stream=True, **options)
        chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        ends = sum(1 for c in chunks if c.choices and c.choices[0].finish_reason == "stop")
        return text, ends, sum(1 for c in chunks if c.usage)

    assert pieces() == ("Good morning to you", 1, 0)
    assert pieces(stream_options={"include_usage": True}) == ("Good morning to you", 1, 1)


def test_tool_calls_come_whole_and_streamed(start: Start) -> None:
    steps = [
        Delta(tool_calls=(ToolCallDelta(index=0, id="call_1", name="look_up", arguments='{"id"'),)),
        Delta(tool_calls=(ToolCallDelta(index=0, arguments=": 7}"),)),
        Finished(reason="tool_calls", usage=Usage(input=1, output=1)),
    ]
    client = start(ScriptedProvider(steps)).client()

    message = client.chat.completions.create(model="assistant", messages=HELLO).choices[0].message
    stream = client.chat.completions.create(model="assistant", messages=HELLO, stream=True)
    streamed = "".join(
        c.choices[0].delta.tool_calls[0].function.arguments for c in stream if c.choices[0].delta.tool_calls
    )

    assert (message.tool_calls[0].function.name, message.tool_calls[0].function.arguments) == (
        "look_up",
        '{"id": 7}',
    )
    assert streamed == '{"id": 7}'


def test_a_prompt_is_named_as_openai_does_it(start: Start) -> None:
    gateway = start(ScriptedProvider("Hi Bo"), GREETING, released={("team/greeting", "production"): RELEASE})
    client = gateway.client()
    prompt = {"id": "team/greeting", "variables": {"name": "Bo"}}

    raw = client.chat.completions.with_raw_response.create(
        model="ignored-without-alias", messages=[], extra_body={"prompt": prompt, "model": ""}
    )

    assert raw.parse().choices[0].message.content == "Hi Bo"
    assert raw.headers["x-moat-release"] == RELEASE.id
    assert raw.headers["x-moat-prompt"] == "team/greeting@1.2.0"
    assert raw.headers["x-request-id"] == gateway.spool.calls[0].request_id
    assert gateway.provider.calls[0].messages == [{"role": "user", "content": "Greet Bo"}]
    assert (gateway.spool.calls[0].release, gateway.spool.calls[0].version) == (RELEASE.id, "1.2.0")


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_is_named_as_a_model(start: Start, stream: bool) -> None:
    gateway = start(ScriptedProvider("Hi Bo"), GREETING, released={("team/greeting", "staging"): RELEASE})

    raw = gateway.client().chat.completions.with_raw_response.create(
        model="prompt:team/greeting@staging", messages=[{"role": "user", "content": "Bo"}], stream=stream
    )

    assert raw.headers["x-moat-release"] == RELEASE.id
    raw.http_response.close()
    assert gateway.provider.calls[0].messages == [{"role": "user", "content": "Greet Bo"}]
    assert gateway.provider.calls[0].caller.environment == "staging"


def test_an_exact_version_can_be_asked_for(start: Start) -> None:
    gateway = start(ScriptedProvider("Hi"), GREETING)
    prompt = {"id": "team/greeting", "version": "1.2.0", "variables": {"name": "Bo"}}

    raw = gateway.client().chat.completions.with_raw_response.create(
        model="assistant", messages=[], extra_body={"prompt": prompt}
    )

    assert raw.headers["x-moat-prompt"] == "team/greeting@1.2.0"
    assert "x-moat-release" not in raw.headers


def test_models_lists_aliases_and_released_prompts(start: Start) -> None:
    keys = {SECRET: Key(id="key_1", hash=""), "mk-narrow": Key(id="key_2", hash="", models=("spare",))}
    gateway = start(ScriptedProvider(), GREETING, released={("team/greeting", "production"): RELEASE}, keys=keys)

    everything = [model.id for model in gateway.client().models.list()]
    narrow = [model.id for model in gateway.client("mk-narrow").models.list()]

    assert everything == ["assistant", "spare", "prompt:team/greeting@production"]
    assert narrow == ["spare", "prompt:team/greeting@production"]


def test_errors_have_openais_shape_and_say_what_to_do(start: Start) -> None:
    client = start(ScriptedProvider("never"), GREETING).client()

    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-missing", messages=HELLO)
    with pytest.raises(openai.BadRequestError) as missing:
        client.chat.completions.create(
            model="", messages=[], extra_body={"prompt": {"id": "team/greeting", "version": "1.2.0"}}
        )

    assert unknown.value.code == "not_found"
    assert "assistant" in unknown.value.message
    assert "name" in missing.value.message


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"model": "assistant"}, "messages"),
        ({"model": "assistant", "messages": []}, "messages"),
        ({"model": "assistant", "messages": "hi"}, "messages"),
        ({"model": "assistant", "messages": [{"content": "hi"}]}, "messages[0]"),
        ({"model": "assistant", "messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"model": 5, "messages": HELLO}, "model"),
        ({"messages": HELLO}, "model"),
        ({"model": "assistant", "messages": HELLO, "stream": "yes"}, "stream"),
        ({"model": "assistant", "messages": HELLO, "stream_options": 1}, "stream_options"),
        ({"prompt": "greeting"}, "prompt"),
        ({"prompt": {"id": "greeting", "versoin": "1"}}, "prompt.versoin"),
        ({"prompt": {"id": "greeting", "variables": []}}, "prompt.variables"),
        ({"prompt": {"id": "greeting@staging", "version": "1.0.0"}}, "prompt.version"),
        ({"model": "prompt:", "messages": HELLO}, "model"),
        ({"model": "x" * 1000, "messages": HELLO}, "model"),
        ({"prompt": {"id": "x" * 1000}}, "prompt.id"),
    ],
)
@pytest.mark.promise("up-3")
def test_a_malformed_request_names_the_parameter(start: Start, body: object, parameter: str) -> None:
    gateway = start(ScriptedProvider("never"))

    status, answer = post(gateway, json.dumps(body).encode())

    assert (status, answer["error"]["param"]) == (400, parameter)
    assert gateway.provider.calls == []


@pytest.mark.promise("up-3")
@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_not_a_json_object_is_refused(start: Start, body: bytes) -> None:
    status, answer = post(start(ScriptedProvider("never")), body)

    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"


@pytest.mark.promise("up-3")
def test_a_body_of_too_many_values_is_refused_before_it_is_decoded(start: Start) -> None:
    gateway = start(ScriptedProvider("never"), max_body=2**22)

    status, answer = post(gateway, b'{"model": "assistant", "metadata": [' + b"[]," * 400_000 + b"[]]}")

    assert (status, "values" in answer["error"]["message"]) == (400, True)


@pytest.mark.promise("up-3")
def test_a_body_above_the_limit_is_refused(start: Start) -> None:
    gateway = start(ScriptedProvider("never"), max_body=1000)

    status, answer = post(gateway, json.dumps({"model": "assistant", "messages": HELLO, "pad": "x" * 2000}).encode())

    assert status == 413
    assert "max_body_mb" in answer["error"]["message"]


def test_a_provider_error_before_the_first_byte_is_an_http_error(start: Start) -> None:
    gateway = start(ScriptedProvider(ProviderOverloaded("busy", retry_after=7)))

    with pytest.raises(openai.RateLimitError) as error:
        gateway.client().chat.completions.create(model="assistant", messages=HELLO, stream=True)

    assert error.value.response.headers["retry-after"] == "7"


@pytest.mark.promise("up-2")
def test_a_cut_stream_never_looks_complete(start: Start) -> None:
    gateway = start(ScriptedProvider([Delta(text="half an "), StreamCut("the provider went away")]))

    with pytest.raises(openai.APIError, match="went away"):
        list(gateway.client().chat.completions.create(model="assistant", messages=HELLO, stream=True))

    raw = raw_stream(gateway)
    assert b"half an" in raw
    assert b"stream_cut" in raw
    assert b"[DONE]" not in raw


def test_a_full_disk_refuses_before_a_model_is_asked(start: Start) -> None:
    gateway = start(ScriptedProvider("lost"))
    gateway.spool.full = True

    with pytest.raises(openai.InternalServerError) as error:
        gateway.client().chat.completions.create(model="assistant", messages=HELLO)

    assert error.value.status_code == 503
    assert error.value.code == "storage_unavailable"
    assert gateway.provider.calls == []


def test_a_disk_that_fills_up_under_way_leaves_nothing_acknowledged(start: Start) -> None:
    class Filling(ScriptedProvider):
        async def answer(self, call):  # type: ignore[no-untyped-def, override]
            gateway.spool.full = True
            async for event in super().answer(call):
                yield event

    gateway = start(Filling("lost"))
    with pytest.raises(openai.InternalServerError) as error:
        gateway.client().chat.completions.create(model="assistant", messages=HELLO)
    gateway.spool.full = False
    raw = raw_stream(gateway)

    assert error.value.status_code == 503
    assert b"storage_unavailable" in raw
    assert b"[DONE]" not in raw
    assert len(gateway.spool.begun) == 2, "what may have been spent is known"


def test_a_bug_answers_500_and_the_server_lives(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ScriptedProvider):
        async def answer(self, call):  # type: ignore[no-untyped-def, override]
            raise ZeroDivisionError("secret detail")
            yield

    gateway = start(Broken())

    with pytest.raises(openai.InternalServerError) as error:
        gateway.client().chat.completions.create(model="assistant", messages=HELLO)

    assert "secret detail" not in error.value.message
    assert "secret detail" in caplog.text
    assert urllib.request.urlopen(f"{gateway.url}/healthz").status == 200


def test_a_client_that_leaves_mid_stream_stops_the_provider_and_is_recorded(start: Start) -> None:
    import asyncio

    class Slow(ScriptedProvider):
        async def answer(self, call):  # type: ignore[no-untyped-def, override]
            self.calls.append(call)
            try:
                while True:
                    yield Delta(text="word ")
                    await asyncio.sleep(0.01)
            except (GeneratorExit, asyncio.CancelledError):
                self.closed += 1
                raise

    gateway = start(Slow())
    stream = gateway.client().chat.completions.create(model="assistant", messages=HELLO, stream=True)
    next(iter(stream))
    stream.close()
    gateway.clients[0].close()

    wait_for(lambda: bool(gateway.spool.calls))
    assert gateway.provider.closed == 1
    assert gateway.spool.calls[0].error == "client_closed"
    assert gateway.spool.calls[0].output["text"].startswith("word ")


@pytest.mark.promise("up-2")
def test_a_client_that_stops_reading_is_let_go(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "STALL_SECONDS", 0.3)

    class Endless(ScriptedProvider):
        async def answer(self, call):  # type: ignore[no-untyped-def, override]
            try:
                while True:
                    yield Delta(text="x" * 100_000)
            except GeneratorExit:
                self.closed += 1
                raise

    gateway = start(Endless())
    address = urlsplit(gateway.url)
    body = json.dumps({"model": "assistant", "messages": HELLO, "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body)
        wait_for(lambda: bool(gateway.spool.calls))

    assert gateway.spool.calls[0].error == "client_closed"
    assert gateway.provider.closed == 1


def test_a_key_bound_to_an_environment_gets_no_other_version(start: Start) -> None:
    keys = {SECRET: Key(id="key_1", hash="", environment="staging")}
    gateway = start(ScriptedProvider("Hi"), GREETING, released={("team/greeting", "staging"): RELEASE}, keys=keys)

    def ask(prompt: dict[str, object]) -> int:
        body = {"prompt": {"variables": {"name": "Bo"}, **prompt}}
        return post(gateway, json.dumps(body).encode())[0]

    assert ask({"id": "team/greeting"}) == 200
    assert ask({"id": "team/greeting@production"}) == 404
    assert gateway.provider.calls[0].prompt.released_only


def test_a_trace_of_the_caller_is_continued(start: Start) -> None:
    gateway = start(ScriptedProvider("ok"))
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    gateway.client().chat.completions.create(
        model="assistant", messages=HELLO, extra_headers={"traceparent": parent, "x-moat-feature": "search"}
    )

    call = gateway.spool.calls[0]
    assert (call.trace_id, call.parent_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert call.feature == "search"


def test_health_and_readiness(start: Start) -> None:
    gateway = start(ScriptedProvider())

    assert get(gateway, "/healthz") == (200, {"status": "ok"})
    assert get(gateway, "/readyz") == (200, {"status": "ready", "problems": 0})
    gateway.live.serving = replace(gateway.live.serving, problems=("moat.yaml:1: no",))
    assert get(gateway, "/readyz") == (200, {"status": "degraded", "problems": 1})


@pytest.mark.promise("inj-6")
def test_a_compressed_body_is_refused_not_unpacked(start: Start) -> None:
    gateway = start(ScriptedProvider("never"))
    headers = {
        "authorization": f"Bearer {SECRET}",
        "content-encoding": "gzip",
        "content-type": "application/json",
    }
    for path in ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings"):
        request = urllib.request.Request(gateway.url + path, data=b"\x1f\x8b" * 100, headers=headers)
        status, answer = fetch(request)
        assert (status, answer["error"]["type"]) == (415, "invalid_request_error")


def test_balancers_may_ask_for_the_head_only(start: Start) -> None:
    gateway = start(ScriptedProvider())
    for path in ("/healthz", "/readyz"):
        with urllib.request.urlopen(urllib.request.Request(gateway.url + path, method="HEAD")) as response:
            assert (response.status, response.read()) == (200, b"")


def test_an_unknown_route_names_the_known_ones(start: Start) -> None:
    gateway = start(ScriptedProvider())

    assert get(gateway, "/v1/engines")[0] == 404
    assert "POST /v1/chat/completions" in get(gateway, "/v1/engines")[1]["error"]["message"]
    assert get(gateway, "/v1/chat/completions")[0] == 405


def test_an_error_of_the_provider_is_the_callers_when_nothing_else_answers(start: Start) -> None:
    with pytest.raises(openai.InternalServerError) as error:
        start(ScriptedProvider(ProviderDown("refused"))).client().chat.completions.create(
            model="assistant", messages=HELLO
        )
    assert (error.value.status_code, error.value.code) == (502, "provider_down")


def test_untouched_pieces_are_forwarded_byte_for_byte(start: Start) -> None:
    raw = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"hi","vendor":1}}]}\n\n'
    end = b'data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    steps = [Delta(text="hi", raw=raw), Delta(raw=end), Finished(reason="stop", usage=Usage())]

    assert raw_stream(start(ScriptedProvider(steps))) == raw + end + b"data: [DONE]\n\n"


def test_a_rewritten_piece_is_encoded_anew_and_so_is_all_that_follows(start: Start) -> None:
    raw = b'data: {"choices":[{"delta":{"content":"SECRET"}}]}\n\n'
    steps = [Delta(text="[redacted]"), Delta(text="", raw=raw), Finished(reason="stop", usage=Usage())]

    stream = raw_stream(start(ScriptedProvider(steps)))

    assert b"[redacted]" in stream
    assert b"SECRET" not in stream
    assert stream.count(b'"finish_reason":"stop"') == 1


def post(gateway: Running, body: bytes) -> tuple[int, dict]:  # type: ignore[type-arg]
    request = urllib.request.Request(
        f"{gateway.url}/v1/chat/completions", data=body, headers={"authorization": f"Bearer {SECRET}"}
    )
    return fetch(request)


def get(gateway: Running, path: str) -> tuple[int, dict]:  # type: ignore[type-arg]
    return fetch(urllib.request.Request(gateway.url + path))


def fetch(request: urllib.request.Request) -> tuple[int, dict]:  # type: ignore[type-arg]
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def raw_stream(gateway: Running) -> bytes:
    """The body of a streamed answer as it came over the socket, without HTTP chunking."""
    body = json.dumps({"model": "assistant", "messages": HELLO, "stream": True}).encode()
    request = urllib.request.Request(
        f"{gateway.url}/v1/chat/completions", data=body, headers={"authorization": f"Bearer {SECRET}"}
    )
    with urllib.request.urlopen(request) as response:
        return response.read()


def wait_for(condition, seconds: float = 30.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.promise("up-3")
@pytest.mark.parametrize(
    "piece", [b"x-a: " + b"b" * 1000 + b"\r\n", b"c" * 1000], ids=["many headers", "one endless header"]
)
def test_endless_headers_are_refused_in_bounded_memory(start: Start, piece: bytes) -> None:
    address = urlsplit(start(ScriptedProvider("never")).url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-b: ")
        sent = 0
        try:
            while sent < 50_000_000:
                sent += connection.send(piece * 50)
            answer = b""
        except OSError:
            answer = b"closed"
        assert answer == b"closed"
        assert sent < 10_000_000  # what fits into the sockets' buffers


def test_conflicting_lengths_and_broken_headers_are_refused(start: Start) -> None:
    gateway = start(ScriptedProvider("never"))
    address = urlsplit(gateway.url)
    hostile = [
        b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"bad header\r\n\r\n",
    ]
    for request in hostile:
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + request)
            with connection.makefile("rb") as answer:
                assert answer.readline().split()[1] in (b"400", b"401")
    assert gateway.provider.calls == []
