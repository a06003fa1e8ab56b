"""What metrics tell besides what is served. This module imports nothing heavy: only the first scrape does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from moat.telemetry.counting import Lag
from moat.telemetry.measures import Measures


class EvalScore(NamedTuple):
    """The newest finished evaluation of a suite."""

    suite: str
    prompt: str
    version: str
    model: str
    score: float
    verdict: str
    """`pass`, `regressed` or `inconclusive`; empty before a gate judged it."""
    finished: float
    """Unix seconds."""


class Processes(NamedTuple):
    """How the server's processes stand."""

    workers: int = 0
    """Ready to answer calls."""
    replaced: int = 0
    """That ended since the server started though nobody had asked them to."""
    requests: int = 0
    """Under way, in all of them."""


class Sending(NamedTuple):
    """How it stands with one collector that spans are sent to."""

    collector: str
    sent: int
    """Spans that it took."""
    refused: int
    """Spans that it did not take and never will."""
    failures: int
    """Tries that were in vain, whatever became of them."""
    given_up: int
    """Segments that waited for too long, or in vain."""
    waiting: int
    """Bytes."""


@dataclass(frozen=True)
class Measured:
    """Where the numbers come from."""

    dropped: Callable[[], int] = lambda: 0
    """How many copies for releases on trial were given up."""
    measures: Measures | None = None
    """What calls came to; None where nobody counts them."""
    lag: Callable[[], Lag] = lambda: Lag(0, 0, 0.0, 0)
    evals: Callable[[], Sequence[EvalScore]] = tuple
    processes: Callable[[], Processes] = Processes
    sending: Callable[[], Sequence[Sending]] = tuple
    messages: Callable[[], Mapping[str, int]] = dict
    """Of alerts, by channel: how many wait to be sent."""


NOTHING_MEASURED = Measured()
