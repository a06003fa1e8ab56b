"""What an OpenAI-compatible server sends: typed as far as it is used, everything else passed over.

Source: https://platform.openai.com/docs/api-reference/chat, and what compatible servers were seen to do: null
instead of a missing member, usage in any chunk or repeated, content as a list of parts.
"""

from typing import Annotated, Any, TypeVar

import msgspec

from moat.domain.calls import ToolCallDelta
from moat.domain.errors import ProviderDown
from moat.domain.usage import Usage

T = TypeVar("T")

Index = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[float, msgspec.Meta(ge=0)]
"""Some servers count in floats: `5.0`."""


class _InputDetails(msgspec.Struct):
    cached_tokens: Count | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: Count | None = None


class UsageBody(msgspec.Struct):
    """`usage`."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None

    def usage(self) -> Usage:
        """In Moat's terms."""
        asked, said = self.prompt_tokens_details, self.completion_tokens_details
        return Usage(
            input=int(self.prompt_tokens or 0),
            output=int(self.completion_tokens or 0),
            cached=int((asked.cached_tokens if asked else None) or 0),
            reasoning=int((said.reasoning_tokens if said else None) or 0),
        )


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: Index | None = None
    id: str | None = None
    function: _Function | None = None


class Message(msgspec.Struct):
    """A whole message, or a piece of one."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None

    @property
    def text(self) -> str:
        """The content's text; of a list of parts, its text parts."""
        if not isinstance(self.content, list):
            return self.content or ""
        parts = [part.get("text") for part in self.content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))

    def pieces(self) -> tuple[ToolCallDelta, ...]:
        """Its tool calls; those of a whole message carry no index of their own."""
        return tuple(
            ToolCallDelta(
                index=position if call.index is None else call.index,
                id=call.id or "",
                name=(call.function.name if call.function else None) or "",
                arguments=(call.function.arguments if call.function else None) or "",
            )
            for position, call in enumerate(self.tool_calls or ())
        )


class Choice(msgspec.Struct):
    """One of the answers asked for; only the first is looked at."""

    index: int = 0
    delta: Message | None = None
    message: Message | None = None
    finish_reason: str | None = None


class Body(msgspec.Struct):
    """A chat completion, a chunk of one, or an error."""

    choices: list[Choice] | None = None
    usage: UsageBody | None = None
    model: str | None = None
    error: Any = None

    @property
    def first(self) -> Choice | None:
        """The choice with index 0."""
        for choice in self.choices or ():
            if choice.index == 0:
                return choice
        return None


_decode = msgspec.json.Decoder(Body).decode


def read_body(data: bytes, *, where: str) -> Body:
    """Decode and check for an error object. Raises `ProviderDown`."""
    try:
        body = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderDown(f"sent something that is not a chat completion: {error}", where=where) from None
    if body.error:
        raise ProviderDown(f"sent an error in its answer: {error_message(body.error)}", where=where)
    return body


def error_message(error: Any) -> str:
    """The words of an error object, whatever its shape; short and in one line."""
    while isinstance(error, dict):
        inner = next((error[key] for key in ("error", "message", "detail", "msg", "code") if error.get(key)), None)
        if inner is None:
            break
        error = inner
    text = error if isinstance(error, str) else msgspec.json.encode(error).decode()
    return " ".join(text.split())[:500]
