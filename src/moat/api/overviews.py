"""How things stand, on one page: the last hours against the same a week before."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Literal, NamedTuple, TypeVar

import msgspec

from moat.domain.alerting import Alert
from moat.domain.keys import Key
from moat.domain.releases import Assignment, Strategy
from moat.domain.windows import zone
from moat.gateway.serving import Live
from moat.ports.alerts import AlertReader
from moat.ports.calls import CallReader, Totals
from moat.ports.releases import ReleaseReader
from moat.ports.traces import Scores, TraceFilter, TraceReader
from moat.spend.forecast import Forecast
from moat.spend.projecting import Budget, budgets
from moat.spend.reports_time import Clock, month_forecast
from moat.telemetry.traffic import TRAFFIC

T = TypeVar("T")

WEEK_NS = 7 * 86_400 * 10**9
STEPS_NS = tuple(seconds * 10**9 for seconds in (60, 300, 900, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 86_400))
SLOTS = 120
"""Of each series, at most."""
MOST = 20
"""Budgets, alerts and releases, at most, each."""
FRESH_SECONDS = 5.0
FORECAST_SECONDS = 60.0
"""How long an answer, and the forecast in it, may be given again."""
VIEWS = 64
"""Answers that are kept, at most."""


class OverviewScore(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of the calls, under one name."""

    name: str
    source: Literal["person", "scorer"]
    count: int
    mean: float | None
    """0 to 1; None when nobody said anything, as below."""
    before_count: int
    before_mean: float | None


class ScorePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The same of one slot of time."""

    start_ns: int
    name: str
    source: Literal["person", "scorer"]
    count: int
    mean: float


class ReleaseMark(msgspec.Struct, frozen=True, kw_only=True):
    """When an environment began to serve something else, and who wanted it."""

    environment: str
    prompt: str
    sequence: int
    at_ns: int
    actor: str
    reason: str
    strategy: Strategy
    versions: tuple[str, ...]
    """Of the arms and the shadow, the new one first."""
    releases: tuple[str, ...]
    rolled_back: bool


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The first page. Times are Unix nanoseconds."""

    since_ns: int
    until_ns: int
    before_since_ns: int
    before_until_ns: int
    """The time that it is compared with: a week earlier, or as many weeks as it is long."""
    step_ns: int
    now: Totals
    before: Totals
    series: list[Totals]
    """Slots of `step_ns`, oldest first; one without calls is absent."""
    scores: list[OverviewScore]
    score_series: list[ScorePoint]
    budgets: list[Budget]
    """The fullest first, 20 at most."""
    forecast: Forecast
    """What the month will have cost, of the environment when one is asked for."""
    alerts: list[Alert]
    """That fire, those that began last first, 20 at most. None of another than the whole project's keys, as below."""
    releases: list[ReleaseMark]
    """Of this time, newest first, 20 at most."""


class View(NamedTuple):
    """What is asked, and whose own is shown."""

    window_ns: int
    environment: str
    tenant: str
    bound: bool
    """Is it a key of one tenant or environment? It learns nothing of the whole project."""

    @classmethod
    def of(cls, key: Key, window_ns: int, environment: str) -> "View":
        """A key's."""
        return cls(window_ns, environment, key.tenant, bool(key.tenant or key.environment))

    def calls(self, since_ns: int, until_ns: int) -> TraceFilter:
        """People's calls in a time: no copies, no evaluations, no reruns."""
        return TraceFilter(
            tenant=self.tenant,
            environment=self.environment,
            shadow=False,
            since_ns=since_ns,
            until_ns=until_ns,
            q="" if self.environment else TRAFFIC,
        )


