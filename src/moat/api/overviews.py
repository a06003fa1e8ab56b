"""How things stand, on one page: the last hours, or any others, against the same a week before."""

import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from moat.api.release_marks import ReleaseMark, marks
from moat.domain.alerting import Rule
from moat.domain.feedback import Source
from moat.domain.keys import Key
from moat.domain.recent import Recent
from moat.domain.windows import zone
from moat.gateway.serving import Live
from moat.ports.alerts import AlertReader
from moat.ports.calls import CallReader, Totals
from moat.ports.releases import ReleaseReader
from moat.ports.traces import Scores, TraceFilter, TraceReader
from moat.spend.forecast import Forecast
from moat.spend.projecting import Budget, budgets
from moat.spend.reports_time import Clock, month_forecast
from moat.telemetry.alerts.firing import FiringAlert, firing
from moat.telemetry.traffic import TRAFFIC

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
    source: Source
    count: int
    mean: float | None
    """0 to 1; None when nobody said anything, as below."""
    before_count: int
    before_mean: float | None


class ScorePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The same of one slot of time."""

    start_ns: int
    name: str
    source: Source
    count: int
    mean: float


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The first page. Times are Unix nanoseconds."""

    since_ns: int
    until_ns: int
    before_since_ns: int
    before_until_ns: int
    """The time that it is compared with: a week earlier, or as many weeks as it is long."""
    step_ns: int
    q: str
    """Expression of the filter language: with it, the times and the environment, every other route finds the same
    calls, without shadow copies, evaluations and reruns."""
    now: Totals
    before: Totals
    series: list[Totals]
    """Slots of `step_ns`, oldest first; one without calls is absent."""
    scores: list[OverviewScore]
    score_series: list[ScorePoint]
    budgets: list[Budget]
    """As they are now, whatever time is asked for, as are the next two; the fullest first, 20 at most."""
    forecast: Forecast
    """What the month will have cost, of the environment when one is asked for."""
    alerts: list[FiringAlert]
    """That fire, those that began last first, 20 at most. None of another than the whole project's keys, as below."""
    releases: list[ReleaseMark]
    """Of this time, newest first, 20 at most."""


class Period(NamedTuple):
    """Which time is asked for. Nanoseconds."""

    window_ns: int
    """Length of one that ends now; 0 when it has a beginning."""
    since_ns: int = 0
    until_ns: int = 0
    """0: now. Of what is still to come nothing is known."""

    def bounds(self, now_ns: int) -> tuple[int, int]:
        """Its beginning, and its end as far as it has come."""
        until = min(self.until_ns or now_ns, now_ns)
        return self.since_ns or until - self.window_ns, until


class View(NamedTuple):
    """What is asked, and whose own is shown."""

    period: Period
    environment: str
    tenant: str
    bound: bool
    """Is it a key of one tenant or environment? It learns nothing of the whole project."""

    @classmethod
    def of(cls, key: Key, period: Period, environment: str) -> "View":
        """A key's."""
        return cls(period, environment, key.tenant, bool(key.tenant or key.environment))

    @property
    def q(self) -> str:
        """What finds the same calls where one environment is asked for by its name, if any."""
        return "not shadow" if self.environment else f"not shadow and {TRAFFIC}"

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


class Overviews:
    """Works out the first page, and gives it again for a few seconds."""

    def __init__(
        self,
        live: Live,
        traces: TraceReader,
        calls: CallReader,
        alerts: AlertReader,
        rules: Callable[[], tuple[Rule, ...]],
        releases: ReleaseReader,
    ) -> None:
        """`rules`: of alerts, as moat.yaml has them now."""
        self._live = live
        self._traces = traces
        self._calls = calls
        self._alerts = alerts
        self._rules = rules
        self._releases = releases
        self._recent = Recent(VIEWS)
        self._forecasts = Recent(VIEWS)

    def get(self, view: View) -> Overview:
        """How things stand, or stood."""
        return self._recent.get(view, FRESH_SECONDS, lambda: self._made(view, time.time_ns()))

    def _made(self, view: View, now_ns: int) -> Overview:
        since, until = view.period.bounds(now_ns)
        back = max(1, -(-(until - since) // WEEK_NS)) * WEEK_NS
        wanted, earlier = view.calls(since, until), view.calls(since - back, until - back)
        step = next((step for step in STEPS_NS if step * (SLOTS - 1) >= until - since), STEPS_NS[-1])
        now, series = self._calls.course(wanted, step)
        said = self._traces.scores([], wanted, step)
        return Overview(
            since_ns=since,
            until_ns=until,
            before_since_ns=since - back,
            before_until_ns=until - back,
            step_ns=step,
            q=view.q,
            now=now,
            before=self._calls.totals(earlier)[0],
            series=series,
            scores=_scores(said, self._traces.scores([], earlier)),
            score_series=[_point(each) for each in said if each.count],
            budgets=[each for each in budgets(self._live.balances(), now_ns) if _is_own(each, view)][:MOST],
            forecast=self._forecast(view, now_ns),
            alerts=[] if view.bound else self._firing(),
            releases=[] if view.tenant else marks(self._releases, view.environment, since, until, MOST),
        )

    def _forecast(self, view: View, now_ns: int) -> Forecast:
        wanted = TraceFilter(tenant=view.tenant, environment=view.environment)
        clock = Clock(now_ns, zone("UTC"))
        whose = (view.tenant, view.environment)
        return self._forecasts.get(whose, FORECAST_SECONDS, lambda: month_forecast(self._traces, wanted, clock)[0])

    def _firing(self) -> list[FiringAlert]:
        found = [alert for alert in self._alerts.standing().alerts if alert.state == "firing"]
        if not found:
            return []
        rules = {rule.name: rule for rule in self._rules()}
        newest = sorted(found, key=lambda alert: -alert.fired_ns)[:MOST]
        return [firing(alert, rules.get(alert.rule)) for alert in newest]


def _is_own(budget: Budget, view: View) -> bool:
    """Does a bound key's own tenant and environment have this budget to itself?"""
    if not view.bound:
        return True
    whose = (("tenant", view.tenant), ("environment", view.environment))
    return all(budget.of.get(scope) == value for scope, value in whose if value)


class _Said(NamedTuple):
    """Opinions of one name and source."""

    many: int = 0
    total: float = 0.0

    @property
    def mean(self) -> float | None:
        """None without any."""
        return self.total / self.many if self.many else None


def _scores(now: list[Scores], before: list[Scores]) -> list[OverviewScore]:
    present, earlier = _said(now), _said(before)
    found = []
    for name, source in sorted(present.keys() | earlier.keys()):
        one, other = present.get((name, source), _Said()), earlier.get((name, source), _Said())
        found.append(
            OverviewScore(
                name=name,
                source=source,
                count=one.many,
                mean=one.mean,
                before_count=other.many,
                before_mean=other.mean,
            )
        )
    return found


def _said(scores: list[Scores]) -> dict[tuple[str, Source], _Said]:
    """By name and source, over all slots of time."""
    found = dict[tuple[str, Source], _Said]()
    for each in scores:
        many, total = found.get((each.name, each.source), _Said())
        found[each.name, each.source] = _Said(many + each.count, total + each.total)
    return found


def _point(scores: Scores) -> ScorePoint:
    mean = scores.total / scores.count
    return ScorePoint(start_ns=scores.slot_ns, name=scores.name, source=scores.source, count=scores.count, mean=mean)
