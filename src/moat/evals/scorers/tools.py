"""Did the model call the right tools with the right arguments?"""

from functools import cached_property
from typing import Any, Literal

import jsonschema_rs
from msgspec.structs import replace

from moat.domain.scores import Case
from moat.evals.answer import ABSENT, Answered
from moat.evals.scorers.expected_calls import MadeCall, Order, agreement, made_by, read_expected, trajectory_of
from moat.evals.scorers.patterns import LINEAR
from moat.evals.scorers.scorer import Bench, Measured, NotRun, Scorer, check_expected, expected_of, scorer
from moat.evals.scorers.structure import problems_of


class _Calls(Scorer, frozen=True):
    """What scorers of tool calls have in common."""

    expected: str = ""
    must_not_call: tuple[str, ...] = ()
    arguments: Literal["exact", "subset", "ignore"] = "exact"
    """`subset`: a call may have further arguments. `ignore`: only names count."""
    partial: bool = False
    """The value is the share of calls that agree, instead of 0 when not all do."""

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if not self.expected and not self.must_not_call:
            raise ValueError("give `expected`, `must_not_call` or both")
        if self.expected:
            check_expected(self.expected)

    def compare(self, case: Case, made: list[MadeCall], order: Order) -> Measured:
        """Hold calls against what the case expects."""
        evidence = {"calls": [str(call) for call in made]}
        forbidden = [call.name for call in made if call.name in self.must_not_call]
        if forbidden:
            return 0, f"must not call: {', '.join(forbidden)}", evidence
        if not self.expected:
            return 1, "", evidence
        wanted = read_expected(expected_of(case, self.expected), self.expected)
        if self.arguments == "ignore":
            wanted = [replace(call, arguments=None) for call in wanted]
        value, reason = agreement(wanted, made, order, loose=self.arguments == "subset")
        return (value if self.partial else float(value == 1 and not reason)), reason, evidence


@scorer("tool_calls")
class ToolCalls(_Calls, frozen=True):
    """1 when the model made exactly the expected calls and none of `must_not_call`, in its last answer.

    The case lists `{name, arguments}` objects, or bare names; an empty list: no call at all. Arguments are
    compared as JSON: members in any order, 1 equal to 1.0. With `extra` further calls are tolerated.
    """

    revision = 2

    ordered: bool = False
    """Expected calls must come in the order the case lists them."""
    extra: bool = False

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        order: Order = "in_order" if self.ordered and self.extra else "exact" if self.ordered else "any_order"
        if self.extra and not self.ordered:
            order = "superset"
        return self.compare(case, made_by(answer.tool_calls), order)


@scorer("trajectory")
class Trajectory(_Calls, frozen=True):
    """1 when the tool calls of the whole conversation agree with those the case expects, as `order` has it.

    With `partial`: in an order, the length of the longest common subsequence of calls; in none, the number of calls
    that can be paired; over the number of calls expected (`in_order`, `superset`), made (`subset`) or the larger of the
    two.
    """

    order: Order = "exact"

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        return self.compare(case, trajectory_of(answer), self.order)


@scorer("tool_schema")
class ToolSchema(Scorer, frozen=True):
    """1 when every tool call names a tool there is, with arguments that fit its JSON Schema; without calls too.

    The tools are those of `tools` (in the OpenAI format), else the prompt's own.
    """

    tools: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Compile."""
        super().__post_init__()
        try:
            _ = self._validators
        except (AttributeError, KeyError, TypeError):
            raise ValueError("`tools` are objects such as {type: function, function: {name, parameters}}") from None
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            raise ValueError(f"parameters of a tool cannot be used: {str(error).splitlines()[0]}") from None

    @cached_property
    def _validators(self) -> dict[str, Any]:
        functions = [tool["function"] for tool in self.tools]
        return {
            function["name"]: jsonschema_rs.validator_for(
                function.get("parameters") or {}, pattern_options=LINEAR, offline=True
            )
            for function in functions
        }

    def bind(self, bench: Bench) -> Scorer:
        """Take the prompt's tools when the suite gave none."""
        prompt = bench.prompt
        return self if self.tools or prompt is None else replace(self, tools=prompt.tool_definitions)

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Check every call of the conversation."""
        if not self.tools:
            raise NotRun("neither the suite nor the prompt has tools")
        problems = [problem for call in trajectory_of(answer) if (problem := self._problem(call))]
        return (0, "; ".join(problems[:3]), {"problems": problems}) if problems else (1, "")

    def _problem(self, call: MadeCall) -> str:
        validator = self._validators.get(call.name)
        if validator is None:
            return f"there is no tool {call.name!r}, but {', '.join(self._validators)}"
        if call.arguments is ABSENT:
            return f"the arguments of {call.name} are not JSON"
        return "" if validator.is_valid(call.arguments) else f"{call.name}: {problems_of(validator, call.arguments)}"
