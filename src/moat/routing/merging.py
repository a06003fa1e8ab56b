"""How a deployment stands in several processes, told as one."""

from collections.abc import Iterable

from msgspec.structs import replace

from moat.routing.health import DeploymentState

_SUMS = ("failures", "opened", "waiting", "tries", "failed", "retries", "refused_retries", "fallbacks", "hedges")
_WORST = ("closed", "half_open", "open")


def only_counts(state: DeploymentState) -> DeploymentState:
    """What a process did that is no more; how the deployment stands others know."""
    return replace(state, state="closed", wait=0.0, failures=0, latency=None, waiting=0)


def merged_states(states: Iterable[DeploymentState]) -> list[DeploymentState]:
    """One for each deployment: counts added, the worst state, the longest wait, the latency of the average try."""
    found: dict[str, DeploymentState] = {}
    for state in states:
        known = found.get(state.deployment)
        found[state.deployment] = state if known is None else _merged(known, state)
    return list(found.values())


def _merged(one: DeploymentState, other: DeploymentState) -> DeploymentState:
    return replace(
        one,
        **{name: getattr(one, name) + getattr(other, name) for name in _SUMS},
        state=max(one.state, other.state, key=_WORST.index),
        wait=max(one.wait, other.wait),
        latency=_average(one, other),
    )


def _average(one: DeploymentState, other: DeploymentState) -> float | None:
    known = [(state.latency, max(1, state.tries)) for state in (one, other) if state.latency is not None]
    total = sum(tries for _, tries in known)
    return sum(latency * tries for latency, tries in known) / total if known else None
