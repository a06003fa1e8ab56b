"""What repeats of one case tell: how steady the answers are."""

from collections.abc import Sequence
from math import comb


def flaky(values: Sequence[float]) -> bool:
    """Did repeats of one case disagree about passing (a score of at least 0.5)?"""
    return len({value >= 0.5 for value in values}) > 1


def flake_rate(cases: Sequence[Sequence[float]]) -> float | None:
    """Share of the cases with two repeats or more that are flaky; None when there are none."""
    repeated = [values for values in cases if len(values) > 1]
    return sum(map(flaky, repeated)) / len(repeated) if repeated else None


def pass_hat_k(passed: int, repeats: int, k: int) -> float:
    """pass^k: the chance that k independent answers to one case all pass, from `passed` of `repeats` passes.

    The unbiased estimate C(passed, k) / C(repeats, k) of tau-bench (Yao et al. 2024, arXiv 2406.12045).
    """
    if not 1 <= k <= repeats or not 0 <= passed <= repeats:
        raise ValueError("needs 1 <= k <= repeats and 0 <= passed <= repeats")
    return comb(passed, k) / comb(repeats, k)
