"""One durable record of every call, however it ends."""

import asyncio
from contextlib import aclosing

import msgspec
import pytest
from msgspec.structs import replace

from moat.domain.calls import Caller, Delta, Finished
from moat.domain.errors import ProviderDown, StorageError
from moat.domain.releases import MessageTemplate, PromptRef, PromptVersion
from moat.domain.usage import Usage
from moat.pipeline.endings import HUNG_UP
from moat.pipeline.estimates import IMAGE_TOKENS
from moat.pipeline.recipe import build
from moat.testing.fakes import ListSpool, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider, says
from tests.pipeline.test_compose import drain

GREETING = PromptVersion(
    name="greeting",
    version="1.0.0",
    messages=(MessageTemplate("user", "Greet {{ name }}"),),
    model="assistant",
    params={"temperature": 0.5},
)


@pytest.mark.anyio
async def test_a_finished_call_leaves_a_call_span_and_an_attempt_span() -> None:
    spool = ListSpool()
    caller = Caller(key="key_1", tenant="acme", feature="chat", user="ada", environment="staging")
    call = replace(new_call("Hi"), caller=caller)

    await drain(build(fake_ports(ScriptedProvider("Hello there"), spool=spool))(call))

    root, attempt = spool.spans
    assert (root.kind, attempt.kind, attempt.parent_id) == ("call", "attempt", root.span_id)
    assert (root.tenant, root.feature, root.user, root.environment) == ("acme", "chat", "ada", "staging")
    assert (root.input_tokens, root.output_tokens, root.cost) == (10, 5, 15)
    assert (root.provider, root.model, attempt.model) == ("fake", "assistant", "large")
    assert root.input["messages"] == [{"role": "user", "content": "Hi"}]
    assert root.output == {"text": "Hello there"}
    assert root.finish_reason == "stop"
    assert not root.error


@pytest.mark.anyio
async def test_the_record_is_written_before_the_stream_ends() -> None:
    spool = ListSpool()
    events = build(fake_ports(ScriptedProvider("one two"), spool=spool))(new_call())

    written = [len(spool.calls) async for _ in events]

    assert written == [0, 0, 0]
    assert len(spool.calls) == 1


@pytest.mark.anyio
async def test_a_client_that_hangs_up_leaves_a_complete_record_inside_the_request() -> None:
    spool = ListSpool()
    provider = ScriptedProvider(says("one two three four"))
    pipeline = build(fake_ports(provider, GREETING, spool=spool))
    call = replace(
        new_call(stream=True),
        messages=[],
        prompt=PromptRef(name="greeting", version="1.0.0", variables={"name": "Bo"}),
    )

    async with aclosing(pipeline(call)) as events:
        assert await anext(events) == Delta(text="one ")
        assert await anext(events) == Delta(text="two ")

    # The block above has ended the request: whatever is to be recorded has to be there now.
    root, attempt = spool.spans
    assert root.error == attempt.error == "client_closed"
    assert root.output == {"text": "one two "}
    assert root.input["messages"] == [{"role": "user", "content": "Greet Bo"}]
    assert root.input["params"] == {"temperature": 0.5}
    assert (root.prompt, root.version) == ("greeting", "1.0.0")
    assert root.usage_estimated
    assert root.output_tokens == 2
    assert root.cost == root.input_tokens + root.output_tokens
    assert provider.closed == 1


@pytest.mark.anyio
async def test_a_failed_call_is_recorded_with_its_error() -> None:
    spool = ListSpool()

    with pytest.raises(ProviderDown):
        await drain(build(fake_ports(ScriptedProvider(ProviderDown("no route")), spool=spool))(new_call()))

    root, attempt = spool.spans
    assert (root.error, root.error_message) == ("provider_down", "no route")
    assert attempt.error == "provider_down"
    assert (root.input_tokens, root.cost) == (0, 0)


