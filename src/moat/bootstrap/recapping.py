"""What a report over a week or a month needs beside the trace store: releases, alerts, and where days begin."""

import itertools
from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo

from moat.bootstrap.project import Project
from moat.bootstrap.state import State, open_state
from moat.domain.alerting import Event
from moat.domain.errors import NotFound
from moat.ports.traces import TraceFilter, TraceReader
from moat.telemetry.recap.document import Recap
from moat.telemetry.recap.facts import Change, Period, gather
from moat.telemetry.recap.writing import write

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
MOST_EVENTS = 1000


def last_days(days: int, until_ns: int, zone: tzinfo) -> Period:
    """So many times 24 hours up to a moment, against as many before. It is drawn by days of the zone: the first and the
    last are parts of a day, unless the moment is midnight.
    """
    since = until_ns - days * DAY_NS
    first = datetime.fromtimestamp(since / 1e9, zone).date()
    midnights = (_start(first + timedelta(days=n), zone) for n in range(1, days + 2))
    cuts = (since, *(at for at in midnights if since < at < until_ns), until_ns)
    parts = tuple(itertools.pairwise(cuts))
    ends = [datetime.fromtimestamp(at / 1e9, zone).strftime("%Y-%m-%d %H:%M") for at in (since, until_ns)]
    name = f"{ends[0]} to {ends[1]}, against the {days} days before"
    return Period(name=name, since_ns=since, until_ns=until_ns, before_ns=since - days * DAY_NS, days=parts, zone=zone)


def calendar_month(first: date, now_ns: int, zone: tzinfo) -> Period:
    """A month on the calendar, or what there is of it, against as many days before it."""
    following = (first + timedelta(days=31)).replace(day=1)
    starts = [_start(first + timedelta(days=n), zone) for n in range((following - first).days + 1)]
    until = min(starts[-1], now_ns)
    days = tuple((a, min(b, until)) for a, b in itertools.pairwise(starts) if a < until)
    name = f"{first:%Y-%m}, against as many days before it"
    since = starts[0]
    return Period(name=name, since_ns=since, until_ns=until, before_ns=since - (until - since), days=days, zone=zone)


def recap(project: Project, traces: TraceReader, wanted: TraceFilter, period: Period, title: str) -> Recap:
    """The report on a project."""
    with open_state(project) as state:
        changes = list(_changes(state, wanted))
        events: list[Event] = state.alerts.events(limit=MOST_EVENTS)
    return write(gather(traces, wanted, period, changes, events), title)


def _changes(state: State, wanted: TraceFilter) -> Iterable[Change]:
    """Every assignment that brought another version, oldest first."""
    found = []
    for current in state.releases.current():
        if wanted.environment not in ("", current.environment) or wanted.prompt not in ("", current.prompt):
            continue
        history = state.releases.history(current.prompt, current.environment)
        for at, one in enumerate(history):
            older = history[at + 1] if at + 1 < len(history) else None
            new = _version(state, one.arms[0].release) if one.arms else ""
            old = _version(state, older.arms[0].release) if older and older.arms else ""
            if new != old:
                found.append(
                    Change(
                        at_ns=one.created_ns,
                        prompt=one.prompt,
                        environment=one.environment,
                        version=new,
                        before=old,
                        actor=one.actor,
                        reason=one.reason,
                    )
                )
    return sorted(found, key=lambda change: change.at_ns)


def _version(state: State, release: str) -> str:
    try:
        return state.releases.get(release).version
    except NotFound:
        return ""


def _start(day: date, zone: tzinfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * SECOND_NS
