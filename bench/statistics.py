"""How far the statistics of evaluations keep their word, in simulated worlds, and how fast they are.

    python -m bench.statistics [--worlds 2000]

Every number is a share of worlds whose truth is known because they were made from it. A 95 % interval should hold it in
about 95 %; wrong verdicts should be at most as frequent as promised.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from moat.evals.statistics.agreement import cohen_kappa, krippendorff_alpha
from moat.evals.statistics.bootstrap import ratio_bootstrap
from moat.evals.statistics.intervals import difference_interval, difference_tails, mean_interval, rise, wilson
from moat.evals.statistics.judges import ppi_mean, rates, rogan_gladen
from moat.evals.statistics.noninferiority import non_inferiority
from moat.evals.statistics.proportions import clopper_pearson, share_interval
from moat.evals.statistics.ratios import relative_change
from moat.evals.statistics.repeats import pass_at_k, pass_hat_k
from moat.evals.statistics.sequential import stopping_times
from moat.evals.statistics.significance import benjamini_hochberg, holm, mean_below, paired_test

WORLDS, BOOTSTRAPPED = 2_000, 0.25
"""Worlds, and the share of them for what resamples in each."""
MARGIN, CASES = 0.05, 400
UNEVEN = "1,000 cases in 200 uneven clusters"

Random = np.random.Generator
World = tuple[float, Iterable[Any]]
"""What each interval should hold, and the data of each world."""


class Scenario(NamedTuple):
    """An interval in a kind of world."""

    method: str
    world: str
    interval: Callable[[Any], Any]
    make: Callable[[Random, int], World]
    slow: bool = False


def passes(n: int, rate: float) -> Callable[[Random, int], World]:
    """Independent passes and fails."""
    return lambda random, worlds: (rate, random.binomial(1, rate, (worlds, n)).astype(float))


def clustered(groups: int, size: int, a: float, b: float) -> Callable[[Random, int], World]:
    """Passes and fails whose rate is each cluster's own."""

    def make(random: Random, worlds: int) -> World:
        rates_ = np.repeat(random.beta(a, b, (worlds, groups)), size, axis=1)
        return a / (a + b), random.binomial(1, rates_).astype(float)

    return make


def uneven(cases: int, groups: int, rate: float, sigma: float = 1.0) -> Callable[[Random, int], World]:
    """Clusters of log-normal sizes that pass or fail as a whole: values with their clusters."""

    def make(random: Random, worlds: int) -> World:
        shares = random.lognormal(0, sigma, (worlds, groups))
        sizes = random.multinomial(cases, shares / shares.sum(axis=1, keepdims=True))
        codes = [np.repeat(np.arange(groups), size) for size in sizes]
        good = random.random((worlds, groups)) < rate
        return rate, ((passed[code] * 1.0, code) for passed, code in zip(good, codes, strict=True))

    return make


def repeated(cases: int, repeats: int, k: int, *, every: bool) -> Callable[[Random, int], World]:
    """Repeats of cases whose rates are Beta(4, 1): k pass, or one of k does."""

    def make(random: Random, worlds: int) -> World:
        data = random.binomial(1, random.beta(4, 1, (worlds, cases))[:, :, None], (worlds, cases, repeats))
        one = 1 - math.factorial(k) * math.factorial(4) / math.factorial(4 + k)
        return 4 / (4 + k) if every else one, (world.tolist() for world in data)

    return make


def flipping(n: int, lost: float, won: float) -> Callable[[Random, int], World]:
    """Paired differences of passes and fails."""
    return lambda random, worlds: (
        won - lost,
        random.choice([-1.0, 0.0, 1.0], p=[lost, 1 - lost - won, won], size=(worlds, n)),
    )


def skewed(n: int) -> Callable[[Random, int], World]:
    """Latencies: exponential."""
    return lambda random, worlds: (1.0, random.exponential(1, (worlds, n)))


def costs(n: int) -> Callable[[Random, int], World]:
    """Costs before and after: log-normal, ten percent more in the middle."""

    def make(random: Random, worlds: int) -> World:
        before = random.lognormal(0, 0.7, (worlds, n))
        after = before * random.lognormal(0.1, 0.3, (worlds, n))
        return math.exp(0.145) - 1, zip(before, after, strict=True)

    return make


def judged(n: int, labels: int, truth: float, tpr: float, tnr: float) -> Callable[[Random, int], World]:
    """A judge's share of passes, and its rates on labelled answers."""

    def make(random: Random, worlds: int) -> World:
        good = random.binomial(labels, truth, worlds).tolist()
        share = (random.binomial(n, truth * tpr + (1 - truth) * (1 - tnr), worlds) / n).tolist()
        hits = [(k, int(random.binomial(k, tpr)), int(random.binomial(labels - k, tnr))) for k in good]
        found = ((s, n, rates(tp, k - tp, labels - k - tn, tn)) for s, (k, tp, tn) in zip(share, hits, strict=True))
        return truth, (world for world in found if rogan_gladen(*world) is not None)

    return make


