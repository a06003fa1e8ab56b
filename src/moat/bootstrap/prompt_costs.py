"""What a prompt's fixed part costs: its tokens at the prices of its model, at the volume it has."""

import msgspec

from moat.bootstrap.project import Project
from moat.bootstrap.spending import monthly_calls, offline_prices, primary_cost
from moat.domain.releases import PromptVersion
from moat.domain.usage import Usage
from moat.prompts.diff import PromptDiff


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
    prices = offline_prices(project)
    sides = ((before, change.before_tokens), (after, change.after_tokens))
    old, new = (primary_cost(project, prices, prompt.model, Usage(input=tokens)) for prompt, tokens in sides)
    if old is None or new is None:
        return None
    calls, volume = volume_of(project, after)
    return CostDelta(per_call=new - old, calls_per_month=calls, volume=volume)


def volume_of(project: Project, prompt: PromptVersion) -> tuple[int, str]:
    """Calls of a prompt in a month, and where the number comes from, as in `CostDelta`."""
    stated = prompt.metadata.get("calls_per_month")
    if isinstance(stated, int) and stated > 0:
        return stated, "stated"
    observed = monthly_calls(project).get(prompt.name, 0)
    return (observed, "observed") if observed else (1_000_000, "assumed")
