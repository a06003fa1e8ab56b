"""How many requests were refused before they were calls. Nothing records them, so they are counted here."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal

Where = Literal["connection", "calls", "traces", "feedback", "api"]
"""What was asked for: `connection` is no HTTP as the server knows it, or too much at one time; `calls` are models,
files and batches; `api` is all the rest."""

Count = tuple[Where, int, int]
"""Where, with which status, how many."""


class Refusals:
    """Counts since the process began, by where and status: a few numbers, whatever clients send."""

    def __init__(self) -> None:
        self._own: Counter[tuple[Where, int]] = Counter()
        self.elsewhere: Callable[[], Iterable[Count]] = lambda: ()
        """Those of other processes that serve beside this one."""

    def add(self, where: Where, status: int) -> None:
        """One more."""
        self._own[where, status] += 1

    @property
    def own(self) -> tuple[Count, ...]:
        """This process's; from any thread."""
        return tuple((where, status, count) for (where, status), count in list(self._own.items()))

    @property
    def all(self) -> tuple[Count, ...]:
        """Those of all processes."""
        return summed((*self.own, *self.elsewhere()))


def summed(counts: Iterable[Count]) -> tuple[Count, ...]:
    """One count for each place and status."""
    total: Counter[tuple[Where, int]] = Counter()
    for where, status, count in counts:
        total[where, status] += count
    return tuple((where, status, count) for (where, status), count in sorted(total.items()))


def surface(path: str) -> Where:
    """Where a path leads, whether anything is there or not."""
    if path.startswith(("/v1/feedback", "/feedback/")):
        return "feedback"
    if path == "/v1/traces":
        return "traces"
    return "calls" if path.startswith(("/v1/", "/v1beta/")) else "api"
