"""What a target answered, as scorers see it."""

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import msgspec

from moat.domain.calls import Message

ABSENT: Any = msgspec.UNSET
MAX_SHOWN = 200


class Broken(Exception):
    """The answer lacks what the score is about (it is not JSON, has no such field); the score is 0."""


class Answered(msgspec.Struct, frozen=True, dict=True):
    """What came back for one case, as scorers see it."""

    text: str
    """Of the last answer; what it says in refusing, when it has no other."""
    tool_calls: Sequence[dict[str, Any]] = ()
    """Of the last answer, in the OpenAI chat format."""
    refusal: str = ""
    """What the provider itself marked as a refusal."""
    latency_ns: int = 0
    cost: int | None = None
    """Picodollars; None when unknown."""
    messages: Sequence[Message] = ()
    """All that was said in the case from its first question on, the last answer included: questions, answers, tool
    calls and what tools returned. Empty when there was one question and one answer without tool calls.
    """
    context: Sequence[str] = ()
    """The documents that the target says it answered from, best first; empty when it says nothing of them."""
    input_tokens: int = 0
    output_tokens: int = 0
    trace_id: str = ""
    cached: bool = False
    """It was given before, and cost nothing now: time, tokens and money are those of when it was made."""
    repeat: int = 0
    """Which repeat of the case it answers: judges are asked anew for each."""
    providers: Collection[str] = ()
    """Who answered; `simulated` among them when no model did."""
    first_token_ns: int = 0
    """From the question to the first piece of the answer; 0 when it is not known."""
    finish_reason: str = ""
    """Why the last answer ended (see `Finished.reason`); empty when it is not known."""

    @cached_property
    def parsed(self) -> Any:
        """The text as JSON, `ABSENT` when it is none."""
        try:
            return msgspec.json.decode(self.text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return ABSENT

    @property
    def json(self) -> Any:
        """The text as JSON. Raises `Broken` when it is none."""
        if self.parsed is ABSENT:
            fenced = " (it stands in a Markdown fence)" if self.text.lstrip().startswith("```") else ""
            raise Broken(f"the answer is not JSON{fenced}: {shown(self.text)}")
        return self.parsed

    def at(self, path: str) -> Any:
        """The value at a dotted path into the JSON answer; the whole text for an empty path. Or `Broken`."""
        if not path:
            return self.text
        value = dig(self.json, path)
        if value is ABSENT:
            raise Broken(f"the answer has no {path!r}")
        return value


def dig(value: Any, path: str) -> Any:
    """What stands at a dotted path (`items.0.id`) in JSON data; `ABSENT` when nothing does."""
    for step in path.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return ABSENT
    return value


def shown(value: Any) -> str:
    """A value for a reason, cut to a readable length."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return repr(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…")
