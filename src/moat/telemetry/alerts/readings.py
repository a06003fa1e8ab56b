"""What rules measure of the trace store: at this moment, or at every moment of a stored time."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, cast

from msgspec.structs import replace

from moat.domain.alerting import Reading, Rule
from moat.domain.spans import Span
from moat.domain.windows import SECOND_NS, window, zone
from moat.ports.traces import Dimension, Scores, Spend, TraceFilter, TraceReader, Usages
from moat.telemetry.alerts.baselines import DAY_NS, HOUR_NS, WEEKS, daily, hourly
from moat.telemetry.alerts.evaluate import bar_of, breaches
from moat.telemetry.alerts.evidence import EXAMPLES, Window, behind, examples, explaining, of_single
from moat.telemetry.alerts.measures import Sample, merged, of_scores, of_spend, of_usages, shift
from moat.telemetry.alerts.rules import OF_ATTEMPTS, OF_OPINIONS, SINGLE
from moat.telemetry.query import parse
from moat.telemetry.query_terms import speaks_of
from moat.telemetry.traffic import TRAFFIC

MOST_CALLS = 1000
"""Single calls that are looked at, at one time."""
PHASES = 5
"""Looks at a window's length of stored time."""

Group = tuple[str, ...]
Row = tuple[int, Group, Sample]
"""Start of the slot, group by the rule's dimensions (and the score's name), value."""


