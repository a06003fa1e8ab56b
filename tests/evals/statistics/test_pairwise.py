import math

import numpy as np
import pytest
import statsmodels.api as sm

from moat.evals.statistics.pairwise import Game, bradley_terry

STRENGTHS = {"a": 0.0, "b": 0.5, "c": 1.0, "d": -1.5}


def played(count, seed=0, names="abcd"):
    random = np.random.default_rng(seed)
    games = []
    for _ in range(count):
        first, second = random.choice(list(names), 2, replace=False)
        chance = 1 / (1 + math.exp(STRENGTHS[second] - STRENGTHS[first]))
        games.append(Game(str(first), str(second), float(random.random() < chance)))
    return games


@pytest.mark.parametrize("seed", range(3))
def test_strengths_are_those_of_a_logistic_regression(seed):
    games = played(400, seed)
    rows = np.array([[(name == g.first) - (name == g.second) * 1 for name in "abc"] for g in games], dtype=float)
    fitted = np.append(sm.Logit([g.score for g in games], rows).fit(disp=0).params, 0)
    theirs = dict(zip("abcd", fitted - fitted.mean(), strict=True))
    found = bradley_terry(games, prior=0)
    assert {s.name: s.strength for s in found} == pytest.approx(theirs, abs=1e-4)
    assert [s.strength for s in found] == sorted((s.strength for s in found), reverse=True)
    assert sum(s.games for s in found) == 800


def test_intervals_of_strengths_cover_95_percent():
    truth = STRENGTHS["c"] - (STRENGTHS["c"] + STRENGTHS["b"] + STRENGTHS["a"]) / 3
    covered = []
    for seed in range(40):
        standing = next(s for s in bradley_terry(played(100, seed, "abc")) if s.name == "c")
        covered.append(standing.low <= truth <= standing.high)
    assert np.mean(covered) >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 40)


def test_games_of_one_case_count_together():
    games = played(100)
    alone = bradley_terry(games)
    copied = bradley_terry(games * 5, list(range(100)) * 5, prior=0.5)
    assert [s.name for s in copied] == [s.name for s in alone]
    for one, other in zip(copied, alone, strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.2)
    shorter = bradley_terry(games * 5)
    assert shorter[0].high - shorter[0].low < 0.7 * (alone[0].high - alone[0].low)


def test_one_who_never_lost_is_strong_and_finite_and_ties_are_even():
    winner, loser = bradley_terry([Game("new", "old", 1.0)] * 10)
    assert winner.name == "new"
    assert 1 < winner.strength < 5
    assert winner.strength == pytest.approx(-loser.strength)
    assert [s.strength for s in bradley_terry([Game("new", "old", 0.5)] * 10)] == pytest.approx([0, 0])
    assert bradley_terry([Game("new", "old", 1.0)] * 9, ["one"] * 9)[0].low == -math.inf


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: bradley_terry([]),
        lambda: bradley_terry([Game("a", "a", 1.0)]),
        lambda: bradley_terry([Game("a", "b", 2.0)]),
        lambda: bradley_terry([Game("a", "b", 1.0)], []),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError):
        nonsense()
