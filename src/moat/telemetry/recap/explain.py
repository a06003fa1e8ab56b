"""What explains a change: exact parts of a sum, and differences that chance does not make."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from moat.ports.traces import Spend

SURE = 2.58
"""Standard deviations: one in a hundred is chance."""

Group = tuple[str, ...]


class Parts(NamedTuple):
    """Of a change of cost, in picodollars; they add up to it."""

    volume: float
    """More or fewer requests."""
    mix: float
    """Other models asked, new and gone ones included."""
    length: float
    """Tokens of a request."""
    price: float
    """Money for a token: prices, cached or reasoning tokens, the share of the output."""


def cost_parts(before: Mapping[Group, Spend], now: Mapping[Group, Spend]) -> Parts:
    """The additive logarithmic mean Divisia index (Ang, 2005) over segments: cost = requests x share x tokens per
    request x cost per token. A segment that one side lacks, or that cost nothing there, is mix as a whole.
    """
    old_requests = sum(spend.requests for spend in before.values())
    new_requests = sum(spend.requests for spend in now.values())
    parts = [0.0, 0.0, 0.0, 0.0]
    for group in {**before, **now}:
        old, new = before.get(group), now.get(group)
        if old is None or new is None or not all(map(_whole, (old, new))):
            parts[1] += (new.cost if new else 0) - (old.cost if old else 0)
            continue
        weight = _log_mean(new.cost, old.cost)
        factors = (
            new_requests / old_requests,
            (new.requests / new_requests) / (old.requests / old_requests),
            (new.usage.total / new.requests) / (old.usage.total / old.requests),
            (new.cost / new.usage.total) / (old.cost / old.usage.total),
        )
        for index, factor in enumerate(factors):
            parts[index] += weight * math.log(factor)
    return Parts(*parts)


class Effect(NamedTuple):
    """What one version did to the cost, in picodollars."""

    group: Group
    """Prompt and version."""
    calls: int
    each: float
    """Cost of a call with this version ..."""
    before: float | None
    """... and of a call of its prompt in the time before, whatever the version; None: it had none."""
    effect: int
    """Difference of the two, times calls; of a new prompt, all that it cost."""


def version_effects(before: Mapping[Group, Spend], now: Mapping[Group, Spend]) -> tuple[list[Effect], int]:
    """What versions did, the largest effect first, and what is left: more or fewer calls of each prompt, at what they
    cost before. Together it is the change, to the picodollar.
    """
    old = {prompt: _together(before, prompt) for prompt in {group[0] for group in before}}
    effects = []
    for group, spend in now.items():
        calls, cost = old.get(group[0], (0, 0))
        if not spend.calls:
            continue
        effect = spend.cost - round(cost * spend.calls / calls) if calls else spend.cost
        effects.append(Effect(group, spend.calls, spend.cost / spend.calls, cost / calls if calls else None, effect))
    change = sum(spend.cost for spend in now.values()) - sum(spend.cost for spend in before.values())
    effects.sort(key=lambda one: (-abs(one.effect), one.group))
    return effects, change - sum(one.effect for one in effects)


def _together(spends: Mapping[Group, Spend], prompt: str) -> tuple[int, int]:
    those = [spend for group, spend in spends.items() if group[0] == prompt]
    return sum(spend.calls for spend in those), sum(spend.cost for spend in those)


def contributions(before: Mapping[Group, Spend], now: Mapping[Group, Spend]) -> list[tuple[Group, int]]:
    """By how much each group's cost changed, the largest change first."""
    groups = {**before, **now}
    found = [(g, (now[g].cost if g in now else 0) - (before[g].cost if g in before else 0)) for g in groups]
    return sorted(((g, c) for g, c in found if c), key=lambda pair: (-abs(pair[1]), pair[0]))


def rates_differ(part: int, whole: int, old_part: int, old_whole: int) -> bool:
    """Two shares of calls: more apart than chance makes them (pooled two-proportion z test)?"""
    if not whole or not old_whole:
        return False
    pooled = (part + old_part) / (whole + old_whole)
    scatter = math.sqrt(pooled * (1 - pooled) * (1 / whole + 1 / old_whole))
    return scatter > 0 and abs(part / whole - old_part / old_whole) > SURE * scatter


def means_differ(now: tuple[int, float, float], before: tuple[int, float, float]) -> bool:
    """Two means of opinions, each as count, sum and sum of squares (Welch's z)? Fewer than ten tell nothing."""
    if min(now[0], before[0]) < 10:
        return False
    (mean, error), (old, old_error) = (_mean(side) for side in (now, before))
    return abs(mean - old) > SURE * math.sqrt(error + old_error)


def _mean(side: tuple[int, float, float]) -> tuple[float, float]:
    count, total, squares = side
    mean = total / count
    return mean, max(squares / count - mean * mean, 0.001) / count


def _whole(spend: Spend) -> bool:
    return spend.requests > 0 and spend.usage.total > 0 and spend.cost > 0


def _log_mean(new: float, old: float) -> float:
    return new if new == old else (new - old) / math.log(new / old)
