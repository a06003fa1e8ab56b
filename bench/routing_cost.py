"""What routing costs every call: making the plan, and trying it.

    python bench/routing_cost.py

First `Router.plan` by itself, for each strategy. Then the stage of the tries on an answer of one piece and of twenty,
with nothing behind it, without health and with it, and hedged: the fastest of several rounds, in microseconds a call.
"""

import timeit
from collections.abc import AsyncGenerator
from dataclasses import replace as with_fields
from time import perf_counter
from typing import Any

import msgspec
import uvloop
from msgspec.structs import replace

from moat.adapters.system import SystemClock
from moat.domain.calls import Call, Delta, Deployment, Event, Finished
from moat.domain.config import ModelConfig
from moat.pipeline.stages.attempt import Attempts
from moat.ports.models import Capacity
from moat.routing.health import DeploymentHealth
from moat.routing.router import Knowledge, Router
from moat.testing.fakes import FlatPrices, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider

ROUNDS, CALLS = 7, 5_000
RULE = {"when": {"tenant": ["acme"], "min_tokens": 100}, "use": ["b/y"]}
MODELS: dict[str, dict[str, Any]] = {
    "ordered": {},
    "weighted": {"strategy": "weighted"},
    "fastest": {"strategy": "fastest"},
    "cheapest": {"strategy": "cheapest"},
    "five rules": {"rules": [RULE] * 5},
}


def router() -> Router:
    models = {name: msgspec.convert({"use": ["a/x", "b/y"], **more}, ModelConfig) for name, more in MODELS.items()}
    sizes = {Deployment("a", "x"): Capacity(context=128_000), Deployment("b", "y"): Capacity(context=128_000)}
    return Router(models, {}, Knowledge(prices=FlatPrices(), capacities=sizes))


async def tried(stage: Attempts, call: Call, pieces: int) -> float:
    """Microseconds for a call."""
    events: list[Event] = [*[Delta(text="word")] * pieces, Finished(reason="stop")]

    async def upstream(call: Call) -> AsyncGenerator[Event, None]:
        for event in events:
            yield event

    async def once() -> float:
        began = perf_counter()
        for _ in range(CALLS):
            async for _ in stage(call, upstream):
                pass
        return (perf_counter() - began) / CALLS * 1e6

    return min([await once() for _ in range(ROUNDS)])


async def main() -> None:
    """Print one line for each case."""
    models = router()
    for name in MODELS:
        call = new_call(model=name)
        cost = min(timeit.repeat(lambda call=call: models.plan(call), number=CALLS, repeat=ROUNDS))  # type: ignore[misc]
        print(f"plan, {name:<24}{cost / CALLS * 1e6:>8.2f}")
    bare = with_fields(fake_ports(ScriptedProvider()), models=models, clock=SystemClock())
    plan = models.plan(new_call(model="ordered"))
    call = replace(new_call(model="ordered"), plan=plan)
    hedged = replace(call, plan=replace(plan, hedge_ns=10**10))
    healthy = with_fields(bare, health=DeploymentHealth(SystemClock()))
    for title, ports, asked in (("", bare, call), (" with health", healthy, call), (", hedged", healthy, hedged)):
        costs = [await tried(Attempts(ports), asked, pieces) for pieces in (1, 20)]
        print(f"tries{title:<25}{costs[0]:>8.2f}{costs[1]:>9.2f}")


if __name__ == "__main__":
    uvloop.run(main())
