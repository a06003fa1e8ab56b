"""How often alert rules fire falsely on quiet traffic, and how soon they tell of a step: `python -m bench.alerts`.

The traffic is simulated: 30 calls a minute on average with the cycle of a day and a week, lognormal latencies.
"""

import sys
from collections import Counter
from collections.abc import Callable

from moat.domain.alerting import Event, Standing
from moat.telemetry.alerts.evaluate import evaluate, looked
from moat.telemetry.alerts.readings import Gauge
from moat.telemetry.alerts.shipped import SHIPPED
from tests.telemetry.alerts.worlds import MINUTE_NS, MONDAY, WEEK_NS, Traffic

NOON = 36 * 60 * MINUTE_NS
"""Of Tuesday."""
STEPS = {
    "latency-p95": {"latency": 2.5},
    "latency-p50": {"latency": 2.5},
    "error-rate": {"errors": 7.5},
    "timeout-rate": {"timeouts": 15.0},
    "provider-down": {"errors": 150.0},
    "cost-per-request": {"cost": 2.5},
    "tokens-per-second": {"speed": 0.6},
    "token-usage": {"tokens": 1.5},
    "cache-hit-rate": {"hits": 0.5},
}
RULES = tuple(rule for rule in SHIPPED if rule.measure != "spend_today")
"""What is spent is no matter of chance here."""


def events(traffic: Traffic, since_ns: int, until_ns: int, every: int) -> list[Event]:
    """As a server would find them that evaluates so many minutes apart."""
    gauge, standing, found = Gauge(traffic), Standing(), list[Event]()
    for at in range(since_ns, until_ns, every * MINUTE_NS):
        standing, more = evaluate(RULES, gauge.now(RULES, at, looked(standing)), standing, at)
        found += more
    return found


def main(weeks: int) -> None:
    """Print both."""
    start = MONDAY + 4 * WEEK_NS
    for seed in range(weeks):
        fired = Counter(e.rule for e in events(Traffic(seed), start, start + WEEK_NS, 2) if e.kind == "fired")
        print(f"quiet week {seed}: {dict(fired) or 'nothing fired'}", flush=True)
    at = start + NOON
    for rule, factors in STEPS.items():
        traffic = Traffic(7, _step(factors, at))
        found = events(traffic, at - 20 * MINUTE_NS, at + 130 * MINUTE_NS, 1)
        told = [round((e.at_ns - at) / MINUTE_NS) for e in found if (e.rule, e.kind) == (rule, "fired")]
        print(f"{rule} after {factors}: told after {told or 'more than 130'} minutes", flush=True)


def _step(factors: dict[str, float], since_ns: int) -> Callable[[int], dict[str, float]]:
    return lambda now: factors if now >= since_ns else {}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
