"""Looking at a comparison as often as one likes, and stopping when it is decided.

A test at 5 % that is looked at after every case is wrong far more often than in 5 % of cases. Betting is not: somebody
starts with a capital of 1 and bets against a claim on each case before it is seen. If the claim is true his capital
cannot be expected to grow, and the chance that it *ever* reaches 1/alpha is at most alpha (Ville 1939; Waudby-Smith &
Ramdas 2024, "Estimating means of bounded random variables by betting", JRSS-B 86).

Here several gamblers stake fixed parts of their capital, from much to little, and their mean is the capital: no bet has
to be tuned, the order of cases within a batch does not matter, and the result is valid at every look.
"""

import math
import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from moat.evals.statistics.intervals import Interval

if TYPE_CHECKING:
    import numpy as np

Course = Literal["pass", "regressed", "go on"]

STAKES = (0.95, 0.4, 0.2, 0.1, 0.05)
SHARES = (0.4, 0.15, 0.15, 0.15, 0.15)
"""What part of his capital each gambler stakes, and how much of the whole he starts with. Most cases do not change
between two prompts, which is when a high stake is the best one."""


class SequentialTest:
    """A non-inferiority test that may be looked at after every case.

    Feed it differences, candidate minus baseline, each from -1 to 1: one for each independent unit, that is a case, or
    the mean of a cluster's cases; in random order, or in one that has nothing to do with the outcome. A case counts
    once, with the mean of its repeats. Where clusters differ in size their weights are needed, for the claims are about
    the mean over cases: a share of the largest one's size each. The stakes shrink with them, so that clusters of one
    size are decided soonest, and a few large ones among many small ones may be decided by no number of these.

    - `pass`: the claim "the true loss is at least the margin" is refuted; when it is true, that ever happens with a
      chance of at most `false_pass`.
    - `regressed`: the claim "no loss at all" is refuted and the loss seen is above the margin; when it is true, that
      ever happens with a chance of at most `alpha`.

    What it decides is final. A test of fixed size on the same cases afterwards would be a second chance to be wrong.
    """

    def __init__(self, margin: float, *, alpha: float = 0.05, false_pass: float = 0.025) -> None:
        """Raises `ValueError` unless 0 < margin < 1 and both chances are between 0 and 1."""
        if not (0 < margin < 1 and 0 < alpha < 1 and 0 < false_pass < 1):
            raise ValueError("needs a margin, alpha and false_pass between 0 and 1")
        self._margin = margin
        self._thresholds = {"pass": -math.log(false_pass), "regressed": -math.log(alpha)}
        self._worst: list[float] = []
        self._best: list[float] = []
        self._weights: list[float] = []
        self._worse = self._fair = _start()
        self._course: Course = "go on"

    @property
    def course(self) -> Course:
        """The verdict as soon as there is one; it does not change any more."""
        return self._course

    @property
    def units(self) -> int:
        """How many differences it has seen."""
        return len(self._worst)

    @property
    def weight(self) -> float:
        """The sum of their weights."""
        return math.fsum(self._weights)

    @property
    def mean(self) -> float:
        """The weighted mean of the differences, between what is worst and what is best; 0 before the first."""
        return (_mean(self._worst, self._weights) + _mean(self._best, self._weights)) / 2

    def feed(
        self,
        differences: Iterable[float],
        best: Iterable[float] | None = None,
        weights: Iterable[float] | None = None,
    ) -> Course:
        """Take further differences and look after each.

        `best`: where answers are missing, the same if all of them had gone best, the differences being as if all had
        gone worst: a pass must hold for these, a regression for those. `weights`: of each unit, above 0 to 1. Raises
        `ValueError` for a difference that is not between -1 and 1, another weight, or not as many of them.
        """
        low = list(differences)
        high = low if best is None else list(best)
        sizes = [1.0] * len(low) if weights is None else list(weights)
        if not all(-1 <= value <= 1 for value in (*low, *high)):
            raise ValueError("differences lie between -1 and 1")
        if not all(0 < size <= 1 for size in sizes):
            raise ValueError("weights lie above 0, and at 1 at most")
        for worst, most, weight in zip(low, high, sizes, strict=True):
            self._worst.append(worst)
            self._best.append(most)
            self._weights.append(weight)
            self._worse = self._worse + _gains([worst], -self._margin, [weight])[0]
            self._fair = self._fair + _gains([-most], 0.0, [weight])[0]
            self._look()
        return self._course

    def interval(self, confidence: float = 0.95) -> Interval:
        """A confidence sequence: at every look, all of them together, the true mean lies in it with this confidence."""
        if not self._worst:
            return Interval(-1.0, 1.0)
        bound = -math.log((1 - confidence) / 2)
        low = _lower_end(self._worst, self._weights, bound)
        high = -_lower_end([-value for value in self._best], self._weights, bound)
        return Interval(low, high)

    def _look(self) -> None:
        if self._course != "go on":
            return
        if _capital(self._worse) >= self._thresholds["pass"]:
            self._course = "pass"
        elif _capital(self._fair) >= self._thresholds["regressed"] and (
            _mean(self._best, self._weights) < -self._margin
        ):
            self._course = "regressed"


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return math.fsum(map(operator.mul, values, weights)) / math.fsum(weights) if values else 0.0


