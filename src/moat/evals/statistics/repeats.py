"""What repeats of one case tell: how steady the answers are."""

from collections.abc import Sequence


def flaky(values: Sequence[float]) -> bool:
    """Did repeats of one case disagree about passing (a score of at least 0.5)?"""
    return len({value >= 0.5 for value in values}) > 1


def flake_rate(cases: Sequence[Sequence[float]]) -> float | None:
    """Share of the cases with two repeats or more that are flaky; None when there are none."""
    repeated = [values for values in cases if len(values) > 1]
    return sum(map(flaky, repeated)) / len(repeated) if repeated else None
