"""Scorers of JSON answers."""

import json
import math
from functools import cached_property
from itertools import islice
from typing import Any

import jsonschema_rs
from msgspec.structs import replace

from moat.domain.errors import PromptError
from moat.domain.scores import Case
from moat.evals.answer import ABSENT, Answered, Broken, shown
from moat.evals.scorers.patterns import LINEAR
from moat.evals.scorers.scorer import Bench, Comparison, Measured, NotRun, Scorer, expected_of, scorer

MAX_PROBLEMS = 3
MAX_STARTS = 50
"""So many places in a text are tried as the beginning of JSON."""
MAX_TEXT = 200_000
_DECODER = json.JSONDecoder()


@scorer("json")
class Json(Scorer, frozen=True):
    """1 when the whole answer is JSON. With `anywhere` a JSON object or list in the text is enough."""

    anywhere: bool = False

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Parse."""
        _ = _embedded(answer) if self.anywhere else answer.json
        return 1, ""


@scorer("json_schema")
class JsonSchema(Scorer, frozen=True):
    """1 when the answer is JSON that fits a schema: the given one, else the prompt's `output`.

    References outside the schema are refused, never fetched; `pattern` is matched in linear time. With `anywhere` it is
    the first JSON object or list in the text.
    """

    schema: dict[str, Any] | None = None
    anywhere: bool = False

    def __post_init__(self) -> None:
        """Compile."""
        super().__post_init__()
        if self.schema is not None:
            try:
                self._validator.is_valid(None)
            except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
                raise ValueError(f"`schema` cannot be used: {str(error).splitlines()[0]}") from None

    @cached_property
    def _validator(self) -> Any:
        return jsonschema_rs.validator_for(self.schema or {}, pattern_options=LINEAR, offline=True)

    def bind(self, bench: Bench) -> Scorer:
        """Take the prompt's schema when the suite gave none. Raises `PromptError` for one that cannot be used."""
        prompt = bench.prompt
        if self.schema is not None or prompt is None or prompt.output is None:
            return self
        try:
            return replace(self, schema=prompt.output)
        except ValueError as error:
            raise PromptError(f"`output`: {error}", where=prompt.id) from None

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Validate."""
        if self.schema is None:
            raise NotRun("neither the suite nor the prompt has a schema")
        data = _embedded(answer) if self.anywhere else answer.json
        if self._validator.is_valid(data):
            return 1, ""
        return 0, problems_of(self._validator, data)


def problems_of(validator: Any, data: Any) -> str:
    """The first things in which data does not fit a schema, each with its place."""
    problems = islice(validator.iter_errors(data), MAX_PROBLEMS)
    return "; ".join(f"{_place(problem.instance_path)}: {problem.message[:300]}" for problem in problems)


@scorer("json_equals")
class JsonEquals(Comparison, frozen=True):
    """1 when the JSON of the answer, or at `path`, is the expected one: members in any order, 1 equal to 1.0.

    With `subset` the answer may have further members (not further items of a list). Numbers may differ by the larger of
    `absolute` and `relative` times the expected one. What stands at a path of `ignore` (`items.*.id`: `*` is any member
    or item) is not compared. With `partial` the value is the share of the expected leaves that are right.
    """

    subset: bool = False
    absolute: float = 0.0
    relative: float = 0.0
    ignore: tuple[str, ...] = ()
    any_order: bool = False
    """Items of lists may come in any order."""
    partial: bool = False

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if not (0 <= self.absolute < math.inf and 0 <= self.relative < math.inf):
            raise ValueError("tolerances are numbers from 0")

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        wanted = expected_of(case, self.expected)
        got = answer.at(self.path) if self.path else answer.json
        found = JsonDiff(self).compare(wanted, got)
        if not found.problems:
            return 1, ""
        value = found.right / found.leaves if self.partial and found.leaves else 0
        shown_first = "; ".join(found.problems[:MAX_PROBLEMS])
        more = len(found.problems) - MAX_PROBLEMS
        return value, shown_first + (f" and {more} more" if more > 0 else ""), {"differences": found.problems[:50]}


class JsonDiff:
    """Where one JSON value differs from another."""

    def __init__(self, options: JsonEquals) -> None:
        self._options = options
        self._ignored = [tuple(path.split(".")) for path in options.ignore]
        self.problems: list[str] = []
        self.leaves = 0
        """Of the expected value, as far as they are compared, and what there is too many."""
        self.right = 0

    def compare(self, wanted: Any, got: Any, at: tuple[str | int, ...] = ()) -> "JsonDiff":
        """Note every difference below a place."""
        if self._is_ignored(at):
            return self
        if isinstance(wanted, dict) and isinstance(got, dict):
            self._members(wanted, got, at)
        elif isinstance(wanted, list) and isinstance(got, list):
            self._items(wanted, got, at)
        elif self._same(wanted, got):
            self.leaves += 1
            self.right += 1
        else:
            self.leaves += max(1, _leaves(wanted))
            said = "nothing" if got is ABSENT else shown(got)
            self.problems.append(f"{_place(at)}: expected {shown(wanted)}, got {said}")
        return self

    def _members(self, wanted: dict[str, Any], got: dict[str, Any], at: tuple[str | int, ...]) -> None:
        for key, value in wanted.items():
            self.compare(value, got.get(key, ABSENT), (*at, key))
        extra = [] if self._options.subset else [key for key in got if key not in wanted]
        for key in extra:
            if not self._is_ignored((*at, key)):
                self.leaves += 1
                self.problems.append(f"{_place((*at, key))}: is not expected")

    def _items(self, wanted: list[Any], got: list[Any], at: tuple[str | int, ...]) -> None:
        if self._options.any_order:
            got = _arranged(wanted, got, lambda one, other: not JsonDiff(self._options).compare(one, other).problems)
        for index, value in enumerate(wanted):
            self.compare(value, got[index] if index < len(got) else ABSENT, (*at, index))
        if len(got) > len(wanted):
            self.leaves += len(got) - len(wanted)
            self.problems.append(f"{_place(at)}: {len(got)} items, {len(wanted)} expected")

    def _same(self, wanted: Any, got: Any) -> bool:
        if isinstance(wanted, bool) or isinstance(got, bool):
            return wanted is got
        if isinstance(wanted, int | float) and isinstance(got, int | float):
            room = max(self._options.absolute, self._options.relative * abs(wanted))
            return wanted == got or (room > 0 and abs(wanted - got) <= room)
        return bool(wanted == got)

    def _is_ignored(self, at: tuple[str | int, ...]) -> bool:
        return any(
            len(path) == len(at) and all(part in ("*", str(step)) for part, step in zip(path, at, strict=True))
            for path in self._ignored
        )


MAX_UNORDERED = 200
"""Items of a list whose order is not compared: the work grows with the square."""


def _arranged(wanted: list[Any], got: list[Any], same: Any) -> list[Any]:
    """`got` with the items that fit a wanted one in its place. Raises `Broken` for lists that are too long."""
    if len(got) > MAX_UNORDERED or len(wanted) > MAX_UNORDERED:
        raise Broken(f"a list of {len(got)} items is too long to be compared in any order")
    left = list(got)
    placed: list[Any] = []
    for one in wanted:
        index = next((i for i, other in enumerate(left) if same(one, other)), None)
        placed.append(ABSENT if index is None else left.pop(index))
    return [left.pop(0) if one is ABSENT and left else one for one in placed] + left


def _leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_leaves, value.values()))
    return sum(map(_leaves, value)) if isinstance(value, list) else 1


def _embedded(answer: Answered) -> Any:
    """The answer's JSON, or the first JSON object or list in its text. Raises `Broken` when there is none."""
    if answer.parsed is not ABSENT:
        return answer.parsed
    text = answer.text[:MAX_TEXT]
    starts = (index for index, character in enumerate(text) if character in "{[")
    for start in islice(starts, MAX_STARTS):
        try:
            return _DECODER.raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            continue
    raise Broken(f"there is no JSON in the answer: {shown(answer.text)}")


def _place(path: Any) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
