"""What a prompt's fixed part costs: its tokens at the prices of its model, at the volume it has."""

import time

import msgspec

from moat.bootstrap.models import price_table
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.traces import open_traces
from moat.domain.calls import Deployment
from moat.domain.errors import MoatError
from moat.domain.releases import PromptVersion
from moat.domain.usage import Usage
from moat.ports.traces import TraceFilter
from moat.prompts.diff import PromptDiff

EVALS = "eval"
"""The environment that evaluations call from."""
MONTH_NS = 30 * 86_400 * 10**9


class CostDelta(msgspec.Struct, frozen=True, kw_only=True):
    """What a change of a prompt's fixed part costs, estimated. Picodollars."""

    per_call: int
    calls_per_month: int
    volume: str
    """Where the number of calls comes from: `stated`, `observed`, or `assumed` (a million) when neither is known."""

    @property
    def per_month(self) -> int:
        """At that volume."""
        return self.per_call * self.calls_per_month


def cost_delta(project: Project, change: PromptDiff, before: PromptVersion, after: PromptVersion) -> CostDelta | None:
    """The difference in input tokens, each version at its own model's price; None when one has no known price."""
    prices = price_table(project.settings, environment())
    costs = []
    for prompt, tokens in ((before, change.before_tokens), (after, change.after_tokens)):
        model = project.settings.config.models.get(prompt.model)
        if model is None:
            return None
        provider, _, name = model.use[0].partition("/")
        costs.append(prices.cost(Deployment(provider, name), prompt.model, Usage(input=tokens)))
    if costs[0] is None or costs[1] is None:
        return None
    calls, volume = _volume(project, after)
    return CostDelta(per_call=costs[1] - costs[0], calls_per_month=calls, volume=volume)


def _volume(project: Project, prompt: PromptVersion) -> tuple[int, str]:
    stated = prompt.metadata.get("calls_per_month")
    if isinstance(stated, int) and stated > 0:
        return stated, "stated"
    observed = _observed(project, prompt.name)
    return (observed, "observed") if observed else (1_000_000, "assumed")


def _observed(project: Project, name: str) -> int:
    """Calls of the last 30 days, those of evals and shadows left out; 0 when the trace store cannot be asked."""
    if not project.traces_path.exists() and not project.spool_path.exists():
        return 0
    wanted = TraceFilter(prompt=name, since_ns=time.time_ns() - MONTH_NS, shadow=False)
    try:
        with open_traces(project) as traces:
            rows = traces.usages(("environment",), wanted)
            return sum(row.calls for row in rows if row.group[0] != EVALS)
    except MoatError:
        return 0
