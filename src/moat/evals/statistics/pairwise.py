"""Who wins, from many comparisons of two."""

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from moat.evals.statistics.bootstrap import SAMPLES, draw_sums
from moat.evals.statistics.clusters import totals

if TYPE_CHECKING:
    import numpy as np

ROUNDS, ENOUGH = 500, 1e-7
"""At most so many steps, or until no strength moves by more."""


class Game(NamedTuple):
    """One comparison: which two, and the score of the first (1 it wins, 0.5 a tie, 0 it loses)."""

    first: str
    second: str
    score: float


class Standing(NamedTuple):
    """One contestant's strength."""

    name: str
    strength: float
    """Log odds of winning against one of average strength (0)."""
    low: float
    high: float
    games: int


def bradley_terry(
    games: Sequence[Game],
    clusters: Sequence[Hashable] | None = None,
    *,
    prior: float = 0.1,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Standing]:
    """Strengths that explain who beat whom, the strongest first (Bradley & Terry 1952, Biometrika 39; fitted after
    Hunter 2004, Ann. Stat. 32). A tie is half a win for each.

    Intervals are percentiles of a bootstrap over clusters: give every game's case, for games on one case are not
    independent. `prior` is so many drawn games between any two, so that one who never lost has a finite strength.
    Wrong when wins go in circles (A beats B beats C beats A): then there is no order to find. With one cluster the
    intervals are infinite. Raises `ValueError` for no games, somebody against himself, or a score outside 0 to 1.
    """
    import numpy as np

    names = sorted({name for game in games for name in game[:2]})
    if not names or any(game.first == game.second or not 0 <= game.score <= 1 for game in games):
        raise ValueError("needs games of two different contestants with scores from 0 to 1")
    index, count = {name: place for place, name in enumerate(names)}, len(names)
    parts = np.zeros((len(games), count * count))
    for row, (first, second, score) in zip(parts, games, strict=True):
        row[index[first] * count + index[second]] = score
        row[index[second] * count + index[first]] = 1 - score
    rows = totals(parts, clusters)
    whole = rows.sum(axis=0)
    seen = _strengths(whole[None], count, prior)[0]
    low, high = np.full(count, -math.inf), np.full(count, math.inf)
    if len(rows) > 1:
        drawn = _strengths(draw_sums(rows, SAMPLES, seed), count, prior)
        low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    played = whole.reshape(count, count).sum(axis=0) + whole.reshape(count, count).sum(axis=1)
    found = [
        Standing(n, float(s), float(a), float(b), round(g))
        for n, s, a, b, g in zip(names, seen, low, high, played, strict=True)
    ]
    return sorted(found, key=lambda standing: -standing.strength)


def _strengths(sums: "np.ndarray", count: int, prior: float) -> "np.ndarray":
    """Log strengths with mean 0, shape (samples, contestants), from wins of row over column."""
    import numpy as np

    wins = sums.reshape(-1, count, count) + prior / 2 * (1 - np.eye(count))
    played = wins + wins.transpose(0, 2, 1)
    won = wins.sum(axis=2)
    strength = np.ones(won.shape)
    for _ in range(ROUNDS):
        shares = (played / (strength[:, :, None] + strength[:, None, :])).sum(axis=2)
        better = np.maximum(won, 1e-300) / np.maximum(shares, 1e-300)
        better /= np.exp(np.log(better).mean(axis=1, keepdims=True))
        moved = float(np.abs(np.log(better / strength)).max())
        strength = better
        if moved < ENOUGH:
            break
    return np.log(strength)
