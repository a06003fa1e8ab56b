"""Tool calls: what a case expects, what was made, and how far the two agree."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jsonschema_rs
import msgspec

from moat.evals.answer import ABSENT, Answered, Broken, shown
from moat.evals.scorers.patterns import LINEAR
from moat.evals.scorers.scorer import NotRun, same_json

MAX_CALLS = 300
"""Of one answer, or expected of it; the work grows with the product."""

Order = Literal["exact", "in_order", "any_order", "superset", "subset"]
"""How the calls that were made have to agree with those expected. `exact`: the same calls in the same order.
`in_order`: the expected calls in their order, others may stand between. `any_order`: the same calls. `superset`: all
expected calls, others too. `subset`: none but expected calls, and not necessarily all of them."""


class ExpectedCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call a case expects; without `arguments` any will do. Below `arguments`, an object with the one member
    `$any`, `$regex`, `$contains`, `$one_of`, `$near` or `$type` says what a value must be like: see `MATCHERS`.
    """

    name: str
    arguments: dict[str, Any] | None = None


class MadeCall(NamedTuple):
    """A tool call as a model made it."""

    name: str
    arguments: Any
    """`ABSENT` when they are not JSON."""
    id: str = ""

    def __str__(self) -> str:
        """For reasons."""
        return f"{self.name}({'…' if self.arguments is ABSENT else shown(self.arguments)[1:-1]})"


class Agreement(NamedTuple):
    """How far calls agree."""

    value: float
    """1 when they do; else the share of them that does."""
    reason: str


def read_expected(value: Any, path: str) -> list[ExpectedCall]:
    """The calls that a case lists at `path`, as objects or bare names. `NotRun` when it lists something else."""
    calls = value if isinstance(value, list) else [value]
    try:
        read = [ExpectedCall(c) if isinstance(c, str) else msgspec.convert(c, ExpectedCall) for c in calls]
    except msgspec.ValidationError as error:
        raise NotRun(f"{path} of the case is no list of tool calls: {error}") from None
    for call in read:
        problem = _wrong_matcher(call.arguments)
        if problem:
            raise NotRun(f"{path} of the case: {problem}")
    return read


def made_by(calls: Sequence[Any]) -> list[MadeCall]:
    """Calls in the OpenAI format. Raises `Broken` when there are more than `MAX_CALLS`."""
    if len(calls) > MAX_CALLS:
        raise Broken(f"{len(calls)} tool calls, and at most {MAX_CALLS} are compared")
    return [_made(call) for call in calls]


def trajectory_of(answer: Answered) -> list[MadeCall]:
    """All tool calls of a conversation in their order; of the one answer, when there was no more."""
    if not answer.messages:
        return made_by(answer.tool_calls)
    said = [message for message in answer.messages if message.get("role") == "assistant"]
    return made_by([call for message in said for call in message.get("tool_calls") or ()])


def agreement(expected: Sequence[ExpectedCall], made: Sequence[MadeCall], order: Order, *, loose: bool) -> Agreement:
    """Compare calls; `loose` lets made calls have further arguments."""
    fits = [[_fits(one, other, loose) for other in made] for one in expected]
    ordered = order in ("exact", "in_order")
    pairs = _common(fits, len(made)) if ordered else _assigned(fits, len(made))
    matched = set(pairs.values())
    missing = [call for index, call in enumerate(expected) if index not in pairs]
    extra = [call for index, call in enumerate(made) if index not in matched]
    wrong = [*(missing if order != "subset" else ()), *(extra if order not in ("in_order", "superset") else ())]
    if not wrong:
        return Agreement(1.0, "")
    whole = {"in_order": len(expected), "superset": len(expected), "subset": len(made)}
    share = len(pairs) / whole.get(order, max(len(expected), len(made)))
    return Agreement(share, _reason(missing if order != "subset" else [], extra, made, in_order=ordered))


def _reason(
    missing: Sequence[ExpectedCall], extra: Sequence[MadeCall], made: Sequence[MadeCall], in_order: bool
) -> str:
    said = ", ".join(map(str, made[:5])) + (f" and {len(made) - 5} more" if len(made) > 5 else "")
    if not missing:
        return f"made a call too many: {', '.join(map(str, extra[:5]))}"
    first = missing[0]
    arguments = "…" if first.arguments is None else shown(first.arguments)[1:-1]
    return f"expected a call {first.name}({arguments}){' at its place' if in_order else ''}, made: {said or 'none'}"


def _made(call: Any) -> MadeCall:
    call = call if isinstance(call, dict) else {}
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    name, arguments, id = function.get("name"), function.get("arguments"), call.get("id")
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments or "{}")
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            arguments = ABSENT
    return MadeCall(name if isinstance(name, str) else "", arguments, id if isinstance(id, str) else "")


