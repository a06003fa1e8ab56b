"""Values, intervals and baselines."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.domain.alerting import Baseline
from moat.ports.traces import Scores, Spend
from moat.telemetry.alerts.baselines import DAY_NS, HOUR_NS, daily, hourly
from moat.telemetry.alerts.measures import SHIFT_SURE, merged, of_scores, of_spend, of_usages, share, shift
from moat.telemetry.alerts.rules import OF_ATTEMPTS, OF_OPINIONS, SINGLE
from moat.telemetry.alerts.shipped import SHIPPED
from tests.telemetry.alerts.worlds import MONDAY, NOTHING

RULES = {rule.name: rule for rule in SHIPPED}
USAGES = replace(
    NOTHING,
    calls=200,
    errors=10,
    timeouts=4,
    input_tokens=1500,
    output_tokens=500,
    cost=3 * 10**12,
    unpriced=50,
    timed=180,
    p95_ns=6 * 10**9,
    streamed_tokens=900,
    streaming_ns=30 * 10**9,
    streams=3,
    refused=50,
    looked_up=100,
    hits=20,
)


@pytest.mark.parametrize(
    ("measure", "value", "samples"),
    [
        ("latency_p95", 6.0, 180),
        ("tokens_per_second", 30.0, 3),
        ("error_rate", 0.05, 200),
        ("timeout_rate", 0.02, 200),
        ("cost_per_call", 0.03, 100),
        ("tokens_per_call", 2000 / 150, 150),
        ("cache_hit_rate", 0.2, 100),
        ("calls", 200, 200),
    ],
)
def test_what_calls_say(measure: str, value: float, samples: int) -> None:
    found = of_usages(measure, USAGES)  # type: ignore[arg-type]
    assert found is not None
    assert (found.value, found.samples) == (pytest.approx(value), samples)
    assert of_usages(measure, NOTHING) is None  # type: ignore[arg-type]


def test_every_shipped_measure_has_a_source() -> None:
    every = replace(USAGES, p50_ns=1, p99_ns=1, first_token_p50_ns=1)
    for rule in SHIPPED:
        if rule.measure not in (*SINGLE, *OF_ATTEMPTS, *OF_OPINIONS):
            assert of_usages(rule.measure, every) is not None, rule.name


def test_what_attempts_and_opinions_say() -> None:
    spend = Spend(group=(), requests=40, failed=30, cost=2 * 10**12)
    down, today = of_spend(RULES["provider-down"], spend), of_spend(RULES["daily-spend"], spend)
    assert down is not None
    assert today is not None
    assert (down.value, today.value) == (0.75, 2.0)
    opinions = Scores(group=(), name="feedback", source="person", count=50, total=25.0, squares=16.0, low=20)
    people = of_scores(RULES["user-feedback"], opinions)
    low = of_scores(RULES["hallucination-rate"], opinions)
    assert people is not None
    assert low is not None
    assert (people.value, low.value) == (3.0, 0.4)
    assert people.low is not None
    assert people.high is not None
    assert people.low < 3.0 < people.high
    both = merged([opinions, replace(opinions, source="scorer", bins=(1,) * 10)])
    assert (both.count, both.low, both.bins) == (100, 40, ()), "a store that does not count tenths"


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_rate(part: int, whole: int) -> None:
    found = share(min(part, whole), whole)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1


def test_wilson_by_the_book() -> None:
    """Against `statsmodels.stats.proportion.proportion_confint(7, 120, alpha=0.0026998, method="wilson")`."""
    found = share(7, 120)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(0.019996, abs=1e-5), pytest.approx(0.158298, abs=1e-5))


def test_a_shift_is_seen_and_chance_is_not() -> None:
    from scipy.stats import chi2

    assert chi2.ppf(0.999, 9) == pytest.approx(SHIFT_SURE, abs=0.005)
    dice = random.Random(5)

    def histogram(count: int, bimodal: bool) -> list[int]:
        bins = [0] * 10
        for _ in range(count):
            value = dice.betavariate(0.4, 0.4) if bimodal else dice.betavariate(5, 2)
            bins[min(9, int(value * 10))] += 1
        return bins

    same = [shift(histogram(200, False), histogram(2000, False)) for _ in range(50)]
    assert sum(found is not None and (found.low or 0) > 0.2 for found in same) == 0
    other = shift(histogram(200, True), histogram(2000, False))
    assert other is not None
    assert (other.low or 0) > 0.2
    assert shift([], [1] * 10) is None
    assert shift([0] * 10, [1] * 10) is None


def weeks(count: int, level: float = 10.0) -> dict[int, float]:
    """Hours before Monday noon, twice as high by day as by night."""
    now = (MONDAY + 12 * HOUR_NS) // HOUR_NS
    return {hour: level * (2 if 8 <= hour % 24 < 20 else 1) for hour in range(now - count * 168, now)}


@pytest.mark.parametrize(("count", "of"), [(4, "this hour of the week"), (1, "this hour of the day")])
def test_what_is_usual_follows_the_clock(count: int, of: str) -> None:
    noon, night = MONDAY + 12 * HOUR_NS, MONDAY + 3 * HOUR_NS
    found = hourly(weeks(count), noon)
    assert isinstance(found, Baseline)
    assert (found.center, found.of) == (20.0, of)
    assert found.spread == pytest.approx(0.6), "never less than three hundredths"
    at_night = hourly({hour: value for hour, value in weeks(count).items() if hour < night // HOUR_NS}, night)
    assert isinstance(at_night, Baseline)
    assert at_night.center == 10.0


def test_a_short_past_says_so() -> None:
    assert "too little history: 0 hours" in str(hourly({}, MONDAY))
    now = MONDAY // HOUR_NS
    found = hourly(dict.fromkeys(range(now - 30, now), 5.0), MONDAY)
    assert isinstance(found, Baseline)
    assert found.of == "all hours"
    assert isinstance(daily({}, MONDAY), str)
    days = daily({MONDAY // DAY_NS - n: 0.8 for n in range(2, 8)}, MONDAY)
    assert isinstance(days, Baseline)
    assert days.center == 0.8


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=2), st.integers(0, 3))
def test_outliers_do_not_move_what_is_usual(wild: list[float], week: int) -> None:
    past = weeks(4)
    now = (MONDAY + 12 * HOUR_NS) // HOUR_NS
    for aside, value in enumerate(wild):
        past[now - 168 * (week + 1) + aside] = value
    found = hourly(past, MONDAY + 12 * HOUR_NS)
    assert isinstance(found, Baseline)
    assert found.center == 20.0


def test_the_present_and_the_far_past_are_not_the_past() -> None:
    noon = MONDAY + 12 * HOUR_NS
    now = noon // HOUR_NS
    past = {**weeks(4), now: 1e9, now + 1: 1e9, now - 5 * 168: 1e9}
    found = hourly(past, noon + 30 * 60 * 10**9)
    assert isinstance(found, Baseline)
    assert found.center == 20.0