@pytest.mark.anyio
async def test_a_bug_in_a_stage_is_not_blamed_on_the_client() -> None:
    spool = ListSpool()

    class Broken(ScriptedProvider):
        async def answer(self, call):  # type: ignore[no-untyped-def, override]
            raise ZeroDivisionError
            yield

    with pytest.raises(ZeroDivisionError):
        await drain(build(fake_ports(Broken(), spool=spool))(new_call()))

    assert [span.error for span in spool.spans] == ["internal_error", "internal_error"]


@pytest.mark.anyio
async def test_what_cannot_be_recorded_is_not_acknowledged() -> None:
    spool = ListSpool()
    spool.full = True

    with pytest.raises(StorageError):
        await drain(build(fake_ports(ScriptedProvider("Hello"), spool=spool))(new_call()))


@pytest.mark.anyio
async def test_content_is_left_out_when_capture_is_off() -> None:
    from dataclasses import replace as with_fields

    spool = ListSpool()
    ports = with_fields(fake_ports(ScriptedProvider("secret answer"), spool=spool), capture_content=False)

    await drain(build(ports)(new_call("secret question")))

    assert "secret" not in repr(spool.spans)
    assert spool.calls[0].output_tokens == 5


@pytest.mark.anyio
async def test_an_image_is_not_estimated_by_its_bytes() -> None:
    spool = ListSpool()
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4_000_000}}
    content = [{"type": "text", "text": "x" * 400}, image]
    call = replace(new_call(), messages=[{"role": "user", "content": content}])

    await drain(build(fake_ports(ScriptedProvider([Finished(reason="stop")]), spool=spool))(call))

    assert spool.calls[0].input_tokens == 100 + IMAGE_TOKENS


@pytest.mark.anyio
async def test_a_huge_call_leaves_a_small_record() -> None:
    spool = ListSpool()
    provider = ScriptedProvider([Delta(text="y" * 5_000_000), Finished(reason="stop", usage=Usage())])
    call = replace(new_call("x" * 5_000_000), params={"metadata": {"pad": "z" * 5_000_000}})

    await drain(build(fake_ports(provider, spool=spool))(call))

    root = spool.calls[0]
    assert len(msgspec.json.encode(root)) < 2_500_000
    assert root.output["truncated"] > 5_000_000
    assert root.output["text"].startswith('{"text":"yyy')


@pytest.mark.anyio
@pytest.mark.promise("up-3")
async def test_usage_beyond_belief_still_fits_a_record() -> None:
    spool = ListSpool()
    wild = Usage(input=10**40, output=-5, cached=2**63)

    await drain(build(fake_ports(ScriptedProvider([Finished(reason="stop", usage=wild)]), spool=spool))(new_call()))

    root = spool.calls[0]
    assert (root.input_tokens, root.output_tokens, root.cached_tokens) == (51, 4096, 0), "the worst case"
    assert root.usage_estimated


@pytest.mark.anyio
async def test_a_call_that_our_side_stops_is_not_blamed_on_the_client() -> None:
    spool = ListSpool()

    class Slow(ScriptedProvider):
        async def answer(self, call):  # type: ignore[no-untyped-def, override]
            yield Delta(text="one ")
            await asyncio.sleep(3600)

    async def consume() -> None:
        await drain(build(fake_ports(Slow(), spool=spool))(new_call()))

    for message, code in ((HUNG_UP, "client_closed"), ("shutdown", "stopped")):
        task = asyncio.ensure_future(consume())
        await asyncio.sleep(0.01)
        task.cancel(message)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [span.error for span in spool.spans[-2:]] == [code, code]


@pytest.mark.anyio
@pytest.mark.promise("money-6")
async def test_missing_usage_is_estimated_and_flagged_an_explicit_zero_stays_zero() -> None:
    spool = ListSpool()
    provider = ScriptedProvider(
        [Delta(text="x" * 40), Finished(reason="stop", usage=None)],
        [Delta(text="x" * 40), Finished(reason="stop", usage=Usage())],
    )
    run = build(fake_ports(provider, spool=spool))

    await drain(run(new_call()))
    await drain(run(new_call()))

    estimated, zero = spool.calls
    assert (estimated.output_tokens, estimated.usage_estimated) == (10, True)
    assert (zero.output_tokens, zero.usage_estimated) == (0, False)
