"""An answer that no model of ours gave."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec

from moat.domain.usage import PICODOLLARS, from_usd
from moat.evals.answer import Answered

MAX_TOKENS, MAX_MS, MAX_USD = 10**12, 10**9, 10_000
"""Of one answer. What is more is a mistake, and the sum over a run might not fit the store's 64 bits."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]


class _Function(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1)]


class _ToolCall(msgspec.Struct):
    function: _Function


class _Message(msgspec.Struct):
    role: str = ""
    tool_calls: list[_ToolCall] | None = None


class _Sound(msgspec.Struct):
    """Of an answer, what stores and scorers rely on."""

    text: str
    refusal: str
    finish_reason: str
    cached: bool
    repeat: Count
    providers: list[str]
    tool_calls: list[_ToolCall]
    messages: list[_Message]
    context: list[str]
    input_tokens: Count
    output_tokens: Count
    latency_ns: Annotated[int, msgspec.Meta(ge=0, le=MAX_MS * 10**6)]
    cost: Annotated[int, msgspec.Meta(ge=0, le=MAX_USD * PICODOLLARS)] | None
    first_token_ns: Annotated[int, msgspec.Meta(ge=0, le=MAX_MS * 10**6)]
    trace_id: str


def sound(answer: Answered) -> Answered:
    """The answer as it will be when it was stored and read again, so that scorers see no more than that. Raises
    `ValueError` for one that cannot be stored, or is of other types than it should be.
    """
    try:
        fields = msgspec.structs.asdict(answer)
        fields["tool_calls"] = _called(answer.tool_calls)
        fields["messages"] = [_spoken(message) for message in answer.messages]
        msgspec.convert(fields, _Sound)
        return msgspec.json.decode(msgspec.json.encode(fields), type=Answered)
    except (msgspec.MsgspecError, UnicodeEncodeError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"no answer that can be kept: {error}") from None


def _spoken(message: Any) -> Any:
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    return {**message, "tool_calls": _called(calls)} if calls else message


def _called(calls: Any) -> Any:
    """Tool calls in OpenAI's form; many frameworks leave `function` out and have its members beside the id."""
    return [_whole(call) for call in calls] if isinstance(calls, list | tuple) else calls


def _whole(call: Any) -> Any:
    if not isinstance(call, dict) or "function" in call or "name" not in call:
        return call
    arguments = call.get("arguments", {})
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    rest = {name: value for name, value in call.items() if name not in ("name", "arguments")}
    return {"type": "function", **rest, "function": {"name": call["name"], "arguments": text}}


class Reply(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a function returns, or a line of recorded answers says."""

    text: str = ""
    tool_calls: list[dict[str, Any]] = []
    context: list[str] = []
    messages: list[dict[str, Any]] = []
    refusal: str = ""
    input_tokens: Count = 0
    output_tokens: Count = 0
    latency_ms: Annotated[float, msgspec.Meta(ge=0, le=MAX_MS)] | None = None
    cost_usd: Decimal | None = None

    def __post_init__(self) -> None:
        """Check what its types cannot: a bound on a decimal, and all that an answer has to be."""
        if self.cost_usd is not None and not (self.cost_usd.is_finite() and 0 <= self.cost_usd <= MAX_USD):
            raise ValueError(f"`cost_usd` is an amount of money from 0 to {MAX_USD}")
        self.answered(0)

    def answered(self, latency_ns: int) -> Answered:
        """As scorers see it; `latency_ns` is what was measured, for a reply that says nothing of it. Raises as `sound`
        does.
        """
        answer = Answered(
            self.text or self.refusal,
            tool_calls=self.tool_calls,
            context=self.context,
            messages=self.messages,
            refusal=self.refusal,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            latency_ns=latency_ns if self.latency_ms is None else round(self.latency_ms * 1e6),
            cost=None if self.cost_usd is None else from_usd(self.cost_usd),
        )
        return sound(answer)
