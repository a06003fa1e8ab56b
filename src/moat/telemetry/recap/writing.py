"""The report in words and figures: only what the figures show."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from moat.domain.usage import format_usd
from moat.ports.traces import Scores, Spend, Usages
from moat.telemetry.recap.document import Grid, Plot, Recap, Section
from moat.telemetry.recap.explain import contributions, cost_parts, means_differ, rates_differ, version_effects
from moat.telemetry.recap.facts import DIMENSIONS, NO_CALLS, NO_SPEND, Facts, Group

ENOUGH = 100
"""Calls on both sides, before a quantile is compared."""
MOVED = 0.2
"""Of a quantile: below it nothing is said."""
LEAST_EFFECT = 0.05
"""Of the cost of a call: a version that moved it by less is not named, however small the change in all."""
TOP = 8
NOBODY = "(not said)"


def write(facts: Facts, title: str) -> Recap:
    """All sections, in the order of the questions."""
    zone = facts.period.zone.tzname(None) or "local time"
    sections = [_short(facts)]
    if facts.now.calls.calls or facts.before.calls.calls:
        sections += [_fast(facts), _expensive(facts), _reliable(facts), _good(facts), _changed(facts)]
    return Recap(title=title, period=f"{facts.period.name} ({zone})", sections=tuple(sections))


def moved(now: float, before: float) -> str:
    """A change in words.

    >>> moved(12, 10), moved(1, 0), moved(5, 5)
    ('+20 %', 'was nothing', 'unchanged')
    """
    if not before:
        return "was nothing" if now else "unchanged"
    change = now / before - 1
    return "unchanged" if abs(change) < 0.005 else f"{change:+.0%}".replace("%", " %")


def seconds(ns: int) -> str:
    """Of nanoseconds.

    >>> seconds(2_340_000_000), seconds(0)
    ('2.34 s', '-')
    """
    if not ns:
        return "-"
    return f"{ns / 1e9:.3g} s" if ns >= 10**9 else f"{ns / 1e6:.3g} ms"


def _short(facts: Facts) -> Section:
    now, old = facts.now, facts.before
    if not now.calls.calls:
        said = "No calls in this time." + (f" The time before had {old.calls.calls:,}." if old.calls.calls else "")
        return Section(title="In short", sentences=(said, "Send some through the gateway, or look at another time."))
    noun = "call" if now.calls.calls == 1 else "calls"
    lines = [
        f"{now.calls.calls:,} {noun} ({moved(now.calls.calls, old.calls.calls)}).",
        _speed(now.calls, old.calls),
        f"Expensive: {format_usd(now.spend.cost)} ({moved(now.spend.cost, old.spend.cost)}), "
        f"{format_usd(_per_call(now.spend, now.calls))} a call.",
        f"Reliable: {_rate(now.calls.errors, now.calls.calls)} of the calls failed"
        + (f" (was {_rate(old.calls.errors, old.calls.calls)})." if old.calls.calls else "."),
        _quality(now.scores, old.scores),
    ]
    if now.spend.unpriced:
        lines.append(f"{now.spend.unpriced:,} requests have no known price and are not in the cost.")
    if not old.calls.calls:
        lines.append("The time before had no calls: nothing can be compared.")
    calls = tuple(float(usage.calls) for usage, _ in facts.days)
    plot = Plot(title="Calls", labels=_labels(facts), values=calls, said=tuple(f"{value:,.0f}" for value in calls))
    return Section(title="In short", sentences=tuple(lines), plots=(plot,))


def _speed(now: Usages, old: Usages) -> str:
    if not now.timed:
        return "Fast: no call was answered."
    others = now.calls - now.timed
    left = f" {others:,} calls that failed without a timeout, or were of batches, are not in it." if others else ""
    quantiles = f"half within {seconds(now.p50_ns)}, 95 of 100 within {seconds(now.p95_ns)}"
    return f"Fast: {quantiles} ({_latency_moved(now, old)}).{left}"


def _quality(scores: Sequence[Scores], before: Sequence[Scores]) -> str:
    now, old = _people(scores), _people(before)
    if now is None:
        return "Good: nobody gave feedback."
    was = f" (was {1 + 4 * old.total / old.count:.2f})" if old else ""
    return f"Good: people gave {1 + 4 * now.total / now.count:.2f} of 5{was}, {now.count:,} times."


def _people(scores: Sequence[Scores]) -> Scores | None:
    return next((row for row in scores if row.source == "person" and row.name == "feedback" and row.count), None)


def _fast(facts: Facts) -> Section:
    now, old = facts.now, facts.before
    names = ("p50", "p95", "p99", "first token p50")
    fields = ("p50_ns", "p95_ns", "p99_ns", "first_token_p50_ns")
    rows = tuple(
        (name, seconds(getattr(now.calls, field)), seconds(getattr(old.calls, field)))
        for name, field in zip(names, fields, strict=True)
    )
    said = []
    if _comparable(now.calls, old.calls):
        said.append(f"p95 went from {seconds(old.calls.p95_ns)} to {seconds(now.calls.p95_ns)}.")
        said += _slower(facts)
    grids = (
        Grid(title="Latency", heads=("", "now>", "before>"), rows=rows),
        _groups(facts, "model", "p95", lambda usage, _: seconds(usage.p95_ns)),
    )
    values = tuple(usage.p95_ns / 1e9 if usage.timed else None for usage, _ in facts.days)
    words = tuple(seconds(usage.p95_ns) for usage, _ in facts.days)
    plot = Plot(title="p95, seconds", labels=_labels(facts), values=values, said=words, kind="line")
    return Section(title="How fast", sentences=tuple(said), grids=grids, plots=(plot,))


def _slower(facts: Facts) -> list[str]:
    """Groups whose own p95 changed, and new ones that are far from what was: of most calls first."""
    whole = facts.before.calls.p95_ns
    found: list[tuple[float, str]] = []
    for dimension in DIMENSIONS:
        sides = facts.now.by_calls[dimension], facts.before.by_calls[dimension]
        lines: list[tuple[float, str]] = []
        for group, new in sides[0].items():
            old = sides[1].get(group, NO_CALLS)
            ends = seconds(old.p95_ns)
            was = old.p95_ns if _comparable(new, old) else 0
            if not old.calls and new.timed >= ENOUGH:
                was, ends = whole, "(new)"
            if was and abs(new.p95_ns / was - 1) >= MOVED:
                words = f"{dimension} {_name(group)}: p95 {ends} to {seconds(new.p95_ns)}, {new.calls:,} calls."
                lines.append((abs(new.p95_ns - was) * new.calls, words.replace("(new) to", "(new)")))
        found += _telling(lines, sides, dimension)
    if abs(facts.now.calls.p95_ns / whole - 1) >= MOVED and not found:
        return ["No model, version, feature or tenant with enough calls changed by itself: other calls are made."]
    return [words for _, words in sorted(found, reverse=True)[:3]]


def _telling(
    lines: list[tuple[float, str]], sides: tuple[Mapping[Group, Usages], Mapping[Group, Usages]], dimension: str
) -> list[tuple[float, str]]:
    """The only one there is explains nothing, nor do features and tenants that all moved alike."""
    alike = dimension in ("feature", "tenant") and len(lines) == len(sides[0])
    return [] if alike or len({**sides[0], **sides[1]}) < 2 else lines


def _expensive(facts: Facts) -> Section:
    now, old = facts.now, facts.before
    change = now.spend.cost - old.spend.cost
    said: list[str] = []
    grids = []
    if old.spend.cost and change:
        ends = f"from {format_usd(old.spend.cost)} to {format_usd(now.spend.cost)}"
        said.append(f"The cost went {ends}: {_money(change)}.")
        parts = cost_parts(old.segments, now.segments)
        names = {
            "volume": "more or fewer requests",
            "mix": "other models asked",
            "length": "tokens of a request",
            "price": "money for a token",
        }
        rows = tuple((names[name], _money(round(value))) for name, value in zip(parts._fields, parts, strict=True))
        total = ("together", _money(change))
        grids.append(Grid(title="What the change is made of", heads=("part", "cost>"), rows=(*rows, total)))
        versions = _effects(facts, change)
        said += [*versions.sentences, *_spenders(facts, change)]
        grids += versions.grids
    grids.append(_groups(facts, "model", "cost", lambda _, spend: format_usd(spend.cost)))
    grids.append(_groups(facts, "tenant", "cost", lambda _, spend: format_usd(spend.cost)))
    values = tuple(spend.cost / 1e12 for _, spend in facts.days)
    words = tuple(format_usd(spend.cost) for _, spend in facts.days)
    plot = Plot(title="Cost, dollars", labels=_labels(facts), values=values, said=words)
    return Section(title="How expensive", sentences=tuple(said), grids=tuple(grids), plots=(plot,))


def _spenders(facts: Facts, change: int) -> list[str]:
    """Per dimension the group that moved most, where it is most of the change and there are others."""
    found = []
    for dimension in ("model", "feature", "tenant"):
        sides = facts.before.by_spend[dimension], facts.now.by_spend[dimension]
        parts = contributions(*sides)
        if not parts or len({**sides[0], **sides[1]}) < 2:
            continue
        group, part = parts[0]
        share = sides[0].get(group, NO_SPEND).cost / facts.before.spend.cost
        if part / change >= max(0.5, 1.5 * share):  # more than its usual part
            new = " (new)" if group not in sides[0] else ""
            found.append(f"{dimension} {_name(group)}{new}: {_money(part)}, {_of_change(part, change)}.")
    return found


def _effects(facts: Facts, change: int) -> Section:
    """What versions of prompts did to the cost; nothing, where no call had one."""
    effects, rest = version_effects(facts.before.by_spend["version"], facts.now.by_spend["version"])
    if not any(group[0] for group, *_ in effects):
        return Section(title="")
    rows: list[tuple[str, ...]] = []
    said = []
    for group, calls, each, before, effect in effects:
        was = "-" if before is None else format_usd(round(before))
        rows.append((_name(group), f"{calls:,}", format_usd(round(each)), was, _money(effect)))
        alike = before is not None and abs(each - before) < LEAST_EFFECT * before
        if group[0] and effect / change >= 0.5 and not alike:
            instead = f"{format_usd(round(each))} a call instead of {was}" if before is not None else "a new prompt"
            new = " (new)" if group not in facts.before.by_spend["version"] else ""
            said.append(f"version {_name(group)}{new}: {instead}, {_money(effect)}, {_of_change(effect, change)}.")
    if len(rows) > TOP:
        others = sum(effect for *_, effect in effects[TOP:])
        rows = [*rows[:TOP], (f"{len(effects) - TOP} others", "", "", "", _money(others))]
    rows += [("more or fewer calls", "", "", "", _money(rest)), ("together", "", "", "", _money(change))]
    heads = ("version", "calls>", "a call>", "before>", "effect>")
    return Section(
        title="",
        sentences=tuple(said),
        grids=(Grid(title="What versions did to the cost", heads=heads, rows=tuple(rows)),),
    )


def _reliable(facts: Facts) -> Section:
    now, old = facts.now.calls, facts.before.calls
    said = []
    for name, part, before in (("failed", now.errors, old.errors), ("timed out", now.timeouts, old.timeouts)):
        if not rates_differ(part, now.calls, before, old.calls):
            continue
        said.append(f"{_rate(part, now.calls)} of the calls {name}, after {_rate(before, old.calls)}.")
    if now.calls and old.calls and not said:
        said.append("No difference in failures and timeouts that chance would not make.")
    if said and rates_differ(now.errors, now.calls, old.errors, old.calls):
        said += _failers(facts)
    rows = []
    for group, usage in sorted(facts.now.errors.items(), key=lambda pair: -pair[1].calls)[:TOP]:
        was = facts.before.errors.get(group, NO_CALLS).calls
        rows.append((_name(group), f"{usage.calls:,}", f"{was:,}"))
    grids = [Grid(title="Errors by kind", heads=("error", "now>", "before>"), rows=tuple(rows))] if rows else []
    grids.append(_groups(facts, "model", "failed", lambda usage, _: _rate(usage.errors, usage.calls)))
    values = tuple(usage.errors / usage.calls * 100 if usage.calls else None for usage, _ in facts.days)
    words = tuple(_rate(usage.errors, usage.calls) for usage, _ in facts.days)
    plot = Plot(title="Failed, percent", labels=_labels(facts), values=values, said=words, kind="line")
    counts = Counter(event.rule for event in facts.events if event.kind == "fired")
    if counts:
        said.append("Alerts: " + ", ".join(f"{rule} {count}x" for rule, count in counts.most_common()) + ".")
    return Section(title="How reliable", sentences=tuple(said), grids=tuple(grids), plots=(plot,))


def _failers(facts: Facts) -> list[str]:
    found: list[tuple[float, str]] = []
    for dimension in DIMENSIONS:
        sides = facts.now.by_calls[dimension], facts.before.by_calls[dimension]
        lines: list[tuple[float, str]] = []
        for group, new in sides[0].items():
            old, new_group = sides[1].get(group, NO_CALLS), group not in sides[1]
            against = facts.before.calls if new_group else old
            if rates_differ(new.errors, new.calls, against.errors, against.calls):
                more = new.errors - against.errors * new.calls / against.calls
                was = "new," if new_group else f"{_rate(old.errors, old.calls)} to"
                words = f"{was} {_rate(new.errors, new.calls)} of {new.calls:,} calls"
                lines.append((abs(more), f"{dimension} {_name(group)}: {words}."))
        found += _telling(lines, sides, dimension)
    return [words for _, words in sorted(found, reverse=True)[:3]]


def _good(facts: Facts) -> Section:
    before = {(row.source, row.name): row for row in facts.before.scores}
    rows, said = [], []
    for row in facts.now.scores:
        if not row.count:
            continue
        old = before.get((row.source, row.name))
        was = f"{old.total / old.count:.3f}" if old and old.count else "-"
        rows.append((row.name, row.source, f"{row.count:,}", f"{row.total / row.count:.3f}", was))
        if old and means_differ((row.count, row.total, row.squares), (old.count, old.total, old.squares)):
            better = "better" if row.total / row.count > old.total / old.count else "worse"
            said.append(f"{row.name} ({row.source}) is {better}: {was} to {row.total / row.count:.3f}.")
    if not rows:
        return Section(title="How good", sentences=("No opinion of these calls is stored: no feedback, no scores.",))
    heads = ("score", "from", "opinions>", "mean>", "before>")
    said = said or ["No difference in scores that chance would not make, or too few opinions to tell."]
    return Section(
        title="How good", sentences=tuple(said), grids=(Grid(title="Scores, 0 to 1", heads=heads, rows=tuple(rows)),)
    )


def _changed(facts: Facts) -> Section:
    rows: list[tuple[str, ...]] = [
        (facts.period.day(one.at_ns), f"{one.prompt}@{one.environment}", one.before or "-", one.version, one.actor)
        for one in facts.changes
    ]
    grids = []
    said = [] if rows else ["Nothing was released in this time."]
    if rows:
        heads = ("day", "what", "from", "to", "by")
        grids.append(Grid(title="Releases", heads=heads, rows=tuple(rows)))
    pairs = [(one.prompt, (one.before, one.version)) for one in facts.changes if one.before]
    compared = [row for prompt, versions in pairs for row in _versions(facts, prompt, versions)]
    if compared:
        figures = ("prompt", "version", "calls>", "a call>", "p95>", "failed>")
        grids.append(Grid(title="Versions of these releases", heads=figures, rows=tuple(dict.fromkeys(compared))))
    return Section(title="What changed", sentences=tuple(said), grids=tuple(grids))


def _versions(facts: Facts, prompt: str, versions: tuple[str, str]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for version in versions:
        usage = facts.now.by_calls["version"].get((prompt, version), NO_CALLS)
        spend = facts.now.by_spend["version"].get((prompt, version), NO_SPEND)
        money, p95 = format_usd(_per_call(spend, usage)), seconds(usage.p95_ns)
        rows.append((prompt, version, f"{usage.calls:,}", money, p95, _rate(usage.errors, usage.calls)))
    return rows


def _groups(facts: Facts, dimension: str, name: str, shown: Callable[[Usages, Spend], str]) -> Grid:
    """The groups with most calls now: a figure of each, and the one before."""
    rows = []
    calls, spent = facts.now.by_calls[dimension], facts.now.by_spend[dimension]
    old_calls, old_spent = facts.before.by_calls[dimension], facts.before.by_spend[dimension]
    for group, usage in sorted(calls.items(), key=lambda pair: (-pair[1].calls, pair[0]))[:TOP]:
        was = shown(old_calls[group], old_spent.get(group, NO_SPEND)) if group in old_calls else "-"
        now = shown(usage, spent.get(group, NO_SPEND))
        rows.append((_name(group), f"{usage.calls:,}", now, was))
    title = f"{name if name == 'p95' else name.capitalize()} by {dimension}"
    return Grid(title=title, heads=(dimension, "calls>", f"{name}>", "before>"), rows=tuple(rows))


def _latency_moved(now: Usages, old: Usages) -> str:
    return moved(now.p95_ns, old.p95_ns) if _comparable(now, old) else "too few calls to compare"


def _comparable(now: Usages, old: Usages) -> bool:
    return min(now.timed, old.timed) >= ENOUGH and now.p95_ns > 0 and old.p95_ns > 0


def _per_call(spend: Spend, usage: Usages) -> int:
    return spend.cost // usage.calls if usage.calls else 0


def _rate(part: int, whole: int) -> str:
    return f"{part / whole:.2%}".replace("%", " %") if whole else "-"


def _money(picodollars: int) -> str:
    return ("+" if picodollars > 0 else "-" if picodollars < 0 else "") + format_usd(abs(picodollars))


def _of_change(part: int, change: int) -> str:
    """A part can be larger than the whole where others go the other way.

    >>> _of_change(3, 4), _of_change(41, 40), _of_change(30, 4)
    ('75% of the change', 'about all of the change', 'more than the whole change: others went the other way')
    """
    if 1 < part / change < 1.05:
        return "about all of the change"
    if part / change > 1:
        return "more than the whole change: others went the other way"
    return f"{part / change:.0%} of the change"


def _name(group: Group) -> str:
    return " ".join(part for part in group if part) or NOBODY


def _labels(facts: Facts) -> tuple[str, ...]:
    return tuple(facts.period.label(since, until) for since, until in facts.period.days)
