"""What rules would have found: in stored history, or in readings that somebody made up."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from moat.domain.alerting import Event, Reading, Rule, Standing
from moat.domain.errors import DocumentError
from moat.telemetry.alerts.evaluate import evaluate, looked
from moat.telemetry.alerts.readings import Gauge, pace
from moat.telemetry.alerts.verdicts import NoVerdict, Undecided


class Line(Reading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reading of a file, at a time in seconds from its start."""

    at: float


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    events: list[Event]
    """Oldest first."""
    no_verdict: list[NoVerdict]
    """Rules and groups that could be judged at no time."""


def stored(gauge: Gauge, rules: Sequence[Rule], since_ns: int, until_ns: int, every: float) -> Replayed:
    """What would have come of a time that is over. Each rule is evaluated a few times in a window, each for as many
    evaluations as a server makes meanwhile, and all rules once more at the end, as the server would at that moment.
    """
    standing, events, undecided = Standing(), list[Event](), Undecided(rules)
    paced = [_paced(rule, every) for rule in rules]
    for at_ns, those, readings in gauge.history(paced, since_ns, until_ns, every):
        standing, more = evaluate(those, readings, standing, at_ns)
        events += more
        undecided.see(readings)
    readings = gauge.now(paced, until_ns, looked(standing))
    standing, more = evaluate(paced, readings, standing, until_ns)
    events += more
    undecided.see(readings)
    return Replayed(events=events, no_verdict=undecided.found())


def synthetic(rules: Sequence[Rule], lines: Iterable[Line], start_ns: int = 0) -> Replayed:
    """What comes of made-up readings; each time that occurs is one evaluation of the rules that the file speaks of."""
    times: dict[float, list[Line]] = {}
    for line in lines:
        times.setdefault(line.at, []).append(line)
    named = {line.rule for those in times.values() for line in those}
    used = [rule for rule in rules if rule.name in named]
    standing, events, undecided = Standing(), list[Event](), Undecided(used)
    for at, those in sorted(times.items()):
        standing, more = evaluate(used, those, standing, start_ns + round(at * 1e9))
        events += more
        undecided.see(those)
    return Replayed(events=events, no_verdict=undecided.found())


def read_lines(path: Path, rules: Sequence[Rule]) -> list[Line]:
    """JSON lines. Raises `DocumentError` with the place."""
    names = {rule.name for rule in rules}
    lines = []
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", where=str(path)) from None
    for number, raw in enumerate(content.splitlines(), 1):
        if not raw.strip():
            continue
        try:
            line = msgspec.json.decode(raw, type=Line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DocumentError(str(error), where=f"{path}:{number}") from None
        if line.rule not in names:
            raise DocumentError(f"there is no rule {line.rule!r}", where=f"{path}:{number}")
        lines.append(line)
    return lines


def _paced(rule: Rule, every: float) -> Rule:
    """As many evaluations in a row as a server makes between two looks count as one."""
    many = pace(rule, every) / (every * 1e9)
    return replace(rule, after=max(1, round(rule.after / many)), calm=max(1, round(rule.calm / many)))
