"""Retries and fallbacks: before the first byte only, within the deadline, each try billed once."""

import asyncio
from dataclasses import replace as with_fields

import pytest

from moat.adapters.system import SystemClock
from moat.domain.calls import Delta, Finished
from moat.domain.errors import (
    DeadlinePassed,
    ProviderDown,
    ProviderOverloaded,
    ProviderRefused,
    StreamCut,
)
from moat.pipeline import course
from moat.pipeline.recipe import build
from moat.testing.fakes import FakeClock, FixedModels, ListSpool, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider, says
from tests.pipeline.test_compose import drain


def pipeline(main: ScriptedProvider, spare: ScriptedProvider, *, retries: int = 1, deadline: float = 60.0):  # type: ignore[no-untyped-def]
    spool = ListSpool()
    models = FixedModels(
        {"assistant": ["main/large", "spare/small"]},
        {"main": main, "spare": spare},
        retries=retries,
        deadline=deadline,
    )
    ports = with_fields(fake_ports(main, spool=spool), models=models)
    return build(ports), spool


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "BACKOFF_BASE", 0.0)


def text(events: list[object]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_a_retry_at_the_same_deployment_comes_before_the_fallback() -> None:
    main = ScriptedProvider(ProviderDown("once"), says("second try"))
    spare = ScriptedProvider("fallback")
    run, spool = pipeline(main, spare)

    assert text(await drain(run(new_call()))) == "second try"
    assert [span.error for span in spool.spans] == ["", "provider_down", ""]
    assert spool.calls[0].attempts == 2
    assert spare.calls == []


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_the_fallback_answers_when_retries_are_used_up() -> None:
    main, spare = ScriptedProvider(ProviderDown("dark")), ScriptedProvider("fallback")
    run, spool = pipeline(main, spare)

    assert text(await drain(run(new_call()))) == "fallback"
    assert len(main.calls) == 2
    assert (spool.calls[0].provider, spool.calls[0].attempts) == ("spare", 3)


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_nothing_is_tried_again_after_the_first_byte() -> None:
    main = ScriptedProvider([Delta(text="half an ans"), StreamCut("cut")])
    spare = ScriptedProvider("fallback")
    run, spool = pipeline(main, spare)

    with pytest.raises(StreamCut):
        await drain(run(new_call()))

    assert (len(main.calls), len(spare.calls)) == (1, 0)
    assert spool.calls[0].output == {"text": "half an ans"}


@pytest.mark.anyio
async def test_a_refused_request_is_refused_everywhere() -> None:
    main = ScriptedProvider(ProviderRefused("bad schema", status=400))
    spare = ScriptedProvider("fallback")
    run, _ = pipeline(main, spare)

    with pytest.raises(ProviderRefused, match="bad schema"):
        await drain(run(new_call()))

    assert (len(main.calls), len(spare.calls)) == (1, 0)


@pytest.mark.anyio
async def test_bad_credentials_at_one_provider_are_no_reason_to_fail() -> None:
    main = ScriptedProvider(ProviderRefused("bad key", status=401))
    run, _ = pipeline(main, ScriptedProvider("fallback"))

    assert text(await drain(run(new_call()))) == "fallback"
    assert len(main.calls) == 1


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_retry_after_beyond_the_deadline_moves_on_at_once() -> None:
    main = ScriptedProvider(ProviderOverloaded("busy", retry_after=3600))
    run, _ = pipeline(main, ScriptedProvider("fallback"))

    assert text(await drain(run(new_call()))) == "fallback"
    assert len(main.calls) == 1


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_the_deadline_covers_all_tries_together() -> None:
    run, spool = pipeline(ScriptedProvider(ProviderDown("dark")), ScriptedProvider("late"), deadline=0.0)

    with pytest.raises(DeadlinePassed, match="deadline"):
        await drain(run(new_call()))

    assert spool.calls[0].attempts == 1


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_a_long_retry_after_does_not_hold_up_a_fallback() -> None:
    main = ScriptedProvider(ProviderOverloaded("busy", retry_after=30))
    run, _ = pipeline(main, ScriptedProvider("fallback"), retries=2)

    assert text(await asyncio.wait_for(drain(run(new_call())), 20)) == "fallback"
    assert len(main.calls) == 1


@pytest.mark.anyio
async def test_a_deployment_may_stand_in_a_plan_twice() -> None:
    main = ScriptedProvider(ProviderDown("first"), says("second time"))
    spare = ScriptedProvider(ProviderDown("spare"))
    models = FixedModels({"assistant": ["main/large", "spare/small", "main/large"]}, {"main": main, "spare": spare})

    run = build(with_fields(fake_ports(main), models=models))

    assert text(await drain(run(new_call()))) == "second time"
    assert len(spare.calls) == 1


@pytest.mark.anyio
async def test_the_last_error_is_the_callers_when_all_fail() -> None:
    run, spool = pipeline(ScriptedProvider(ProviderDown("first")), ScriptedProvider(ProviderDown("last")), retries=0)

    with pytest.raises(ProviderDown, match="last"):
        await drain(run(new_call()))

    assert [span.error_message for span in spool.spans[1:]] == ["first", "last"]


@pytest.mark.anyio
async def test_an_answer_without_its_end_is_cut() -> None:
    run, _ = pipeline(ScriptedProvider([Delta(text="and then")]), ScriptedProvider("fallback"), retries=0)

    with pytest.raises(StreamCut):
        await drain(run(new_call()))


@pytest.mark.anyio
async def test_an_empty_answer_that_ends_properly_is_an_answer() -> None:
    run, spool = pipeline(ScriptedProvider([Finished(reason="stop")]), ScriptedProvider("fallback"))

    assert await drain(run(new_call())) == [Finished(reason="stop")]
    assert spool.calls[0].attempts == 1


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_a_provider_that_never_begins_is_stopped_at_the_deadline() -> None:
    class Silent(ScriptedProvider):
        async def answer(self, call):  # type: ignore[no-untyped-def, override]
            await asyncio.sleep(3600)
            yield

    spool = ListSpool()
    models = FixedModels({"assistant": ["main/large"]}, {"main": Silent()}, deadline=0.05)
    ports = with_fields(fake_ports(Silent(), spool=spool), models=models, clock=SystemClock())

    with pytest.raises(DeadlinePassed, match="the deadline passed"):
        await asyncio.wait_for(drain(build(ports)(new_call())), 30)

    root, tried = spool.spans
    assert (root.error, tried.error) == ("deadline_passed", "deadline_passed")


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_a_steady_answer_does_not_outlive_the_deadline() -> None:
    clock = FakeClock()

    class Endless(ScriptedProvider):
        async def answer(self, call):  # type: ignore[no-untyped-def, override]
            while True:
                clock.advance(1)
                yield Delta(text="word ")

    spool = ListSpool()
    models = FixedModels({"assistant": ["main/large"]}, {"main": Endless()}, deadline=10)
    ports = with_fields(fake_ports(Endless(), spool=spool), models=models, clock=clock)

    with pytest.raises(DeadlinePassed, match="the deadline passed"):
        await asyncio.wait_for(drain(build(ports)(new_call())), 30)

    assert spool.calls[0].output["text"].count("word") == 9
