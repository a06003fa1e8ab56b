"""Which calls have a latency: one rule for the store, metrics, alerts and reports.

A call that was answered has one, and so has one that ended because nobody answered in time: people waited for it. What
fails otherwise says nothing of how fast answers are: a call that an open breaker refuses takes no time at all, and an
outage would look like the fastest hour of the week. Of a batch nobody waits for one call.
"""

from moat.domain.batches import BATCH_PRICED
from moat.telemetry.query_terms import TIMEOUTS

ENDINGS = ("", *TIMEOUTS)
"""Errors with which a call has a latency; empty: it was answered."""


def has_latency(error: str, price_version: str) -> bool:
    """By a call's error and the version of its prices.

    >>> has_latency("", "1"), has_latency("provider_timeout", ""), has_latency("circuit_open", "")
    (True, True, False)
    """
    return error in ENDINGS and not price_version.endswith(BATCH_PRICED)
