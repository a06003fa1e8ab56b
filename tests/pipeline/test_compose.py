"""Nesting, and the core list that both drivers share."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from moat.domain.calls import Call, Delta, Event
from moat.pipeline import recipe
from moat.pipeline.compose import Next, compose
from moat.testing.fakes import fake_ports, new_call
from moat.testing.scripted import ScriptedProvider


async def drain(events: AsyncGenerator[Event, None]) -> list[Event]:
    async with aclosing(events) as open_events:
        return [event async for event in open_events]


def tag(name: str, order: list[str]) -> object:
    async def stage(call: Call, next: Next) -> AsyncGenerator[Event, None]:
        order.append(f"{name} in")
        async with aclosing(next(call)) as events:
            async for event in events:
                yield event
        order.append(f"{name} out")

    return stage


@pytest.mark.anyio
async def test_the_first_stage_is_the_outermost() -> None:
    order: list[str] = []

    async def upstream(call: Call) -> AsyncGenerator[Event, None]:
        order.append("upstream")
        yield Delta(text="hello")

    run = compose([tag("a", order), tag("b", order)], upstream)  # type: ignore[list-item]

    assert await drain(run(new_call())) == [Delta(text="hello")]
    assert order == ["a in", "b in", "upstream", "b out", "a out"]


@pytest.mark.anyio
async def test_a_stage_may_answer_by_itself() -> None:
    provider = ScriptedProvider("never asked")

    def answer(call: Call, next: Next) -> AsyncGenerator[Event, None]:
        async def own() -> AsyncGenerator[Event, None]:
            yield Delta(text="from the cache")

        return own()

    run = compose([answer], provider.answer)

    assert await drain(run(new_call())) == [Delta(text="from the cache")]
    assert provider.calls == []


def test_the_recipe_reads_like_the_request_path() -> None:
    assert [stage.__name__ for stage in recipe.CORE] == [  # type: ignore[attr-defined]
        "Shadow",
        "Record",
        "Resolve",
        "Render",
        "Guard",
        "Limit",
        "Route",
        "Classify",
        "Cache",
        "Attempts",
        "Handle",
        "Meter",
    ]


@pytest.mark.anyio
async def test_a_built_pipeline_answers() -> None:
    provider = ScriptedProvider("Good morning")

    events = await drain(recipe.build(fake_ports(provider))(new_call()))

    assert "".join(event.text for event in events if isinstance(event, Delta)) == "Good morning"