def _fits(call: ExpectedCall, made: MadeCall, loose: bool) -> bool:
    if call.name != made.name:
        return False
    return call.arguments is None or _alike(call.arguments, made.arguments, loose)


def _alike(wanted: Any, got: Any, loose: bool) -> bool:
    if got is ABSENT:
        return False
    matcher = _matcher(wanted)
    if matcher is not None:
        name, option = matcher
        return MATCHERS[name](option, got)
    if isinstance(wanted, dict) and isinstance(got, dict):
        same_members = wanted.keys() <= got.keys() if loose else wanted.keys() == got.keys()
        return same_members and all(_alike(value, got[key], loose) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(got, list):
        return len(wanted) == len(got) and all(_alike(*both, loose) for both in zip(wanted, got, strict=True))
    return same_json(wanted, got)


def _matcher(wanted: Any) -> tuple[str, Any] | None:
    if isinstance(wanted, dict) and len(wanted) == 1:
        (name, option), *_ = wanted.items()
        return (name, option) if name in MATCHERS else None
    return None


def _near(option: Any, got: Any) -> bool:
    wanted, room = option
    return isinstance(got, int | float) and not isinstance(got, bool) and abs(got - wanted) <= room


MATCHERS: dict[str, Callable[[Any, Any], bool]] = {
    "$any": lambda option, got: True,
    "$regex": lambda option, got: isinstance(got, str) and _pattern(option).is_valid(_encodable(got)),
    "$contains": lambda option, got: isinstance(got, str) and option.casefold() in got.casefold(),
    "$one_of": lambda option, got: any(same_json(one, got) for one in option),
    "$near": _near,
    "$type": lambda option, got: _schema_type(option).is_valid(got),
}
"""What a value must be like: anything; a text that a pattern matches; one that contains a text, case aside; one of a
list; a number `[value, tolerance]`; of a JSON Schema type."""


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _pattern(pattern: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=LINEAR)


def _schema_type(name: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"type": name})


def _wrong_matcher(value: Any) -> str:
    """What is wrong with the matchers below a value; nothing when all is well."""
    if isinstance(value, list):
        return next(filter(None, map(_wrong_matcher, value)), "")
    if not isinstance(value, dict):
        return ""
    matcher = _matcher(value)
    if matcher is None:
        strange = [key for key in value if key.startswith("$") and len(value) == 1]
        if strange:
            return f"unknown matcher {strange[0]!r}; there are {', '.join(MATCHERS)}"
        return next(filter(None, map(_wrong_matcher, value.values())), "")
    name, option = matcher
    try:
        match name:
            case "$regex" | "$type":
                (_pattern if name == "$regex" else _schema_type)(option).is_valid("")
            case "$near":
                good = isinstance(option, list) and len(option) == 2
                good = good and all(isinstance(n, int | float) and math.isfinite(n) for n in option)
                return "" if good else "`$near` takes [value, tolerance]"
            case "$one_of":
                return "" if isinstance(option, list) else "`$one_of` takes a list"
            case "$contains":
                return "" if isinstance(option, str) else "`$contains` takes a text"
    except (jsonschema_rs.ValidationError, ValueError, TypeError):
        return f"{name} does not take {shown(option)}"
    return ""


def _common(fits: Sequence[Sequence[bool]], made: int) -> dict[int, int]:
    """A longest common subsequence: for each expected call that takes part, the number of the call made."""
    lengths = [[0] * (made + 1) for _ in range(len(fits) + 1)]
    for one in range(len(fits) - 1, -1, -1):
        for other in range(made - 1, -1, -1):
            skipped = max(lengths[one + 1][other], lengths[one][other + 1])
            taken = lengths[one + 1][other + 1] + 1 if fits[one][other] else 0
            lengths[one][other] = max(skipped, taken)
    pairs, one, other = {}, 0, 0
    while one < len(fits) and other < made:
        if fits[one][other] and lengths[one][other] == lengths[one + 1][other + 1] + 1:
            pairs[one] = other
            one, other = one + 1, other + 1
        elif lengths[one + 1][other] >= lengths[one][other + 1]:
            one += 1
        else:
            other += 1
    return pairs


def _assigned(fits: Sequence[Sequence[bool]], made: int) -> dict[int, int]:
    """A largest assignment of calls made to expected ones, each used once (Kuhn's augmenting paths)."""
    taken: dict[int, int] = {}

    def place(one: int, tried: set[int]) -> bool:
        for other in range(made):
            if fits[one][other] and other not in tried:
                tried.add(other)
                if other not in taken or place(taken[other], tried):
                    taken[other] = one
                    return True
        return False

    for one in range(len(fits)):
        place(one, set())
    return {one: other for other, one in taken.items()}
