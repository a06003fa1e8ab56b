"""A copy of a call for a release on trial: recorded, and never felt."""

import asyncio
from contextlib import aclosing
from dataclasses import replace as with_fields
from typing import Any

import pytest
from msgspec.structs import replace

from moat.domain.calls import Call, Caller, Delta, Finished, new_trace
from moat.domain.errors import AccessError, PromptError, ProviderDown
from moat.domain.releases import MessageTemplate, PromptRef, PromptVersion, Release, Variable
from moat.pipeline.ports import Ports
from moat.pipeline.recipe import build
from moat.testing.fakes import FakeBackground, FixedPrompts, ListSpool, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider
from tests.pipeline.test_compose import drain


def release(version: str, words: str) -> Release:
    content = PromptVersion(
        name="answer",
        version=version,
        model="assistant",
        messages=(MessageTemplate("user", words + " {{ question }}"),),
        variables={"question": Variable()},
    )
    return Release(id=f"rel_{version}", content=content, prompt_digest="d")


OLD, NEW = release("1.0.0", "Old:"), release("2.0.0", "New:")


class ByPrompt(ScriptedProvider):
    """Answers old and new prompts differently; `new` is what becomes of the copy."""

    def __init__(self, new: Any) -> None:
        super().__init__()
        self._new = new

    async def answer(self, call: Call):  # type: ignore[no-untyped-def, override]
        self.calls.append(call)
        if call.messages[0]["content"].startswith("New"):
            await self._new()
            yield Delta(text="from the new one")
        else:
            for word in ("from ", "the ", "old ", "one"):
                await asyncio.sleep(0)
                yield Delta(text=word)
        yield Finished(reason="stop")


async def at_once() -> None:
    """Nothing becomes of it."""


def world(provider: ScriptedProvider) -> tuple[Ports, ListSpool, FakeBackground]:
    spool, background = ListSpool(), FakeBackground()
    prompts = FixedPrompts(
        OLD.content,
        NEW.content,
        released={("answer", "production"): OLD},
        shadows={("answer", "production"): NEW},
    )
    return with_fields(fake_ports(provider, spool=spool), prompts=prompts, background=background), spool, background


def asking(**changes: object) -> Call:
    ref = PromptRef(name="answer", environment="production", variables={"question": "Why?"})
    caller = Caller(user="ada", tenant="acme", environment="production")
    return replace(new_call(), model="", messages=[], prompt=ref, caller=caller, **changes)


def text(events: list[Any]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [False, True])
async def test_the_caller_gets_the_old_answer_and_both_are_recorded(stream: bool) -> None:
    provider = ByPrompt(at_once)
    ports, spool, background = world(provider)
    call = asking(stream=stream, trace=new_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))

    assert text(await drain(build(ports)(call))) == "from the old one"
    await background.settle()

    seen, copy = sorted(spool.calls, key=lambda span: span.shadow_of)
    assert (seen.release, seen.request_id, seen.shadow_of) == (OLD.id, call.id, "")
    assert (copy.release, copy.shadow_of, copy.output) == (NEW.id, call.id, {"text": "from the new one"})
    assert (copy.trace_id, copy.parent_id) == (seen.trace_id, seen.span_id)
    assert seen.parent_id == "b7ad6b7169203331"
    assert len({seen.span_id, copy.span_id, seen.request_id, copy.request_id}) == 4
    assert (copy.user, copy.tenant, copy.environment, copy.stream) == ("ada", "acme", "production", stream)
    assert copy.input["messages"] == [{"role": "user", "content": "New: Why?"}]
    assert call.journal.release == OLD


async def never() -> None:
    await asyncio.sleep(3600)


async def down() -> None:
    raise ProviderDown("no route")


async def bug() -> None:
    raise ZeroDivisionError


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("new", "end", "recorded"),
    [
        (never, asyncio.CancelledError, "stopped"),
        (down, type(None), "provider_down"),
        (bug, ZeroDivisionError, "internal_error"),
    ],
)
async def test_what_becomes_of_the_copy_is_not_felt(new: Any, end: type, recorded: str) -> None:
    ports, spool, background = world(ByPrompt(new))
    assert text(await asyncio.wait_for(drain(build(ports)(asking())), 30)) == "from the old one"
    (task,) = background.tasks
    if new is never:
        task.cancel("the server ends")
    await background.settle()
    assert (await asyncio.gather(task, return_exceptions=True))[0].__class__ is end
    assert {bool(span.shadow_of): span.error for span in spool.calls} == {False: "", True: recorded}


@pytest.mark.anyio
async def test_a_caller_that_hangs_up_does_not_end_the_copy() -> None:
    go = asyncio.Event()

    async def later() -> None:
        await go.wait()

    ports, spool, background = world(ByPrompt(later))
    async with aclosing(build(ports)(asking())) as events:
        await anext(events)
    assert [span.error for span in spool.calls] == ["client_closed"]
    go.set()
    await background.settle()
    assert [(span.error, span.output["text"]) for span in spool.calls if span.shadow_of] == [("", "from the new one")]


@pytest.mark.anyio
async def test_a_call_that_is_refused_buys_no_copy() -> None:
    ports, spool, background = world(ByPrompt(at_once))
    call = asking()
    broken = replace(call, prompt=replace(call.prompt, variables={}))
    with pytest.raises(PromptError, match="question"):
        await drain(build(ports)(broken))
    elsewhere = replace(call, caller=replace(call.caller, models=("another",)))
    with pytest.raises(AccessError, match="may not use"):
        await drain(build(ports)(elsewhere))
    assert background.tasks == []
    assert [(span.shadow_of, span.error) for span in spool.calls] == [("", "invalid_prompt"), ("", "access_denied")]


@pytest.mark.anyio
async def test_when_too_much_is_under_way_there_is_no_copy() -> None:
    provider = ByPrompt(at_once)
    ports, spool, background = world(provider)
    background.full = True
    assert text(await drain(build(ports)(asking()))) == "from the old one"
    assert (len(spool.calls), background.tasks) == (1, [])


@pytest.mark.anyio
async def test_calls_without_a_shadow_start_nothing() -> None:
    ports, spool, background = world(ByPrompt(at_once))
    exact = PromptRef(name="answer", version="1.0.0", variables={"question": "Why?"})
    await drain(build(ports)(replace(asking(), prompt=exact)))
    await drain(build(ports)(new_call("Hello")))
    assert (len(spool.calls), background.tasks) == (2, [])


@pytest.mark.anyio
async def test_a_copy_has_no_copy() -> None:
    provider = ByPrompt(at_once)
    ports, _, background = world(provider)
    await drain(build(ports)(asking()))
    await background.settle()
    assert (len(provider.calls), len(background.tasks)) == (2, 1)
