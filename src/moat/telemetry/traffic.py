"""What is traffic: one rule for metrics, alerts and reports.

Evaluations go through the same pipeline as what people and their applications ask, and so do reruns of recorded calls
and what people try in the console. No user waits for these: they are not in rates, latencies and bills of the service.
"""

from moat.domain.environments import OWN

RERUN = "rerun"
"""Feature of calls that are asked again, which have no environment."""

TRAFFIC = f'not environment in ({", ".join(OWN)}) and not (feature = {RERUN} and environment = "")'
"""In the filter language; `web/src/parts/traffic.ts` says the same."""


def is_traffic(environment: str, feature: str) -> bool:
    """By a record's environment and feature.

    >>> is_traffic("production", "rerun"), is_traffic("", "rerun"), is_traffic("eval", "chat"), is_traffic("", "")
    (True, False, False, True)
    """
    return environment not in OWN and (feature, environment) != (RERUN, "")
