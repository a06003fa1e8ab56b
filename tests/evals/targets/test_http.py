"""A service over HTTP as a target, on real sockets."""

import asyncio
import json
from contextlib import asynccontextmanager

import msgspec
import pytest

from moat.adapters.http_target import HttpTarget
from moat.domain.errors import (
    ConfigError,
    DatasetError,
    ProviderDown,
    ProviderError,
    ProviderOverloaded,
    ProviderRefused,
    ProviderTimeout,
)
from moat.domain.scores import Case
from moat.evals.scorers import Bench
from moat.evals.targets.spec import HttpSpec
from moat.testing.loopback import on_loopback


class Service:
    """Answers with what `reply(body)` says: a status, a body, and headers. `.seen` are the requests."""

    def __init__(self, reply):
        self.reply, self.seen = reply, []

    async def __call__(self, scope, receive, send):
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.seen.append((scope["path"], scope["query_string"].decode(), dict(scope["headers"]), body))
        status, answer, *headers = self.reply(json.loads(body or b"null"))
        content = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


@asynccontextmanager
async def asking(url, **more):
    spec = msgspec.convert({"kind": "http", "url": url, **more}, HttpSpec)
    target = HttpTarget(spec, spec).bind(Bench(ask=None))
    try:
        yield target
    finally:
        await target.aclose()


CASE = Case(id="a", variables={"question": "Who?", "n": 3, "who": {"name": "Ada"}})
PATHS = {
    "output": "answer.text",
    "context": "sources",
    "tool_calls": "calls",
    "usage": {"input": "tokens.in", "output": "tokens.out", "cost": "usd"},
}


@pytest.mark.anyio
async def test_a_service_gets_the_case_and_its_answer_is_taken_apart():
    answer = {
        "answer": {"text": "Ada"},
        "sources": ["doc", {"id": 1}],
        "calls": [{"id": "1", "function": {"name": "f"}}],
        "tokens": {"in": 5, "out": 2},
        "usd": 0.25,
    }
    service = Service(lambda body: (200, answer))
    body = {"q": "{{ question }}", "n": "{{ n }}", "said": "You, {{ who.name }}: {{ n }}", "list": ["{{ id }}"], "x": 1}
    with on_loopback(service) as base:
        async with asking(f"{base}/v1?x={{{{ question }}}}", headers={"X-Key": "k"}, body=body, **PATHS) as target:
            found = await target.answer(CASE, 0)
    path, query, headers, sent = service.seen[0]
    assert (path, query, headers[b"x-key"]) == ("/v1", "x=Who%3F", b"k")
    assert json.loads(sent) == {"q": "Who?", "n": 3, "said": "You, Ada: 3", "list": ["a"], "x": 1}
    assert headers[b"traceparent"].decode().split("-")[1] == found.trace_id
    assert (found.text, found.context, found.tool_calls) == (
        "Ada",
        ["doc", '{"id":1}'],
        [{"id": "1", "function": {"name": "f"}}],
    )
    assert (found.input_tokens, found.output_tokens, found.cost) == (5, 2, 250_000_000_000)
    assert found.latency_ns > 0


@pytest.mark.anyio
async def test_without_paths_the_whole_body_is_the_answer():
    with on_loopback(Service(lambda body: (200, b"plain \xff text"))) as base:
        async with asking(base, method="GET") as target:
            assert (await target.answer(CASE, 0)).text == "plain � text"


@pytest.mark.anyio
async def test_turns_go_on_with_the_whole_conversation():
    service = Service(lambda body: (200, {"text": f"answer {len(body['messages'])}"}))
    case = Case(id="a", variables={"question": "one"}, turns=["two", "three"])
    with on_loopback(service) as base:
        async with asking(base, body={"messages": "{{ messages }}", "now": "{{ input }}"}, output="text") as target:
            found = await target.answer(case, 0)
    assert [json.loads(seen[3])["now"] for seen in service.seen] == ["one", "two", "three"]
    assert [(m["role"], m["content"]) for m in found.messages] == [
        ("user", "one"),
        ("assistant", "answer 1"),
        ("user", "two"),
        ("assistant", "answer 3"),
        ("user", "three"),
        ("assistant", "answer 5"),
    ]
    assert found.text == "answer 5"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (429, [(b"retry-after", b"7")], ProviderOverloaded),
        (503, [(b"retry-after", b"7")], ProviderOverloaded),
        (503, [], ProviderDown),
        (500, [], ProviderDown),
        (302, [(b"location", b"http://169.254.169.254/")], ProviderDown),
        (404, [], ProviderRefused),
    ],
)
async def test_what_is_no_answer_is_an_error_and_no_redirect_is_followed(status, headers, error):
    service = Service(lambda body: (status, {"error": {"message": "no k-secret-1 for you"}}, *headers))
    with on_loopback(service) as base:
        spec = msgspec.convert({"kind": "http", "url": base, "headers": {"x-key": "${K}"}}, HttpSpec)
        resolved = msgspec.structs.replace(spec, headers={"x-key": "k-secret-1"})
        target = HttpTarget(spec, resolved, ["k-secret-1"]).bind(Bench(ask=None))
        with pytest.raises(error) as caught:
            await target.answer(CASE, 0)
        await target.aclose()
    assert "k-secret-1" not in str(caught.value)
    assert len(service.seen) == 1
    if error is ProviderOverloaded:
        assert caught.value.retry_after == 7


