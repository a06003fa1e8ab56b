"""Durations are measured on a clock that nobody sets."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from moat.domain.calls import Call, Delta, Event, Finished
from moat.domain.usage import Usage
from moat.pipeline.recipe import build
from moat.testing.fakes import FakeClock, ListSpool, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider


@pytest.mark.promise("money-8")
@pytest.mark.anyio
@pytest.mark.parametrize("jump", [-3600, 0, 3600])
async def test_a_clock_that_jumps_by_an_hour_changes_no_duration(jump: int) -> None:
    clock, spool = FakeClock(), ListSpool()
    began = clock.now_ns()

    class Slow(ScriptedProvider):
        async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
            clock.advance(0.2)
            clock.jump(jump)
            yield Delta(text="a")
            clock.jump(jump)
            clock.advance(0.3)
            yield Finished(reason="stop", usage=Usage(input=1, output=1), model="m")

    run = build(replace(fake_ports(Slow(), spool=spool), clock=clock))
    async with aclosing(run(new_call())) as events:
        async for _ in events:
            pass
    call, attempt = spool.spans
    assert (call.started_ns, attempt.started_ns) == (began, began)
    assert (call.duration_ns, attempt.duration_ns) == (500_000_000, 500_000_000)
    assert attempt.first_token_ns == 200_000_000
