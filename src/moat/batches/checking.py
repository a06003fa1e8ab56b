"""Can all lines of a batch be run, and by whom?"""

from contextlib import suppress
from typing import NamedTuple

from moat.batches.lines import LineError
from moat.batches.providing import batch_api
from moat.batches.reserving import WITHHELD, prepare
from moat.batches.running import Running, Slices
from moat.domain.batches import Problem
from moat.domain.calls import Call, Deployment
from moat.domain.errors import ContextOverflow, MoatError, Unsupported

MAX_PROBLEMS = 100
"""Of a file: who has more learns little from the rest."""


class Found(NamedTuple):
    """What a look at all lines has shown."""

    total: int
    problems: tuple[Problem, ...]
    deployment: str
    """`provider/model` whose batch API can run all of them; empty when there is none."""


async def check(running: Running, max_lines: int) -> Found:
    """Read all of the input file. Raises `StorageError`."""
    problems: list[Problem] = []
    names: set[str] = set()
    deployments: set[Deployment | None] = set()
    slices, total = Slices(), 0
    for number, at, raw in running.input.raw_lines():
        await slices.rest()
        total += 1
        if total > max_lines:
            problems.append(Problem(code="too_many_lines", message=f"the file has more than {max_lines} lines"))
            break
        try:
            line = running.input.read(number, at, raw)
            if line.name in names:
                what = f"custom_id {line.name!r} stands in more than one line"
                raise LineError("duplicate_custom_id", what, line=number, param="custom_id")
            names.add(line.name)
            with suppress(*WITHHELD):
                deployments.add(await _deployment(running, running.call(line)))
        except LineError as error:
            problems.append(error.problem)
        except MoatError as error:
            problems.append(Problem(code=error.code, message=str(error), param=error.where, line=number))
        if len(problems) >= MAX_PROBLEMS:
            break
    if not total:
        problems.append(Problem(code="empty_file", message="the file has no lines"))
    return Found(total, tuple(problems), _provided(running, deployments, total))


def _provided(running: Running, deployments: set[Deployment | None], total: int) -> str:
    """The one whose batch API can run so many lines; empty when there is none."""
    one = deployments.pop() if len(deployments) == 1 else None
    api = batch_api(running.ports.models, one) if one is not None else None
    return str(one) if api is not None and total <= api.most_lines else ""


async def _deployment(running: Running, call: Call) -> Deployment | None:
    """Whose batch API can run a call; None when none can."""
    ports = running.ports
    try:
        sent = await prepare(call, ports)
        assert sent.plan is not None, "Route makes the plan"
        deployment = sent.plan.deployments[0]
        api = batch_api(ports.models, deployment)
        return deployment if api is not None and api.takes(call.operation) else None
    except (ContextOverflow, Unsupported):
        return None
