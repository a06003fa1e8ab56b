"""In which order the deployments of an alias are tried. All of them stay: the later ones are fallbacks."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from moat.domain.calls import Deployment

EXPLORED = 0.05
"""Share of the calls with which `fastest` finds out how fast the others are by now (epsilon-greedy)."""

Order = list[Deployment]


def weighted(deployments: Sequence[Deployment], weights: Mapping[Deployment, float], random: Random) -> Order:
    """By chance: each place goes to one of those left, in proportion to the weights. Weight 0: last, as written.

    Efraimidis and Spirakis, Weighted random sampling with a reservoir, Information Processing Letters 97 (2006).
    """

    def draw(deployment: Deployment) -> float:
        weight = weights.get(deployment, 1.0)
        return random.expovariate(weight) if weight > 0 else float("inf")

    return sorted(deployments, key=draw)


def fastest(deployments: Sequence[Deployment], latency: Callable[[Deployment], float | None], random: Random) -> Order:
    """By the latency seen lately; those never seen come first. Now and then another one is taken first."""
    order = sorted(deployments, key=lambda deployment: latency(deployment) or 0.0)
    if len(order) > 1 and random.random() < EXPLORED:
        order.insert(0, order.pop(random.randrange(1, len(order))))
    return order


def cheapest(
    deployments: Sequence[Deployment],
    price: Callable[[Deployment], int | None],
    good_enough: Callable[[Deployment], bool],
) -> Order:
    """Those good enough, by price, one without a price last; then the others as written."""

    def key(deployment: Deployment) -> tuple[bool, bool, int]:
        if not good_enough(deployment):
            return True, True, 0
        cost = price(deployment)
        return False, cost is None, cost or 0

    return sorted(deployments, key=key)
