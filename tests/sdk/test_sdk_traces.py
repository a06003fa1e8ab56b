"""Spans of an application: what arrives at the server, and that nothing ever reaches the application."""

import asyncio
import contextvars
import inspect
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from moat import AsyncMoat, Moat
from moat.sdk import sender


def _attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {item["key"]: item["value"] for item in span["attributes"]}


def test_a_span_arrives_as_otlp(fake: Any) -> None:
    with Moat(fake.url, api_key="mk-1", environment="staging") as moat:
        with moat.trace("handle_ticket", user="u1", feature="support", session="s", tenant="acme") as span:
            span.set("ticket", 7)
    _, path, headers, body = fake.requests[0]
    assert path == "/v1/traces"
    assert headers["Authorization"] == "Bearer mk-1"
    assert headers["Content-Type"] == "application/json"
    (resource,) = json.loads(body)["resourceSpans"]
    assert {"key": "deployment.environment.name", "value": {"stringValue": "staging"}} in resource["resource"][
        "attributes"
    ]
    (sent,) = fake.spans()
    assert sent["traceId"] == span.trace_id
    assert (len(sent["traceId"]), len(sent["spanId"]), sent["parentSpanId"]) == (32, 16, "")
    assert sent["name"] == "handle_ticket"
    assert int(sent["endTimeUnixNano"]) >= int(sent["startTimeUnixNano"]) > 10**18
    assert "status" not in sent
    assert _attributes(sent) == {
        "user.id": {"stringValue": "u1"},
        "session.id": {"stringValue": "s"},
        "moat.feature": {"stringValue": "support"},
        "moat.tenant": {"stringValue": "acme"},
        "ticket": {"intValue": "7"},
    }


def test_attributes_are_noted_as_they_are_now_whatever_they_are(fake: Any) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError

    loop: list[Any] = []
    loop.append(loop)
    items = [1, "a", None]
    with Moat(fake.url, api_key="k") as moat, moat.trace("x\ud800") as span:
        span.set("twice", 1)
        for key, value in {
            "twice": True,
            "items": items,
            "map": {"a": 1.5, 2: b"x"},
            "big": 2**70,
            "nan": float("nan"),
            "odd": Odd(),
            "keys": {Odd(): 1},
            "loop": loop,
            "text\udfff": "\ud800!",
        }.items():
            span.set(key, value)
        items.clear()
    (sent,) = fake.spans()
    assert sent["name"] == "x?"
    assert _attributes(sent) == {
        "twice": {"boolValue": True},
        "items": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "a"}, {}]}},
        "map": {
            "kvlistValue": {
                "values": [
                    {"key": "a", "value": {"doubleValue": 1.5}},
                    {"key": "2", "value": {"stringValue": "eA=="}},
                ]
            }
        },
        "big": {"stringValue": str(2**70)},
        "nan": {"stringValue": "nan"},
        "odd": {"stringValue": "<Odd>"},
        "keys": {"kvlistValue": {"values": [{"key": "<Odd>", "value": {"intValue": "1"}}]}},
        "loop": {"stringValue": "<list>"},
        "text?": {"stringValue": "?!"},
    }


def test_spans_nest_and_share_their_identity(fake: Any) -> None:
    with Moat(fake.url, api_key="k") as moat:
        with moat.trace("outer", user="u1", feature="support") as outer:
            outer.set("private", 1)
            with moat.trace("inner", feature="billing") as inner:
                header = inner.headers()["traceparent"]
            with moat.trace("sibling"):
                pass
        with moat.trace("apart"):
            pass
    first, second, third, fourth = fake.spans()
    assert [span["name"] for span in (first, second, third, fourth)] == ["inner", "sibling", "outer", "apart"]
    assert first["parentSpanId"] == second["parentSpanId"] == third["spanId"]
    assert first["traceId"] == third["traceId"] != fourth["traceId"]
    assert header == f"00-{first['traceId']}-{first['spanId']}-01"
    assert _attributes(first) == {"user.id": {"stringValue": "u1"}, "moat.feature": {"stringValue": "billing"}}
    assert fourth["attributes"] == []


@pytest.mark.anyio
async def test_tasks_do_not_mix_their_spans(fake: Any) -> None:
    async with AsyncMoat(fake.url, api_key="k") as moat:

        @moat.traced(name="child")
        async def child(number: int) -> int:
            await asyncio.sleep(0)
            return number

        async def parent(number: int) -> tuple[str, int]:
            with moat.trace(f"parent {number}") as span:
                return span.trace_id, await child(number)

        told = await asyncio.gather(*(parent(number) for number in range(5)))
    assert [number for _, number in told] == [0, 1, 2, 3, 4]
    for trace_id, number in told:
        names = {span["name"] for span in fake.spans() if span["traceId"] == trace_id}
        assert names == {"child", f"parent {number}"}