def labelled(labels: int, others: int, truth: float, right: float) -> Callable[[Random, int], World]:
    """Labels of some answers, and a judge of all."""

    def make(random: Random, worlds: int) -> World:
        true = random.random((worlds, labels + others)) < truth
        said = np.where(random.random(true.shape) < right, true, ~true) * 1.0
        return truth, ((t[:labels] * 1.0, j[:labels], j[labels:]) for t, j in zip(true, said, strict=True))

    return make


def raters(n: int, rate: float) -> Callable[[Random, int], World]:
    """Two raters, each right nine times in ten."""

    def make(random: Random, worlds: int) -> World:
        true = random.random((worlds, n)) < rate
        sides = [np.where(random.random(true.shape) < 0.9, true, ~true) for _ in range(2)]
        marginal = 0.9 * rate + 0.1 * (1 - rate)
        return 1 - 0.18 / (2 * marginal * (1 - marginal)), np.stack(sides, axis=2).tolist()

    return make


def _wilson(values: Any) -> Any:
    return wilson(int(values.sum()), len(values))


def _exact(values: Any) -> Any:
    return clopper_pearson(int(values.sum()), len(values))


def _by(size: int, interval: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda values: interval(values, np.arange(len(values)) // size)


def _lost(values: Any, clusters: Any) -> Any:
    """Of the differences of a version that loses all that fails."""
    found = difference_interval(values - 1, clusters)
    return found._replace(low=found.low + 1, high=found.high + 1)


SCENARIOS = (
    Scenario("Wilson", "50 cases, 90 % pass", _wilson, passes(50, 0.9)),
    Scenario("Wilson", "300 cases, 99 % pass", _wilson, passes(300, 0.99)),
    Scenario("Clopper-Pearson (exact)", "50 cases, 95 % pass", _exact, passes(50, 0.95)),
    Scenario("share_interval", "12 clusters of 8", _by(8, share_interval), clustered(12, 8, 8, 2)),
    Scenario("share_interval", "100 clusters of 3", _by(3, share_interval), clustered(100, 3, 2, 2)),
    Scenario("share_interval", UNEVEN, lambda w: share_interval(*w), uneven(1000, 200, 0.8)),
    Scenario("share_interval", "the same, 5 % fail", lambda w: share_interval(*w), uneven(1000, 200, 0.95)),
    Scenario("share_interval", "400 cases in 40 such", lambda w: share_interval(*w), uneven(400, 40, 0.8)),
    Scenario("mean_interval (t)", "25 clusters of 8", _by(8, mean_interval), clustered(25, 8, 4, 1)),
    Scenario("mean_interval (t)", UNEVEN, lambda w: mean_interval(*w), uneven(1000, 200, 0.8)),
    Scenario("pass^3", "100 cases, 4 repeats", lambda w: pass_hat_k(w, 3), repeated(100, 4, 3, every=True)),
    Scenario("pass@2", "100 cases, 4 repeats", lambda w: pass_at_k(w, 2), repeated(100, 4, 2, every=False)),
    Scenario("difference_interval", "60 cases, 12 % flip", difference_interval, flipping(60, 0.08, 0.04)),
    Scenario("difference_interval", "300 cases, 20 % flip", difference_interval, flipping(300, 0.15, 0.05)),
    Scenario("difference_interval", f"{UNEVEN}, 5 % lost", lambda w: _lost(*w), uneven(1000, 200, 0.95)),
    Scenario(
        "bootstrap-t", "mean of 60 latencies", lambda w: ratio_bootstrap(w, np.ones(len(w))), skewed(60), slow=True
    ),
    Scenario("relative_change", "60 costs", lambda w: relative_change(*w), costs(60), slow=True),
    Scenario("Rogan-Gladen", "200 answers, 60 labels", lambda w: rogan_gladen(*w), judged(200, 60, 0.8, 0.9, 0.8)),
    Scenario("Rogan-Gladen", "300 answers, 100 labels", lambda w: rogan_gladen(*w), judged(300, 100, 0.95, 0.95, 0.9)),
    Scenario("PPI++", "50 labels, 1,000 answers", lambda w: ppi_mean(*w), labelled(50, 1000, 0.8, 0.9)),
    Scenario("PPI++", "200 labels, 1,000 answers", lambda w: ppi_mean(*w), labelled(200, 1000, 0.9, 0.9)),
    Scenario("Cohen's kappa", "60 answers", lambda w: cohen_kappa(*zip(*w, strict=True)), raters(60, 0.8), slow=True),
    Scenario("Krippendorff's alpha", "60 answers", krippendorff_alpha, raters(60, 0.5), slow=True),
)


def coverage(worlds: int) -> None:
    """One line for each scenario."""
    print("| interval | world | held the truth |\n|---|---|---|")
    for number, scenario in enumerate(SCENARIOS):
        count = round(worlds * (BOOTSTRAPPED if scenario.slow else 1))
        truth, data = scenario.make(np.random.default_rng(number), count)
        ends = [(found.low, found.high) for found in map(scenario.interval, data)]
        held = sum(low <= truth <= high for low, high in ends) / len(ends)
        print(f"| {scenario.method} | {scenario.world} | {held:.1%} |", flush=True)


VERDICTS = (
    ("nothing changes", 0.0, 0.0),
    ("no worse, 4 % flip", 0.02, 0.02),
    ("no worse, 20 % flip", 0.1, 0.1),
    ("loss at the margin, rare", 0.05, 0.0),
    ("loss at the margin, 25 % flip", 0.15, 0.1),
    ("loss of 10 points", 0.15, 0.05),
    ("loss of 20 points", 0.25, 0.05),
)
"""Name, share of cases lost, share won."""


def verdicts(worlds: int) -> None:
    """What the gate says with a fixed number of cases, and with an early stop that looks after every case."""
    print(f"\n| margin {MARGIN}, {CASES} cases | pass | regressed | early: pass | regressed | cases |")
    print("|---|---|---|---|---|---|")
    for number, (name, lost, won) in enumerate(VERDICTS):
        draws: np.ndarray = np.asarray(flipping(CASES, lost, won)(np.random.default_rng(number), worlds)[1])
        fixed = [non_inferiority(values, MARGIN).verdict for values in draws.tolist()]
        units, said = stopping_times(draws, MARGIN)
        shares = [fixed.count("pass") / worlds, fixed.count("regressed") / worlds, (said > 0).mean(), (said < 0).mean()]
        print(f"| {name} | " + " | ".join(f"{share:.1%}" for share in shares) + f" | {units.mean():.0f} |", flush=True)


def uneven_clusters(worlds: int) -> None:
    """How often a gate is wrong of clusters that are alike as a whole, of equal and of log-normal sizes."""
    print("\n| 1,000 cases in 200 clusters | wrong verdicts: equal | uneven |\n|---|---|---|")
    shares: dict[str, list[float]] = {
        "loss of 5 points passes a margin of 0.05": [],
        "no loss (few large gains, many small losses) is regressed": [],
        "graded scores at their floor are below it": [],
    }
    for sigma in (0.0, 1.0):
        wrong = [0, 0, 0]
        for values, codes in uneven(1000, 200, 0.05, sigma)(np.random.default_rng(7), worlds)[1]:
            wrong[0] += -difference_interval(-values, codes).low <= MARGIN
            moves = np.where(values > 0, 0.95, -0.05)
            wrong[1] += difference_tails(moves, codes)[0] <= MARGIN and paired_test(moves, codes)[1].worse <= MARGIN
            scores = 0.5 + values / 2
            seen = mean_interval(scores, codes)
            more: dict[str, Any] = {"degrees": seen.degrees, "above": rise(scores, codes)}
            wrong[2] += mean_below(seen.mean, seen.error, 1000, seen.worth, 0.525, **more) <= MARGIN
        for name, count in zip(shares, wrong, strict=True):
            shares[name].append(count / worlds)
    for name, (even, odd) in shares.items():
        print(f"| {name} | {even:.1%} | {odd:.1%} |", flush=True)


def speed(cases: int = 10_000, scores: int = 3, slices: int = 20) -> None:
    """The statistics of one comparison: three scores with clusters or without, both sides, the difference and its test,
    and as many again for the worst and the best that missing answers leave possible; slices on top.
    """
    random = np.random.default_rng(0)
    clusters = random.integers(0, cases // 4, cases).tolist()
    for name, groups in (("with clusters", clusters), ("without", None)):
        for kind in ("passes", "graded"):
            sides: list[np.ndarray] = [random.random((scores, cases)) for _ in range(2)]
            if kind == "passes":
                sides = [(side < 0.8) * 1.0 for side in sides]
            began = time.process_time()
            for old, new in zip(*sides, strict=True):
                mean_interval(old.tolist(), groups), mean_interval(new.tolist(), groups)
                for bound in (new - old, np.minimum(new - old, 0.9), np.maximum(new - old, -0.9)):
                    difference_interval(bound.tolist(), groups)
                    paired_test(bound.tolist(), groups)
            for part in np.array_split(sides[1][0] - sides[0][0], slices):
                difference_interval(part.tolist())
                benjamini_hochberg(holm([paired_test(part.tolist())[1].two_sided]))
            took = time.process_time() - began
            print(f"| {cases:,} cases, {scores} scores, {slices} slices, {kind}, {name} | {took:.2f} s |", flush=True)


def main() -> None:
    """Print the tables of docs/statistics.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.statistics", description=__doc__.partition("\n")[0])
    parser.add_argument("--worlds", type=int, default=WORLDS, help="simulated worlds (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.worlds < 100:
        parser.error("--worlds starts at 100")
    difference_interval([0.0, 1.0])  # loads numpy
    coverage(arguments.worlds)
    verdicts(arguments.worlds)
    uneven_clusters(arguments.worlds)
    print("\n| statistics of a comparison | CPU |\n|---|---|")
    speed()


if __name__ == "__main__":
    main()
