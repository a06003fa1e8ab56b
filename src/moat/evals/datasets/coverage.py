"""What a dataset covers, and where it is too thin to see anything."""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from moat.domain.scores import Case
from moat.evals.datasets.similarity import words
from moat.evals.statistics.power import detectable

ENOUGH = 30
"""With fewer independent cases it is said what they can show."""
FEW = 5
"""A value of a label with fewer cases says nothing about that value."""
MAX_VALUES = 20
"""A label with more values is text, not a class: its values are not counted one by one."""
FLIPS = 0.25
"""Share of cases that change between two versions, where no run has told it: what `detectable` is computed for."""


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """Cases with something in common."""

    name: str
    """`tags=refund`, `labels.intent=returns`, `split=dev`, ..."""
    cases: int
    detectable: float
    """The change of a pass rate, 0 to 1, that these cases would find with 80 % power; above 1: none."""


class VariableUse(msgspec.Struct, frozen=True, kw_only=True):
    """One variable over all cases."""

    name: str
    cases: int
    """That give it."""
    values: int
    """Different ones."""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What there is."""

    cases: int
    clusters: int
    """Independent pieces: clusters, and cases that belong to none."""
    detectable: float
    expected: int
    """Cases with a reference answer."""
    golden: int
    conversations: int
    """Cases of several turns."""
    slices: tuple[Slice, ...]
    """By tag, label, split, script and kind of source; largest first within each."""
    variables: tuple[VariableUse, ...]
    words: tuple[int, int, int]
    """Fewest, median and most words that a case asks."""
    gaps: tuple[str, ...]
    """What is too thin, in words."""


def coverage(cases: Sequence[Case]) -> Coverage:
    """Count what a dataset covers."""
    lengths = sorted(len(words(case)) for case in cases)
    clusters = independent(cases)
    slices = tuple(_slices(cases))
    variables = tuple(_variables(cases))
    return Coverage(
        cases=len(cases),
        clusters=clusters,
        detectable=smallest_change(clusters),
        expected=sum(case.expected is not None for case in cases),
        golden=sum(case.golden for case in cases),
        conversations=sum(bool(case.turns or case.user or len(case.messages) > 1) for case in cases),
        slices=slices,
        variables=variables,
        words=(lengths[0], lengths[len(lengths) // 2], lengths[-1]),
        gaps=tuple(_gaps(len(cases), clusters, slices, variables)),
    )


def independent(cases: Iterable[Case]) -> int:
    """How many pieces of evidence cases are: clusters, and cases that belong to none."""
    return len({case.cluster or f"\0{case.id}" for case in cases})


def smallest_change(cases: int) -> float:
    """The change of a pass rate that so many independent cases find with 80 % power when a quarter of them flips."""
    return detectable(math.sqrt(FLIPS), cases)


def sees(cases: int) -> str:
    """What so many independent cases can show, in words."""
    change = smallest_change(cases)
    if change > 1:
        return "can show no change of the pass rate"
    return f"can show changes of the pass rate from {points(change)} on"


def too_few(cases: Sequence[Case]) -> str:
    """What so few cases can show, and what more would; empty when there are enough."""
    clusters = independent(cases)
    if clusters >= ENOUGH:
        return ""
    more = ", ".join(f"{count} from {points(smallest_change(count))}" for count in (ENOUGH, 200))
    return f"{_pieces(len(cases), clusters)} {sees(clusters)}; {more}"


def points(change: float) -> str:
    """A change of a pass rate for people."""
    return f"{100 * change:.0f} points" if change <= 1 else "–"


def script(text: str) -> str:
    """The script that most letters of a text are written in, as Unicode names it: `latin`, `han`, ...; `none`."""
    found = Counter(_script_of(character) for character in text[:500] if character.isalpha())
    return found.most_common(1)[0][0] if found else "none"


def _script_of(character: str) -> str:
    word = unicodedata.name(character, "unknown").split(" ", 1)[0].lower()
    return "han" if word == "cjk" else word


def _pieces(cases: int, clusters: int) -> str:
    return f"{clusters} {'case' if clusters == cases else 'independent piece'}{'' if clusters == 1 else 's'}"


def _slices(cases: Sequence[Case]) -> Iterable[Slice]:
    groups: dict[str, Counter[str]] = {"tags": Counter(tag for case in cases for tag in dict.fromkeys(case.tags))}
    for name in dict.fromkeys(name for case in cases for name in case.labels):
        counted = Counter(value for case in cases if name in case.labels for value in _values(case.labels[name]))
        if len(counted) <= MAX_VALUES:
            groups[f"labels.{name}"] = counted
    groups["split"] = Counter(case.split for case in cases if case.split)
    groups["source"] = Counter(case.source.partition(":")[0] for case in cases if ":" in case.source)
    groups["script"] = Counter(script(" ".join(words(case))) for case in cases)
    for group, counted in groups.items():
        for value, count in counted.most_common():
            yield Slice(name=f"{group}={value}", cases=count, detectable=smallest_change(count))


def _values(value: Any) -> list[str]:
    """A label's values: of a list each."""
    values = value if isinstance(value, list) else [value]
    shown = [each if isinstance(each, str) else msgspec.json.encode(each).decode() for each in values]
    return list(dict.fromkeys(shown))


def _variables(cases: Sequence[Case]) -> Iterable[VariableUse]:
    seen: Mapping[str, list[bytes]] = {name: [] for case in cases for name in case.variables}
    for case in cases:
        for name, value in case.variables.items():
            seen[name].append(msgspec.json.encode(value, order="sorted"))
    for name, values in seen.items():
        yield VariableUse(name=name, cases=len(values), values=len(set(values)))


def _gaps(cases: int, clusters: int, slices: Sequence[Slice], variables: Sequence[VariableUse]) -> Iterable[str]:
    if clusters < ENOUGH:
        yield f"{_pieces(cases, clusters)} {sees(clusters)}"
    for use in variables:
        if use.values == 1 and cases > 1:
            given = "always" if use.cases == cases else f"in {use.cases} cases"
            yield f"the variable {use.name!r} never varies ({given} the same)"
    for part in slices:
        if part.name.startswith("labels.") and part.cases < FEW:
            yield f"{part.name}: {part.cases} of {cases} cases"