def test_an_exception_is_noted_and_goes_on(fake: Any) -> None:
    with Moat(fake.url, api_key="k") as moat:

        @moat.traced
        def work(amount: int) -> float:
            """Doc."""
            return 1 / amount

        assert work(2) == 0.5
        assert work.__doc__ == "Doc."
        with pytest.raises(ZeroDivisionError):
            work(0)
    good, bad = fake.spans()
    assert good["name"].endswith("work")
    assert "events" not in good
    assert bad["status"] == {"code": 2, "message": "division by zero"}
    (event,) = bad["events"]
    facts = {item["key"]: item["value"]["stringValue"] for item in event["attributes"]}
    assert event["name"] == "exception"
    assert facts["exception.type"] == "ZeroDivisionError"
    assert facts["exception.message"] == "division by zero"
    assert "return 1 / amount" in facts["exception.stacktrace"]


@pytest.mark.anyio
async def test_a_generators_span_lasts_until_it_is_exhausted(fake: Any) -> None:
    def work(moat: Any) -> None:
        with moat.trace("inside"):
            pass

    def check(kind: str) -> None:
        spans = {span["name"]: span for span in fake.spans()}
        assert sorted(spans) == ["consumer", "inside", "stream"]
        assert spans["inside"]["parentSpanId"] == spans["stream"]["spanId"]
        assert spans["consumer"]["parentSpanId"] == "", f"{kind}: a consumer is no part of what it consumes"
        assert int(spans["stream"]["startTimeUnixNano"]) <= int(spans["consumer"]["startTimeUnixNano"])
        assert int(spans["stream"]["endTimeUnixNano"]) >= int(spans["consumer"]["endTimeUnixNano"])
        fake.requests.clear()

    async with AsyncMoat(fake.url, api_key="k") as moat:

        @moat.traced(name="stream")
        async def streamed() -> AsyncIterator[int]:
            """Doc."""
            yield 1
            await asyncio.sleep(0)
            work(moat)
            yield 2

        assert inspect.isasyncgenfunction(streamed)
        assert streamed.__doc__ == "Doc."
        got = []
        async for number in streamed():
            got.append(number)
            if number == 1:
                with moat.trace("consumer"):
                    pass
        await moat.flush()
        check("async")

        @moat.traced(name="stream")
        def plain() -> Iterator[int]:
            """Doc."""
            yield 1
            work(moat)
            yield 2

        assert inspect.isgeneratorfunction(plain)
        assert plain.__doc__ == "Doc."
        for number in plain():
            got.append(number)
            if number == 1:
                with moat.trace("consumer"):
                    pass
        await moat.flush()
        check("sync")
    assert got == [1, 2, 1, 2]


@pytest.mark.anyio
async def test_a_traced_generator_takes_what_it_is_sent_and_thrown(fake: Any) -> None:
    async with AsyncMoat(fake.url, api_key="k") as moat:

        @moat.traced(name="both ways")
        def talk() -> Generator[Any, Any, str]:
            heard = yield "first"
            try:
                yield heard
            except KeyError:
                yield "caught"
            return "over"

        talking = talk()
        assert (next(talking), talking.send("hello"), talking.throw(KeyError())) == ("first", "hello", "caught")
        with pytest.raises(StopIteration) as end:
            next(talking)
        assert end.value.value == "over"

        @moat.traced(name="both ways")
        async def talk_async() -> Any:
            heard = yield "first"
            try:
                yield heard
            except KeyError:
                yield "caught"

        chat = talk_async()
        assert (await anext(chat), await chat.asend("hello"), await chat.athrow(KeyError())) == (
            "first",
            "hello",
            "caught",
        )
        with pytest.raises(StopAsyncIteration):
            await anext(chat)

        @contextmanager
        @moat.traced(name="resource")
        def resource() -> Iterator[int]:
            yield 1

        @asynccontextmanager
        @moat.traced(name="resource")
        async def resource_async() -> AsyncIterator[int]:
            yield 1

        with pytest.raises(ZeroDivisionError), resource():
            raise ZeroDivisionError
        with pytest.raises(ZeroDivisionError):
            async with resource_async():
                raise ZeroDivisionError
    states = [(span["name"], "status" in span) for span in fake.spans()]
    assert states == [("both ways", False), ("both ways", False), ("resource", True), ("resource", True)]


