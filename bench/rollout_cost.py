"""What rollouts cost every call: looking for a shadow, choosing an arm, noting it.

    python bench/rollout_cost.py

The two stages by themselves, on a real rollout of one prompt, with nothing behind them: the fastest of several rounds,
in microseconds a call, less an empty stage's own.
"""

import timeit
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from moat.domain.calls import Call, Caller, Journal
from moat.domain.releases import Arm, Assignment, MessageTemplate, PromptRef, PromptVersion, Release
from moat.pipeline.compose import Stage
from moat.pipeline.stages.resolve import Resolve
from moat.pipeline.stages.shadow import Shadow
from moat.prompts.catalog import Catalog
from moat.prompts.rollout import Rollout
from moat.testing.fakes import fake_ports, new_call
from moat.testing.scripted import ScriptedProvider

ROUNDS, CALLS = 15, 20_000


def release(version: str) -> Release:
    content = PromptVersion(name="answer", version=version, model="m", messages=(MessageTemplate("user", "Hi"),))
    return Release(id=f"rel_{version}", content=content, prompt_digest="")


OLD, NEW = release("1.0.0"), release("2.0.0")
CANARY = Arm(NEW.id, 10, "canary"), Arm(OLD.id, 90, "stable")


def stages(*arms: Arm, shadow: Arm | None = None) -> tuple[Stage, Stage]:
    assignment = Assignment(
        environment="production", prompt="answer", sequence=1, arms=arms, actor="", reason="", created_ns=1,
        experiment="production/answer#1", progress="open", shadow=shadow,
    )  # fmt: skip
    prompts = Rollout(Catalog(), [OLD, NEW], [assignment], "production")
    ports = replace(fake_ports(ScriptedProvider()), prompts=prompts)
    return Shadow(ports), Resolve(ports)


def end(call: Call) -> Any:
    """What comes next: nothing."""


def microseconds(work: Callable[[], object]) -> float:
    return min(timeit.repeat(work, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def main() -> None:
    """Print one line for each case."""
    plain = new_call()
    named = msgspec.structs.replace(
        plain, prompt=PromptRef(name="answer", environment="production"), caller=Caller(user="ada"), journal=Journal()
    )
    free = msgspec.structs.replace(named, caller=Caller())
    one, split = stages(Arm(OLD.id)), stages(*CANARY)
    trial = stages(Arm(OLD.id), shadow=Arm(NEW.id, 0.0))
    empty = microseconds(partial(end, plain))
    print(f"{'':<34}{'shadow':>8}{'resolve':>9}")
    for title, (shadow, resolve), call in (
        ("no prompt", one, plain),
        ("one release", one, named),
        ("canary, a known user", split, named),
        ("canary, nobody known", split, free),
        ("one release, a shadow not chosen", trial, named),
    ):
        costs = [microseconds(partial(stage, call, end)) - empty for stage in (shadow, resolve)]
        print(f"{title:<34}{costs[0]:>8.2f}{costs[1]:>9.2f}")


if __name__ == "__main__":
    main()