def expected_units(
    pilot: Sequence[float], margin: float, limit: int, *, worlds: int = 400, seed: int = 0, false_pass: float = 0.025
) -> float:
    """How many units a `SequentialTest` with at most `limit` would look at on average, if differences were as in the
    pilot: the savings of an early stop, by simulation. Raises `ValueError` for an empty pilot.
    """
    import numpy as np

    if not len(pilot):
        raise ValueError("needs at least one difference")
    draws = np.random.default_rng(seed).choice(np.asarray(pilot, dtype=float), (worlds, limit))
    return float(stopping_times(draws, margin, false_pass=false_pass)[0].mean())


def stopping_times(
    draws: "np.ndarray",
    margin: float,
    *,
    alpha: float = 0.05,
    false_pass: float = 0.025,
    weights: "np.ndarray | None" = None,
) -> tuple["np.ndarray", "np.ndarray"]:
    """When each world's test stops, looking after every unit, and what it says: `SequentialTest` for many worlds.

    `draws`, and the weights of units if they have any, have shape (worlds, units). Returns units looked at, and 1 for
    pass, -1 for regressed, 0 for undecided.
    """
    import numpy as np

    units = draws.shape[1]
    sizes = np.ones_like(draws) if weights is None else weights
    worse = _paths(draws, -margin, sizes) >= -math.log(false_pass)
    lost = np.cumsum(sizes * draws, axis=1) < -margin * np.cumsum(sizes, axis=1)
    fair = (_paths(-draws, 0.0, sizes) >= -math.log(alpha)) & lost
    first = [np.where(hit.any(axis=1), hit.argmax(axis=1), units) for hit in (worse, fair)]
    said = np.where(first[0] < first[1], 1, np.where(first[1] < first[0], -1, 0))
    return np.minimum(np.minimum(*first) + 1, units), said


def _start() -> "np.ndarray":
    import numpy as np

    logs: np.ndarray = np.log(np.array(SHARES))
    return logs


def _gains(values: Sequence[float], mean: float, weights: Sequence[float]) -> "np.ndarray":
    """Each gambler's log gain on each value, in bets against a true mean of at most `mean`: shape (..., gamblers).

    Staking c, a value x of weight w pays 1 + c w (x - mean)/(1 + mean): never negative, and at most 1 on average when
    the claim holds for the weighted mean. The weight is no part of the stake that he could choose: what small units
    tell him says nothing of large ones.
    """
    import numpy as np

    wins = np.asarray(weights, dtype=float) * (np.asarray(values, dtype=float) - mean) / (1 + mean)
    gains: np.ndarray = np.log1p(np.multiply.outer(wins, np.array(STAKES)))
    return gains


def _capital(logs: "np.ndarray") -> float:
    largest = float(logs.max())
    return largest + math.log(float(sum(math.exp(each - largest) for each in logs)))


def _paths(draws: "np.ndarray", mean: float, weights: "np.ndarray") -> "np.ndarray":
    """Log capital after every unit."""
    import numpy as np

    total: np.ndarray = np.full(draws.shape, -np.inf)
    wins = weights * (draws - mean) / (1 + mean)
    for stake, share in zip(STAKES, SHARES, strict=True):
        steps = np.log1p(stake * wins)
        total = np.logaddexp(total, math.log(share) + np.cumsum(steps, axis=1))
    return total


def _lower_end(values: Sequence[float], weights: Sequence[float], bound: float) -> float:
    """The least mean against which the capital stays below the bound; it falls with the mean, so halving finds it."""
    low, high = -1.0, _mean(values, weights)
    for _ in range(40):
        middle = (low + high) / 2
        lost = _capital(_start() + _gains(values, middle, weights).sum(axis=0)) >= bound if middle > -1 else True
        low, high = (middle, high) if lost else (low, middle)
    return low