@pytest.mark.anyio
async def test_an_answer_that_is_not_what_the_suite_says_is_an_error():
    with on_loopback(Service(lambda body: (200, b"<html>"))) as base:
        async with asking(base, output="text") as target:
            with pytest.raises(ProviderDown, match="not JSON"):
                await target.answer(CASE, 0)
        async with asking(base, body={"q": "{{ nothing }}"}) as target:
            with pytest.raises(DatasetError, match=r"no 'nothing'.*question"):
                await target.answer(CASE, 0)
    with on_loopback(Service(lambda body: (200, {"other": 1}))) as base:
        async with asking(base, output="text") as target:
            with pytest.raises(ProviderDown, match="no 'text'"):
                await target.answer(CASE, 0)


@pytest.mark.anyio
async def test_a_service_that_is_not_there_or_says_nothing():
    async with asking("http://127.0.0.1:9/") as target:
        with pytest.raises(ProviderDown):
            await target.answer(CASE, 0)

    class Silent:
        async def __call__(self, scope, receive, send):
            await receive()
            await receive()

    with on_loopback(Silent()) as base:
        async with asking(base, timeouts={"answer": 0.2}) as target:
            with pytest.raises(ProviderTimeout):
                await target.answer(CASE, 0)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest", "ftp://x/", "http://2130706433/", "http://{{ host }}/", "http://a:b@127.0.0.1/"],
)
async def test_an_address_that_may_not_be_asked_is_refused_before_anything_is_sent(url):
    spec = HttpSpec(kind="http", url=url)
    with pytest.raises(ConfigError):
        HttpTarget(spec, spec)


def test_the_digest_covers_what_is_asked_and_no_secret():
    def digest(url="http://127.0.0.1/", key="one", **more):
        spec = HttpSpec(kind="http", url=url, headers={"authorization": "${KEY}"}, **more)
        return HttpTarget(spec, msgspec.structs.replace(spec, headers={"authorization": key})).digest

    assert digest() == digest(key="two")
    assert len({digest(), digest(url="http://127.0.0.1/x"), digest(output="a"), digest(version="2")}) == 4


TOKEN, ODD = "zz-topsecret-4711", 'with "quotes" and ü'


def told(reply, **more):
    """What the answer or the error says, of a service that gets secrets, among them words, and answers `reply`."""

    async def ask():
        with on_loopback(Service(lambda body: reply)) as base:
            spec = msgspec.convert({"kind": "http", "url": base, **more}, HttpSpec)
            target = HttpTarget(spec, spec, [TOKEN, ODD, "prod", "2024"]).bind(Bench(ask=None))
            try:
                return await target.answer(CASE, 0)
            except ProviderError as error:
                return f"{error} {error.args}"
            finally:
                await target.aclose()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "reply",
    [
        (200, f"debug: Bearer {TOKEN} and {ODD}".encode()),
        (200, ("." * 193 + TOKEN).encode()),
        (500, {"error": {"message": f"bad token {TOKEN}, {ODD}"}}),
        (500, ("." * 290 + TOKEN).encode()),
        (400, json.dumps({"error": [TOKEN, ODD]}).encode()),
        (429, f"no {TOKEN}".encode()),
    ],
)
def test_no_error_shows_a_secret_or_a_part_of_one(reply):
    found = told(reply, output="t")
    assert "zz-tops" not in found
    assert "quotes" not in found
    assert "***" in found or reply[0] == 400


def test_no_answer_shows_a_secret_and_other_words_stay():
    said = {
        "t": f"Bearer {TOKEN}, {ODD}, a product of 2024",
        "docs": [{TOKEN: [ODD]}],
        "calls": [{"id": TOKEN, "n": 2024, "function": {"name": "f"}}],
    }
    found = told((200, said), output="t", context="docs", tool_calls="calls")
    assert found.text == "Bearer ***, ***, a product of 2024"
    assert (found.context, found.tool_calls) == (
        ['{"***":["***"]}'],
        [{"id": "***", "n": 2024, "function": {"name": "f"}}],
    )
    for raw in (json.dumps(said), msgspec.json.encode(said).decode()):
        assert not {"zz-tops", "quotes"} & set(told((200, raw.encode())).text.replace("\\", "").split('"'))
        assert TOKEN not in told((200, raw.encode())).text


@pytest.mark.anyio
@pytest.mark.parametrize("status", [400, 403])
async def test_a_filter_in_front_of_a_service_is_an_answer_that_refuses(status):
    body = {"error": {"message": "a policy stopped it", "code": "content_filter"}}
    with on_loopback(Service(lambda _: (status, body))) as url:
        async with asking(url, output="answer.text") as target:
            answer = await target.answer(CASE, 0)
    assert answer.refusal == answer.text
    assert "a policy stopped it" in answer.refusal
