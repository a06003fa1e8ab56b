"""How an agent went about it: steps, loops, errors of tools."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from moat.domain.scores import Case
from moat.evals.answer import ABSENT, Answered
from moat.evals.scorers.expected_calls import MadeCall, trajectory_of
from moat.evals.scorers.scorer import Measured, Scorer, scorer


@scorer("agent")
class Agent(Scorer, frozen=True):
    """1 when the conversation kept to every limit that is given."""

    max_calls: int | None = None
    """Tool calls."""
    max_turns: int | None = None
    """Answers of the model."""
    max_repeats: int | None = None
    """So often may one tool be called with the same arguments: 1 forbids any repetition. More is a loop."""
    recover: bool = False
    """A tool that failed (its message has `is_error`) has to be called again, successfully."""

    def __post_init__(self) -> None:
        """At least one limit."""
        super().__post_init__()
        limits = [limit for limit in (self.max_calls, self.max_turns, self.max_repeats) if limit is not None]
        if not limits and not self.recover:
            raise ValueError("give `max_calls`, `max_turns`, `max_repeats` or `recover`")
        if limits and (min(limits) < 0 or self.max_repeats == 0):
            raise ValueError("limits are numbers from 0, `max_repeats` from 1")

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Check each limit."""
        calls = trajectory_of(answer)
        turns = sum(message.get("role") == "assistant" for message in answer.messages) or 1
        problems = list(self._problems(answer, calls, turns))
        return float(not problems), "; ".join(problems), {"calls": len(calls), "turns": turns}

    def _problems(self, answer: Answered, calls: list[MadeCall], turns: int) -> Iterator[str]:
        if self.max_calls is not None and len(calls) > self.max_calls:
            yield f"{len(calls)} tool calls, at most {self.max_calls} wanted"
        if self.max_turns is not None and turns > self.max_turns:
            yield f"{turns} turns, at most {self.max_turns} wanted"
        if self.max_repeats is not None:
            for (name, arguments), count in Counter(map(_same_call, calls)).items():
                if count > self.max_repeats:
                    yield f"called {name}({arguments[:100]}) {count} times, at most {self.max_repeats} wanted"
        if self.recover:
            for name in _unrecovered(answer, calls):
                yield f"{name} failed and was not called successfully afterwards"


def _same_call(call: MadeCall) -> tuple[str, str]:
    if call.arguments is ABSENT:
        return call.name, "…"
    return call.name, msgspec.json.encode(call.arguments, order="sorted").decode()


def _unrecovered(answer: Answered, calls: list[MadeCall]) -> list[str]:
    """Names of the tools whose last result was an error."""
    names = {call.id: call.name for call in calls if call.id}
    failed: dict[str, bool] = {}
    for message in answer.messages:
        if message.get("role") == "tool":
            name = names.get(str(message.get("tool_call_id")), "a tool")
            failed[name] = message.get("is_error") is True
    return [name for name, is_failed in failed.items() if is_failed]
