"""What is traffic: one rule for metrics, alerts and reports.

Evaluations go through the same pipeline as what people and their applications ask, and so do reruns and replays of
recorded calls. Nobody waits for either: they are not in rates, latencies and bills of the service.
"""

from moat.domain.environments import EVALS

RERUN = "rerun"
"""Feature of calls that are asked again, which have no environment."""

TRAFFIC = f'not environment = {EVALS} and not (feature = {RERUN} and environment = "")'
"""In the filter language."""


def is_traffic(environment: str, feature: str) -> bool:
    """By a record's environment and feature.

    >>> is_traffic("production", "rerun"), is_traffic("", "rerun"), is_traffic("eval", "chat"), is_traffic("", "")
    (True, False, False, True)
    """
    return environment != EVALS and (feature, environment) != (RERUN, "")