class Gauge:
    """Asks the store. What is usual is remembered for an hour."""

    def __init__(self, traces: TraceReader, timezone: str = "UTC") -> None:
        self._traces = traces
        self._zone = zone(timezone)
        self._asked: dict[Any, Any] = {}
        self._past: dict[str, dict[Group, dict[int, float]]] = {}
        self._bins: dict[str, dict[Group, list[tuple[int, tuple[int, ...]]]]] = {}
        self._singles: dict[str, list[Span]] = {}
        self._learnt = -1

    def now(self, rules: Sequence[Rule], now_ns: int, looked: Mapping[str, int] | None = None) -> list[Reading]:
        """Readings of each rule and group that had calls: over the rule's window, and over longer ones as far as they
        are needed. `looked`: by rule, the longest window (seconds) that a firing alert waits for.
        """
        self._learn(rules, now_ns, now_ns)
        found: list[Reading] = []
        for rule in rules:
            for length in windows(rule):
                since = now_ns - length
                if rule.measure == "spend_today":
                    since = window("day", self._zone, now_ns).start_ns
                rows = self._rows(rule, since, now_ns, 0)
                readings = [self._reading(rule, group, sample, now_ns, length) for _, group, sample in rows]
                found += [self._shown(rule, reading, Window(since, now_ns)) for reading in readings]
                waits = (looked or {}).get(rule.name, 0) * SECOND_NS > length
                if not waits and readings and not any(_unsure(rule, reading) for reading in readings):
                    break  # nothing needs a longer look
        self._asked = {}
        return found

    def history(
        self, rules: Sequence[Rule], since_ns: int, until_ns: int, every: float
    ) -> Iterator[tuple[int, list[Rule], list[Reading]]]:
        """Times before `until_ns` at which rules are looked at, oldest first, with these rules and their readings.

        Each rule is looked at `PHASES` times in its window, as far as a server does that looks at it `every` so many
        seconds; windows overlap as they do there. Of the longer ones of a rule the last that is over counts.
        """
        self._learnt = -1
        self._learn(rules, since_ns, until_ns)
        moments = merge(*(self._moments(rule, since_ns, until_ns, every) for rule in rules), key=itemgetter(0))
        for at, those in groupby(moments, key=itemgetter(0)):
            these = list(those)
            yield at, [rule for _, rule, _ in these], [reading for *_, readings in these for reading in readings]
        self._asked = {}
        self._learnt = -1

    def _moments(
        self, rule: Rule, since_ns: int, until_ns: int, every: float
    ) -> Iterator[tuple[int, Rule, list[Reading]]]:
        """Of one rule: when it is looked at, and what its windows tell then."""
        if rule.measure == "spend_today":
            ends = {HOUR_NS: (HOUR_NS, self._spent(rule, since_ns, until_ns))}
        else:
            ends = {
                length: (length // PHASES, self._slots(rule, since_ns, until_ns, length)) for length in windows(rule)
            }
        step = pace(rule, every)
        for at in range(-(-since_ns // step) * step, until_ns, step):
            readings = []
            for length, (pitch, slots) in sorted(ends.items()):
                over = at // pitch * pitch
                for _, group, sample in slots.get(over - length, []):
                    reading = self._reading(rule, group, sample, over, length)
                    readings.append(self._explained(rule, reading, Window(over - length, over)))
            yield at, rule, readings

    def _slots(self, rule: Rule, since_ns: int, until_ns: int, length: int) -> dict[int, list[Row]]:
        """By their starts, windows of this length that end after the first of these times, `PHASES` in each length."""
        pitch = length // PHASES
        begin, end = since_ns // pitch * pitch - length, until_ns // pitch * pitch
        slots: dict[int, list[Row]] = {}
        for phase in range(PHASES):
            for row in self._rows(rule, begin, end, length, phase * pitch):
                slots.setdefault(row[0], []).append(row)
        return slots

    def _spent(self, rule: Rule, since_ns: int, until_ns: int) -> dict[int, list[Row]]:
        """By the hour, the day's spending so far."""
        begin = window("day", self._zone, since_ns).start_ns // HOUR_NS * HOUR_NS
        hours: dict[int, list[Row]] = {}
        for row in self._rows(rule, begin, until_ns // HOUR_NS * HOUR_NS, HOUR_NS):
            hours.setdefault(row[0], []).append(row)
        return self._added_up(hours, begin, until_ns)

    def _added_up(self, slots: dict[int, list[Row]], since: int, until: int) -> dict[int, list[Row]]:
        """Hours of spending as the day's spending so far."""
        found: dict[int, list[Row]] = {}
        sums: dict[Group, float] = {}
        day = -1
        for slot in range(since // HOUR_NS * HOUR_NS, until, HOUR_NS):
            begins = window("day", self._zone, slot).start_ns
            if begins != day:
                day, sums = begins, {}
            for _, group, sample in slots.get(slot, []):
                sums[group] = sums.get(group, 0.0) + sample.value
            found[slot] = [(slot, group, Sample(spent, 1)) for group, spent in sums.items()]
        return found

    def _learn(self, rules: Sequence[Rule], since_ns: int, until_ns: int) -> None:
        hour = until_ns // HOUR_NS
        if hour == self._learnt:
            return
        past: dict[str, dict[Group, dict[int, float]]] = {}
        bins: dict[str, dict[Group, list[tuple[int, tuple[int, ...]]]]] = {}
        begin = since_ns // DAY_NS * DAY_NS - WEEKS * 7 * DAY_NS
        for rule in rules:
            step = DAY_NS if rule.measure in OF_OPINIONS else HOUR_NS
            if rule.measure == "score_shift":
                bins[rule.name] = self._histograms(rule, begin, until_ns)
            elif rule.relative:
                groups = past.setdefault(rule.name, {})
                for slot, group, sample in self._rows(rule, begin, until_ns, step):
                    if sample.samples >= rule.min_samples:
                        groups.setdefault(group, {})[slot // step] = sample.value
        self._past, self._bins, self._learnt = past, bins, hour

    def _histograms(self, rule: Rule, since: int, until: int) -> dict[Group, list[tuple[int, tuple[int, ...]]]]:
        found: dict[Group, list[tuple[int, tuple[int, ...]]]] = {}
        for scores in self._opinions(rule, since, until, DAY_NS):
            found.setdefault((*scores.group, scores.name), []).append((scores.slot_ns, scores.bins))
        return found

    def _rows(self, rule: Rule, since: int, until: int, step: int, offset: int = 0) -> list[Row]:
        """Values of a rule's groups between two times: in all (a step of 0), or slot by slot."""
        if rule.measure in SINGLE:
            return self._single(rule, since, until, step, offset)
        if rule.measure in OF_OPINIONS:
            rows = []
            for scores in self._opinions(rule, since, until, step, offset):
                group = (*scores.group, scores.name)
                if rule.measure == "score_shift":
                    sample = shift(scores.bins, self._before(rule, group, since if not step else scores.slot_ns))
                else:
                    sample = of_scores(rule, scores)
                rows.append((scores.slot_ns, group, sample))
        elif rule.measure in OF_ATTEMPTS:
            spent = self._ask("spending", rule, since, until, step, offset)
            if rule.measure == "provider_failures":
                spent = _with_left_alone(rule, spent, self._left_alone(rule, since, until, step, offset))
            rows = [(row.slot_ns, row.group, of_spend(rule, row)) for row in spent]
        else:
            used = self._ask("series" if step else "usages", rule, since, until, step, offset)
            rows = [(row.slot_ns, row.group, of_usages(rule.measure, row)) for row in used]
        return [(slot, group, sample) for slot, group, sample in rows if sample is not None]

    def _before(self, rule: Rule, group: Group, at_ns: int) -> list[int]:
        """The histogram of the weeks before."""
        days = [
            bins
            for slot, bins in self._bins.get(rule.name, {}).get(group, [])
            if bins and at_ns - WEEKS * 7 * DAY_NS <= slot <= at_ns - DAY_NS
        ]
        return [sum(part) for part in zip(*days, strict=True)]

    def _opinions(self, rule: Rule, since: int, until: int, step: int, offset: int = 0) -> list[Scores]:
        """Of the rule's names, all sources together where names are given; else what scorers say."""
        rows: list[Scores] = self._ask("scores", rule, since, until, step, offset)
        if rule.measure == "feedback":
            rows = [row for row in rows if row.source == "person" and row.name in (rule.score or ("feedback",))]
        elif rule.score:
            rows = [row for row in rows if row.name in rule.score]
        else:
            rows = [row for row in rows if row.source == "scorer"]
        together: dict[tuple[int, Group, str], list[Scores]] = {}
        for row in rows:
            together.setdefault((row.slot_ns, row.group, row.name), []).append(row)
        return [merged(those) for those in together.values()]

    def _left_alone(self, rule: Rule, since: int, until: int, step: int, offset: int) -> list[Usages]:
        """Calls that did not ask a provider since its breaker was open: by the rule's dimensions, and who it was.

        None where the rule looks at what only a request to a provider has.
        """
        if any(speaks_of(parse(rule.where), name) for name in ("provider", "model", "error")):
            return []
        by = (*(name for name in rule.by if name != "provider"), "left_alone")
        rows = self._ask("series" if step else "usages", replace(rule, by=by), since, until, step, offset)
        return [row for row in rows if row.group[-1]]

    def _single(self, rule: Rule, since: int, until: int, step: int, offset: int) -> list[Row]:
        """How many such calls; which, `_examples` tells."""
        counted: dict[tuple[int, Group], int] = {}
        calls: list[Span] = self._ask("search", rule, since, until, 0)
        self._singles[rule.name] = calls
        for span in calls:
            start = span.started_ns - (span.started_ns - offset) % step if step else 0
            place = (start, _group(rule, span))
            counted[place] = counted.get(place, 0) + 1
        return [(slot, group, Sample(count, count)) for (slot, group), count in counted.items()]

    def _ask(self, question: str, rule: Rule, since: int, until: int, step: int, offset: int = 0) -> Any:
        """The same question is asked once at a time."""
        parts = (TRAFFIC, rule.where, of_single(rule))
        q = " and ".join(f"({part})" for part in parts if part)
        key = (question, rule.by, q, since, until, step, offset)
        if key not in self._asked:
            wanted = TraceFilter(q=q, shadow=False, since_ns=since, until_ns=until)
            self._asked[key] = self._answer(question, cast("Sequence[Dimension]", rule.by), wanted, (step, offset))
        return self._asked[key]

    def _answer(self, question: str, by: Sequence[Dimension], wanted: TraceFilter, slots: tuple[int, int]) -> Any:
        if question == "usages":
            return self._traces.usages(by, wanted)
        if question == "series":
            return self._traces.series(by, wanted, *slots)
        if question == "scores":
            return self._traces.scores(by, wanted, *slots)
        if question == "spending":  # copies are paid for too
            return self._traces.spending(by, replace(wanted, shadow=None), *slots)
        return self._traces.search(wanted, MOST_CALLS)

    def _reading(self, rule: Rule, group: Group, sample: Sample, at_ns: int, window_ns: int) -> Reading:
        names = (*rule.by, "score") if rule.measure in OF_OPINIONS else rule.by
        reading = Reading(
            rule=rule.name,
            labels=dict(zip(names, group, strict=True)),
            value=sample.value,
            samples=sample.samples,
            window_s=window_ns // SECOND_NS,
            low=sample.low,
            high=sample.high,
        )
        if rule.measure in SINGLE:
            calls = self._calls(rule, group, at_ns)
            ids = (span.request_id or span.trace_id for span in calls)
            reading = replace(reading, examples=tuple(islice(ids, EXAMPLES)), explained_by=behind(calls))
        if not rule.relative:
            return reading
        learn = daily if rule.measure in OF_OPINIONS else hourly
        usual = learn(self._past.get(rule.name, {}).get(group, {}), at_ns)
        return replace(reading, note=usual) if isinstance(usual, str) else replace(reading, baseline=usual)

    def _calls(self, rule: Rule, group: Group, at_ns: int) -> list[Span]:
        """Of the group in the window that ends then, the newest first."""
        since = at_ns - rule.window_s * SECOND_NS
        calls = self._singles.get(rule.name, [])
        return [span for span in calls if since <= span.started_ns < at_ns and _group(rule, span) == group]

    def _shown(self, rule: Rule, reading: Reading, window: Window) -> Reading:
        """With examples, and who explains it, when it is past the bar."""
        if rule.measure in SINGLE or not breaches(rule, reading):  # single calls have both already
            return reading
        return replace(self._explained(rule, reading, window), examples=examples(self._traces, rule, reading, window))

    def _explained(self, rule: Rule, reading: Reading, window: Window) -> Reading:
        if rule.measure in SINGLE or not rule.inhibited_by or not breaches(rule, reading):
            return reading
        return replace(reading, explained_by=explaining(self._traces, rule, reading, window))


def _with_left_alone(rule: Rule, spent: Sequence[Spend], left: Sequence[Usages]) -> list[Spend]:
    """Counted as requests that failed: an open breaker lets a few through, and the rest would have fared like them."""
    found = {(row.slot_ns, row.group): row for row in spent}
    for row in left:
        names = row.group[-1].split(",")
        labels = dict(zip((name for name in rule.by if name != "provider"), row.group, strict=False))
        for name in names if "provider" in rule.by else names[:1]:
            group = tuple(name if dimension == "provider" else labels[dimension] for dimension in rule.by)
            old = found.get((row.slot_ns, group), Spend(group=group, slot_ns=row.slot_ns))
            more = replace(old, requests=old.requests + row.calls, failed=old.failed + row.calls)
            found[row.slot_ns, group] = more
    return list(found.values())


def pace(rule: Rule, every: float) -> int:
    """Nanoseconds between two looks at a rule in `history`."""
    if rule.measure == "spend_today":
        return HOUR_NS
    return max(rule.window_s * SECOND_NS // PHASES, round(every * SECOND_NS))


def windows(rule: Rule) -> tuple[int, ...]:
    """Nanoseconds that the rule looks back: its own window, and longer ones for groups with few calls."""
    own = rule.window_s * SECOND_NS
    if rule.measure in SINGLE or rule.measure == "spend_today":
        return (own,)
    if rule.relative:  # against what is usual at this hour
        return (own,) if own >= 4 * HOUR_NS else (own, min(4 * own, 4 * HOUR_NS))
    if own >= DAY_NS:
        return (own, max(own, 7 * DAY_NS))
    return tuple(sorted({min(own * times, DAY_NS) for times in (1, 4, 16, 96)}))


def _unsure(rule: Rule, reading: Reading) -> bool:
    """Are there too few calls to tell, or is it past the bar, but may be there by chance?"""
    bar = bar_of(rule, reading)
    if reading.samples < rule.min_samples:
        return True
    if bar is None or breaches(rule, reading):
        return False
    return reading.value > bar if rule.side == "above" else reading.value < bar


def _group(rule: Rule, span: Span) -> Group:
    return tuple(str(getattr(span, name)) for name in rule.by)
