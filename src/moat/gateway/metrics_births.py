"""Counters that begin at 0 for whoever watches them.

Prometheus takes the first value of a new series as where it began: `increase()` would never see the first call of a
feature. So a series that came up between two scrapes by the same server is 0 in the first that shows it, and what it is
from the next on. Whoever looks for the first time sees everything as it is, unless the server has only just started:
what was counted before would come as a leap.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from moat.gateway.http import Scope

YOUNG_SECONDS = 120.0
"""After its start a server's counts are all news."""
MAX_SCRAPERS = 16

Series = tuple[str, tuple[str, ...]]
Shown = Callable[[str, tuple[str, ...]], bool]
"""Was this series, by family and labels, there at the last scrape by the same server?"""


def always(family: str, labels: tuple[str, ...]) -> bool:
    """For people, who want the numbers as they are."""
    return True


class _Scraper(NamedTuple):
    news: bool
    """Is what he does not know news?"""
    known: set[Series]


class Births:
    """Remembers which series each Prometheus has seen."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._scrapers: dict[str, _Scraper] = {}

    def shown(self, scope: Scope) -> Shown:
        """What the Prometheus that sends this request has seen; all of it, when it is none."""
        headers = {name for name, _ in scope["headers"]}
        if b"x-prometheus-scrape-timeout-seconds" not in headers:
            return always
        name = str((scope.get("client") or ("",))[0])
        former = self._scrapers.pop(name, None)
        if former is None and len(self._scrapers) >= MAX_SCRAPERS:
            self._scrapers.pop(next(iter(self._scrapers)))
        known = former.known if former else set[Series]()
        scraper = _Scraper(former is not None or time.monotonic() - self._began < YOUNG_SECONDS, known)
        self._scrapers[name] = scraper

        def seen(family: str, labels: tuple[str, ...]) -> bool:
            series = (family, labels)
            if series in scraper.known:
                return True
            scraper.known.add(series)
            return not scraper.news

        return seen