@pytest.mark.anyio
async def test_a_generator_closed_early_ends_its_span_wherever_that_happens(fake: Any) -> None:
    closed = []
    async with AsyncMoat(fake.url, api_key="k") as moat:

        @moat.traced(name="stream")
        def plain() -> Iterator[int]:
            try:
                while True:
                    yield 1
            finally:
                closed.append("sync")

        @moat.traced(name="stream")
        async def streamed() -> AsyncIterator[int]:
            try:
                while True:
                    yield 1
            finally:
                await asyncio.sleep(0)
                closed.append("async")

        with moat.trace("outer"):
            one, other = plain(), streamed()
            next(one)  # type: ignore[call-overload]
            await anext(other)

        def close_elsewhere() -> None:
            with moat.trace("elsewhere"):
                one.close()  # type: ignore[attr-defined]
                with moat.trace("child of elsewhere"):
                    pass

        contextvars.copy_context().run(close_elsewhere)
        await asyncio.create_task(other.aclose())  # type: ignore[attr-defined]
    assert closed == ["sync", "async"]
    spans = fake.spans()
    assert [span["name"] for span in spans if "status" not in span] == [
        "outer",
        "stream",
        "child of elsewhere",
        "elsewhere",
        "stream",
    ]
    by_name = {span["name"]: span for span in spans}
    assert by_name["child of elsewhere"]["parentSpanId"] == by_name["elsewhere"]["spanId"]
    assert by_name["stream"]["parentSpanId"] == by_name["outer"]["spanId"]


def test_spans_are_sent_without_being_asked_for(fake: Any) -> None:
    arrived = threading.Event()

    def answer(_path: str, _headers: dict[str, str]) -> Any:
        arrived.set()
        return 200, {}, b"{}"

    fake.answer = answer
    with Moat(fake.url, api_key="k") as moat:
        with moat.trace("x"):
            pass
        assert arrived.wait(30)


def test_a_server_that_comes_back_gets_what_it_missed(fake: Any) -> None:
    statuses = [503, 429, 200]
    fake.answer = lambda _path, _headers: (statuses.pop(0), {}, b"{}")
    with Moat(fake.url, api_key="k") as moat:
        with moat.trace("x"):
            pass
        assert moat.flush(30)
        assert moat.dropped_spans == 0
    assert statuses == []


@pytest.mark.parametrize("away", [True, False], ids=["away", "refusing"])
def test_what_cannot_be_delivered_is_counted(fake: Any, away: bool) -> None:
    fake.refuse(400)
    url = "http://127.0.0.1:1" if away else fake.url
    moat = Moat(url, api_key="k")
    for _ in range(3):
        with moat.trace("x"):
            pass
    assert moat.flush(30)
    assert moat.dropped_spans == 3
    moat.close()
    with moat.trace("late"):
        pass
    moat.close()
    assert moat.dropped_spans == 4


def test_a_full_queue_drops_and_counts_but_never_blocks(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "CAPACITY", 10)
    monkeypatch.setattr(sender, "BATCH", 2)
    go = threading.Event()

    def answer(_path: str, _headers: dict[str, str]) -> Any:
        go.wait(30)
        return 200, {}, b"{}"

    fake.answer = answer
    moat = Moat(fake.url, api_key="k", timeout=60)
    for _ in range(50):
        with moat.trace("x"):
            pass
    assert not moat.flush(0)
    lost = moat.dropped_spans
    assert 50 - 10 - 2 <= lost <= 40
    go.set()
    assert moat.flush(30)
    moat.close()
    assert len(fake.spans()) == 50 - lost


def test_closing_does_not_wait_for_ever(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "BATCH", 1)
    go = threading.Event()

    def answer(_path: str, _headers: dict[str, str]) -> Any:
        go.wait(30)
        return 200, {}, b"{}"

    fake.answer = answer
    moat = Moat(fake.url, api_key="k", timeout=60)
    for _ in range(3):
        with moat.trace("x"):
            pass
    moat.close(timeout=0)
    assert moat.dropped_spans >= 2
    go.set()
    assert moat.flush(30)


def test_an_exiting_or_forked_program_loses_no_span(fake: Any) -> None:
    code = f"""
import os
from moat import Moat
moat = Moat({fake.url!r}, api_key="k")
with moat.trace("before"):
    pass
moat.flush()
child = os.fork()
with moat.trace("child" if child == 0 else "parent"):
    pass
if child:
    os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert sorted(span["name"] for span in fake.spans()) == ["before", "child", "parent"]
