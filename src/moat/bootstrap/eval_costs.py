"""What a run will cost, before it is begun."""

from itertools import islice

import msgspec

from moat.bootstrap.project import Project
from moat.bootstrap.spending import offline_prices, primary_cost
from moat.bootstrap.state import State
from moat.domain.errors import MoatError
from moat.domain.scores import Case, Run
from moat.domain.usage import Usage, estimate_tokens
from moat.evals.datasets.fitting import given
from moat.evals.running.evaluation import Evaluation
from moat.evals.targets.chat import ModelTarget
from moat.pipeline.estimates import message_tokens
from moat.prompts.templates import JinjaRenderer

SAMPLE = 200
"""Cases, or results, that a mean is taken of."""


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of what a run still has to ask. Money is in picodollars."""

    answers: int
    """Cases times repeats that have no result yet."""
    cost: int | None
    """About, without what is in the cache; None when it is not known."""
    basis: str
    """What it rests on, or why it is not known."""


def foresee(project: Project, state: State, evaluation: Evaluation, known: Run | None) -> Foreseen:
    """By what the newest finished run of the suite took, else by the length of the prompt; never by a guess."""
    done = sum(1 for _ in state.runs.each(known.id)) if known is not None else 0
    answers = len(evaluation.dataset.cases) * evaluation.suite.repeats - done
    each, basis = _by_runs(state, evaluation) or _by_length(project, evaluation)
    if least := evaluation.suite.least:
        basis += f"; at most: where {least} answers agree, one more is enough"
    return Foreseen(answers=answers, cost=None if each is None else each * answers, basis=basis)


def _by_runs(state: State, evaluation: Evaluation) -> tuple[int, str] | None:
    """Picodollars of an answer and its scoring, as the same suite had them of the same model."""
    for run in state.runs.runs(suite=evaluation.suite.name, limit=20):
        same = (run.suite_digest, run.model, run.deployments)
        if run.status != "finished" or same != (evaluation.suite.digest, evaluation.alias, evaluation.deployments):
            continue
        results = [result for result in islice(state.runs.each(run.id), SAMPLE) if result.cost is not None]
        if results:
            total = sum((r.cost or 0) + sum(score.cost for score in r.scores) for r in results)
            return total // len(results), f"as {run.id} cost"
    return None


def _by_length(project: Project, evaluation: Evaluation) -> tuple[int | None, str]:
    if not evaluation.alias:
        return None, "what answers is no model of moat.yaml"
    if judges := sorted({alias for scorer in evaluation.suite.scorers for alias in scorer.models}):
        return None, f"nothing is known yet of what {', '.join(judges)} will cost as a judge"
    output = _longest(evaluation)
    if output is None:
        return None, "no run is stored, and neither `max_tokens` says how long answers may be"
    sizes = [size for case in evaluation.dataset.cases[:SAMPLE] if (size := _size(project, evaluation, case))]
    if not sizes:
        return None, "no case can be rendered"
    used = Usage(input=sum(sizes) // len(sizes), output=output)
    cost = primary_cost(project, offline_prices(project), evaluation.alias, used)
    if cost is None:
        return None, f"the model {evaluation.alias!r} has no price"
    return cost, "at most: by the prompt's length, and answers as long as `max_tokens` allows"


def _longest(evaluation: Evaluation) -> int | None:
    target = evaluation.target
    params = evaluation.prompt.params if evaluation.prompt else target.params if isinstance(target, ModelTarget) else {}
    for name in ("max_completion_tokens", "max_tokens"):
        if isinstance(value := params.get(name), int):
            return value
    return None


def _size(project: Project, evaluation: Evaluation, case: Case) -> int:
    """Estimated tokens of a case's input; 0 when it cannot be asked."""
    try:
        if evaluation.prompt is not None:
            renderer = JinjaRenderer(where=project.catalog.where)
            messages = [*renderer.render(evaluation.prompt, given(case, evaluation.prompt)), *case.messages]
        elif isinstance(evaluation.target, ModelTarget):
            messages = evaluation.target.asked(case)["messages"]
        else:
            return 0
    except MoatError:
        return 0
    asked = sum(message_tokens(message) for message in messages)
    tools = evaluation.prompt.tool_definitions if evaluation.prompt else ()
    return asked + estimate_tokens(msgspec.json.encode(tools).decode() if tools else "")