class Recent:
    """Answers that are given again for a while. Of the threads that ask, one works it out and the others wait."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[float, object]] = OrderedDict()
        self._looking = threading.Lock()

    def get(self, name: Hashable, seconds: float, make: Callable[[], T]) -> T:
        """One that is not older than so many seconds, or a new one."""
        with self._looking:
            now = time.monotonic()
            found = self._kept.get(name)
            if found is not None and now - found[0] < seconds:
                return found[1]  # type: ignore[return-value]  # what `make` of the same name made
            made = make()
            self._kept[name] = (now, made)
            self._kept.move_to_end(name)
            while len(self._kept) > VIEWS:
                self._kept.popitem(last=False)
            return made


class Overviews:
    """Works out the first page, and gives it again for a few seconds."""

    def __init__(
        self, live: Live, traces: TraceReader, calls: CallReader, alerts: AlertReader, releases: ReleaseReader
    ) -> None:
        self._live = live
        self._traces = traces
        self._calls = calls
        self._alerts = alerts
        self._releases = releases
        self._recent = Recent()
        self._forecasts = Recent()

    def get(self, view: View) -> Overview:
        """How things stand."""
        return self._recent.get(view, FRESH_SECONDS, lambda: self._made(view, time.time_ns()))

    def _made(self, view: View, now_ns: int) -> Overview:
        since = now_ns - view.window_ns
        back = -(-view.window_ns // WEEK_NS) * WEEK_NS
        wanted, earlier = view.calls(since, now_ns), view.calls(since - back, now_ns - back)
        step = next((step for step in STEPS_NS if step * (SLOTS - 1) >= view.window_ns), STEPS_NS[-1])
        return Overview(
            since_ns=since,
            until_ns=now_ns,
            before_since_ns=since - back,
            before_until_ns=now_ns - back,
            step_ns=step,
            now=self._calls.totals(wanted)[0],
            before=self._calls.totals(earlier)[0],
            series=self._calls.totals(wanted, step),
            scores=_scores(self._traces.scores([], wanted), self._traces.scores([], earlier)),
            score_series=[_point(each) for each in self._traces.scores([], wanted, step) if each.count],
            budgets=[each for each in budgets(self._live.balances(), now_ns) if _is_own(each, view)][:MOST],
            forecast=self._forecast(view, now_ns),
            alerts=[] if view.bound else self._firing(),
            releases=[] if view.tenant else self._marks(view, since),
        )

    def _forecast(self, view: View, now_ns: int) -> Forecast:
        wanted = TraceFilter(tenant=view.tenant, environment=view.environment)
        clock = Clock(now_ns, zone("UTC"))
        whose = (view.tenant, view.environment)
        return self._forecasts.get(whose, FORECAST_SECONDS, lambda: month_forecast(self._traces, wanted, clock)[0])

    def _firing(self) -> list[Alert]:
        found = [alert for alert in self._alerts.standing().alerts if alert.state == "firing"]
        return sorted(found, key=lambda alert: -alert.fired_ns)[:MOST]

    def _marks(self, view: View, since_ns: int) -> list[ReleaseMark]:
        found: list[Assignment] = []
        for current in self._releases.current():
            # Whatever is served since before has no younger assignment.
            if current.created_ns >= since_ns and view.environment in ("", current.environment):
                found += self._releases.history(current.prompt, current.environment)
        found = sorted((each for each in found if each.created_ns >= since_ns), key=lambda each: -each.created_ns)
        return [self._mark(each) for each in found[:MOST]]

    def _mark(self, assignment: Assignment) -> ReleaseMark:
        return ReleaseMark(
            environment=assignment.environment,
            prompt=assignment.prompt,
            sequence=assignment.sequence,
            at_ns=assignment.created_ns,
            actor=assignment.actor,
            reason=assignment.reason,
            strategy=assignment.strategy,
            versions=tuple(self._releases.get(release).version for release in assignment.releases),
            releases=assignment.releases,
            rolled_back=assignment.returns_to > 0,
        )


def _is_own(budget: Budget, view: View) -> bool:
    """Does a bound key's own tenant and environment have this budget to itself?"""
    if not view.bound:
        return True
    whose = (("tenant", view.tenant), ("environment", view.environment))
    return all(budget.of.get(scope) == value for scope, value in whose if value)


def _scores(now: list[Scores], before: list[Scores]) -> list[OverviewScore]:
    earlier = {(each.name, each.source): each for each in before}
    present = {(each.name, each.source): each for each in now}
    found = []
    for name, source in sorted(present.keys() | earlier.keys()):
        one, other = present.get((name, source)), earlier.get((name, source))
        found.append(
            OverviewScore(
                name=name,
                source=source,
                count=one.count if one else 0,
                mean=_mean(one),
                before_count=other.count if other else 0,
                before_mean=_mean(other),
            )
        )
    return found


def _mean(scores: Scores | None) -> float | None:
    return scores.total / scores.count if scores is not None and scores.count else None


def _point(scores: Scores) -> ScorePoint:
    mean = scores.total / scores.count
    return ScorePoint(start_ns=scores.slot_ns, name=scores.name, source=scores.source, count=scores.count, mean=mean)
