"""What rules could not tell, and what they would need to."""

from collections.abc import Iterable, Sequence

import msgspec

from moat.domain.alerting import Reading, Rule, key_of
from moat.telemetry.alerts.evaluate import Key, bar_of, telling
from moat.telemetry.alerts.rules import OF_OPINIONS, SINGLE


class NoVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Neither well nor ill: one rule, in one group or (without labels) in all there is."""

    rule: str
    labels: dict[str, str] = {}
    samples: int = 0
    needed: int
    why: str
    """Such as `12 of 50 calls`."""


class Undecided:
    """Collects over one evaluation, or many: a group that any of them could judge is not among them."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._decided: set[Key] = set()
        self._most: dict[Key, Reading] = {}

    def see(self, readings: Iterable[Reading]) -> None:
        """The readings of one evaluation."""
        groups: dict[Key, list[Reading]] = {}
        for reading in sorted(readings, key=lambda reading: reading.window_s):
            groups.setdefault(key_of(reading.rule, reading.labels), []).append(reading)
        for key, those in groups.items():
            rule, best = self._rules[key[0]], telling(self._rules[key[0]], those)
            if best is None or key in self._decided:
                continue
            if not _why(rule, best):
                self._decided.add(key)
            elif key not in self._most or best.samples >= self._most[key].samples:
                self._most[key] = best

    def found(self) -> list[NoVerdict]:
        """By rule, in their order; the groups with most calls first."""
        found: list[NoVerdict] = []
        for name, rule in self._rules.items():
            those = [reading for key, reading in self._most.items() if key[0] == name and key not in self._decided]
            found += [_undecided(rule, reading) for reading in sorted(those, key=lambda one: -one.samples)]
            if not those and not any(key[0] == name for key in self._decided) and rule.measure not in SINGLE:
                found.append(_undecided(rule, Reading(rule=name, value=0.0, samples=0)))
        return found


def undecided(rules: Sequence[Rule], readings: Iterable[Reading]) -> list[NoVerdict]:
    """Of one evaluation."""
    collected = Undecided(rules)
    collected.see(readings)
    return collected.found()


def _undecided(rule: Rule, reading: Reading) -> NoVerdict:
    return NoVerdict(
        rule=rule.name,
        labels=reading.labels,
        samples=reading.samples,
        needed=rule.min_samples,
        why=_why(rule, reading),
    )


def _why(rule: Rule, reading: Reading) -> str:
    """Empty when it can be told."""
    if reading.samples < rule.min_samples:
        return f"{reading.samples:,} of {rule.min_samples:,} {'opinions' if rule.measure in OF_OPINIONS else 'calls'}"
    return "" if bar_of(rule, reading) is not None else reading.note or "no baseline"
