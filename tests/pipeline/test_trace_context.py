"""A trace goes through: from the caller's `traceparent` to the provider's, each try a span of its own."""

from contextlib import aclosing
from dataclasses import replace as with_fields
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.domain.calls import Caller, new_trace, traceparent
from moat.pipeline.recipe import build
from moat.testing.fakes import FixedModels, ListSpool, fake_ports, new_call
from moat.testing.loopback import on_loopback
from moat.testing.scripted import ScriptedProvider
from moat.testing.server import ProviderServer

THEIRS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.anyio
async def test_the_provider_is_told_which_try_it_answers() -> None:
    seen: list[str] = []
    server = ProviderServer(ScriptedProvider("hi"))

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(value.decode() for name, value in scope["headers"] if name == b"traceparent")
        await server(scope, receive, send)

    with on_loopback(noting) as url:
        provider, spool = OpenAIProvider(OpenAIConfig(base_url=f"{url}/v1")), ListSpool()
        models = FixedModels({"assistant": ["fake/large"]}, {"fake": provider})
        run = build(with_fields(fake_ports(provider, spool=spool), models=models))
        for _ in range(2):
            call = replace(new_call(), trace=new_trace(THEIRS))
            async with aclosing(run(call)) as events:
                _ = [event async for event in events]
        await provider.aclose()
    tries = [span for span in spool.spans if span.kind == "attempt"]
    assert seen == [f"00-4bf92f3577b34da6a3ce929d0e0e4736-{span.span_id}-01" for span in tries]
    assert [span.parent_id for span in tries] == [span.span_id for span in spool.calls]
    assert {span.parent_id for span in spool.calls} == {"00f067aa0ba902b7"}
    assert len({*seen}) == 2


@pytest.mark.anyio
async def test_the_state_goes_on_with_its_trace() -> None:
    seen: list[tuple[int, str]] = []
    server = ProviderServer(ScriptedProvider("hi"))

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        seen.append((len(seen), ";".join(v.decode() for name, v in scope["headers"] if name == b"tracestate")))
        await server(scope, receive, send)

    with on_loopback(noting) as url:
        provider = OpenAIProvider(OpenAIConfig(base_url=f"{url}/v1"))
        models = FixedModels({"assistant": ["fake/large"]}, {"fake": provider})
        run = build(with_fields(fake_ports(provider, spool=ListSpool()), models=models))
        for parent in (THEIRS, ""):
            call = replace(new_call(), trace=new_trace(parent, "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE"))
            async with aclosing(run(call)) as events:
                _ = [event async for event in events]
        await provider.aclose()
    assert seen == [(0, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"), (1, "")]


@pytest.mark.parametrize(
    ("sent", "goes_on"),
    [
        ("", ""),
        ("a=1,,\tb@c=x y ", "a=1,b@c=x y"),
        ("a=1,a=2", ""),
        ("a=1\r\nx-evil: 1", ""),
        ("A=1", ""),
        ("a", ""),
        ("a=\u00e9", ""),
        ("a=1=2", ""),
        (",".join(f"k{at}=1" for at in range(32)), ",".join(f"k{at}=1" for at in range(32))),
        (",".join(f"k{at}=1" for at in range(33)), ""),
    ],
)
def test_a_broken_state_is_left_behind(sent: str, goes_on: str) -> None:
    trace = new_trace(THEIRS, sent)
    assert (trace.state, trace.child().state) == (goes_on, goes_on)
    assert new_trace("broken", sent).state == ""


def test_the_header_is_w3cs() -> None:
    call = replace(new_call(), trace=new_trace(THEIRS))
    version, trace, span, flags = traceparent(call).split("-")
    assert (version, trace, flags) == ("00", "4bf92f3577b34da6a3ce929d0e0e4736", "01")
    assert span == call.trace.span_id != "00f067aa0ba902b7"


@pytest.mark.anyio
async def test_what_the_caller_says_of_a_call_is_in_its_record() -> None:
    provider, spool = ScriptedProvider("hi"), ListSpool()
    run = build(fake_ports(provider, spool=spool))
    said = Caller(tags=("batch", "b"), data_class="internal")
    for call in (new_call(), replace(new_call(), caller=said, client_request="mine-1")):
        async with aclosing(run(call)) as events:
            _ = [event async for event in events]
    plain, marked = spool.calls
    assert plain.attributes == {}
    assert msgspec.json.decode(msgspec.json.encode(marked.attributes)) == {
        "moat.client_request_id": "mine-1",
        "moat.tags": ["batch", "b"],
        "moat.data_class": "internal",
    }
