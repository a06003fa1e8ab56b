"""Did the model call the right tools with the right arguments?"""

from collections.abc import Sequence
from typing import Any

import msgspec

from moat.domain.scores import Case
from moat.evals.answer import Answered, shown
from moat.evals.scorers.scorer import NotRun, Scorer, check_expected, expected_of, same_json, scorer


class ExpectedCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call a case expects; without `arguments` any will do."""

    name: str
    arguments: dict[str, Any] | None = None


@scorer("tool_calls")
class ToolCalls(Scorer, frozen=True):
    """1 when the model made exactly the expected calls and none of `must_not_call`.

    The case lists `{name, arguments}` objects, or bare names; an empty list: no call at all. Arguments are
    compared as JSON: members in any order, 1 equal to 1.0. With `extra` further calls are tolerated.
    """

    expected: str = ""
    must_not_call: tuple[str, ...] = ()
    ordered: bool = False
    """Expected calls must come in the order the case lists them."""
    extra: bool = False

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if not self.expected and not self.must_not_call:
            raise ValueError("give `expected`, `must_not_call` or both")
        if self.expected:
            check_expected(self.expected)

    def measure(self, case: Case, answer: Answered) -> tuple[float, str]:
        """Compare."""
        made = [_made(call) for call in answer.tool_calls]
        forbidden = [name for name, _ in made if name in self.must_not_call]
        if forbidden:
            return 0, f"must not call: {', '.join(forbidden)}"
        if not self.expected:
            return 1, ""
        reason = self._mismatch(_expected(expected_of(case, self.expected), self.expected), made)
        return (0, reason) if reason else (1, "")

    def _mismatch(self, expected: list[ExpectedCall], made: list[tuple[str, Any]]) -> str:
        left, position = list(made), 0
        # Calls that say more come first, so that a bare name does not take the place of an exact one.
        order = expected if self.ordered else sorted(expected, key=lambda call: call.arguments is None)
        for call in order:
            found = next((i for i in range(position, len(left)) if _fits(call, left[i])), None)
            if found is None:
                return f"expected a call {call.name}({_shown(call.arguments)}), made: {_calls(made)}"
            del left[found]
            position = found if self.ordered else 0
        return "" if self.extra or not left else f"made a call too many: {_calls(left)}"


def _made(call: dict[str, Any]) -> tuple[str, Any]:
    function = call.get("function") or {}
    try:
        return function.get("name", ""), msgspec.json.decode(function.get("arguments") or "{}")
    except (msgspec.DecodeError, RecursionError):
        return function.get("name", ""), None


def _expected(value: Any, path: str) -> list[ExpectedCall]:
    calls = value if isinstance(value, list) else [value]
    try:
        return [ExpectedCall(c) if isinstance(c, str) else msgspec.convert(c, ExpectedCall) for c in calls]
    except msgspec.ValidationError as error:
        raise NotRun(f"{path} of the case is no list of tool calls: {error}") from None


def _fits(call: ExpectedCall, made: tuple[str, Any]) -> bool:
    return call.name == made[0] and (call.arguments is None or same_json(call.arguments, made[1]))


def _shown(arguments: Any) -> str:
    return "…" if arguments is None else shown(arguments)[1:-1]


def _calls(made: Sequence[tuple[str, Any]]) -> str:
    return ", ".join(f"{name}({_shown(arguments)})" for name, arguments in made) or "none"
