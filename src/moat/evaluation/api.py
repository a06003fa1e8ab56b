"""`moat.evaluate` and `moat.gate`: what the command line does, from Python."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

from moat.domain.errors import RequestError
from moat.evals.targets.target import Target
from moat.evaluation.given import GivenCases, GivenScorer
from moat.evaluation.loose import LooseOptions, evaluate_loose
from moat.evaluation.outcome import Outcome
from moat.evaluation.suite import Chosen, evaluate_suite, gate_suite

T = TypeVar("T")


class Options(Chosen, LooseOptions, total=False):
    """Further keywords of `evaluate`."""

    project: str | Path


class GateOptions(TypedDict, total=False):
    """Further keywords of `gate`."""

    model: str
    environment: str
    """What it is meant for: what that serves is the baseline where none is named. `production` without it."""
    thresholds: Mapping[str, float]
    """The least mean of scores, beside the suite's own gates."""
    project: str | Path


def evaluate(
    suite: str = "",
    *,
    dataset: GivenCases | None = None,
    target: str | Callable[..., Any] | Target | None = None,
    scorers: Iterable[GivenScorer] = (),
    **options: Unpack[Options],
) -> Outcome:
    """Run a suite of the project, or cases, a target and scorers of your own; wait for it.

    A suite: `evaluate("support", prompt="support/answer@1.1.0")`. A finished run of exactly this is not asked again.
    Without one: `evaluate(dataset="cases.json", target=my_function, scorers=["equals"])`; nothing is stored, and models
    can be asked when a project is found at `project`, or from the current folder upwards. Raises a `MoatError`.
    """
    return waited(evaluate_async(suite, dataset=dataset, target=target, scorers=scorers, **options))


async def evaluate_async(
    suite: str = "",
    *,
    dataset: GivenCases | None = None,
    target: str | Callable[..., Any] | Target | None = None,
    scorers: Iterable[GivenScorer] = (),
    **options: Unpack[Options],
) -> Outcome:
    """The same, awaited."""
    if suite:
        if dataset is not None or target is not None or scorers or options.keys() & LooseOptions.__annotations__.keys():
            raise RequestError(
                "a suite says itself what is asked and how it is scored",
                where="evaluate",
                remedy="Name a suite, or give dataset, target and scorers.",
            )
        return await evaluate_suite(suite, options, options.get("project"))
    if dataset is None:
        raise RequestError("nothing to evaluate", where="evaluate", remedy="Name a suite, or give a dataset.")
    if foreign := options.keys() & Chosen.__annotations__.keys():
        raise RequestError(f"`{min(foreign)}` is for a suite", where="evaluate", remedy="Name one.")
    return await evaluate_loose(dataset, target, scorers, options, project=options.get("project"))


def gate(suite: str, *, prompt: str, baseline: str = "", **options: Unpack[GateOptions]) -> Outcome:
    """Judge a version against its baseline, as `moat gate` does; its `verdict` is the gates'. Raises a `MoatError`.

    Without `baseline`: what the environment serves, else the newest earlier version that no gate blocked.
    """
    chosen = Chosen(prompt=prompt, baseline=baseline, model=options.get("model", ""))
    judged = partial(gate_suite, suite, chosen, options.get("environment", ""), options.get("thresholds", {}))
    with ThreadPoolExecutor(1, thread_name_prefix="moat-gate") as thread:  # it has an event loop of its own
        return thread.submit(judged, options.get("project")).result()


def waited(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end, also where an event loop runs already (a notebook): then in a thread of its own."""
    if not _is_in_loop():
        return asyncio.run(work)
    with ThreadPoolExecutor(1, thread_name_prefix="moat-evaluate") as thread:
        return thread.submit(asyncio.run, work).result()


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
