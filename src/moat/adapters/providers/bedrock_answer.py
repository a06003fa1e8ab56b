"""Answers of Bedrock's Converse API, whole and streamed, in Moat's terms.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html. Members that are not
looked at may be anything; those that are have the types of the API, or the answer is refused.
"""

from typing import Annotated, Any, TypeVar

import msgspec

from moat.adapters.providers.bedrock_errors import error_named
from moat.adapters.providers.eventstream import Message, MessageParser
from moat.domain.calls import Delta, Finished, ToolCallDelta
from moat.domain.errors import ProviderDown, StreamCut
from moat.domain.usage import Usage, tier_of

T = TypeVar("T")

Count = Annotated[int, msgspec.Meta(ge=0)]

REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""The others (`malformed_model_output`, `malformed_tool_use`) are failures."""

_encode = msgspec.json.encode


class _CacheDetail(msgspec.Struct, rename="camel"):
    ttl: str = ""
    input_tokens: Count = 0


class _Usage(msgspec.Struct, rename="camel"):
    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_read_input_tokens: Count | None = None
    cache_write_input_tokens: Count | None = None
    cache_details: list[_CacheDetail] | None = None

    def usage(self, tier: "_Tier | None") -> Usage:
        """What is read from a cache or written to it is not in `inputTokens`."""
        read, written = self.cache_read_input_tokens or 0, self.cache_write_input_tokens or 0
        return Usage(
            input=self.input_tokens + read + written,
            output=self.output_tokens,
            cached=read,
            cache_write=written,
            cache_write_long=sum(each.input_tokens for each in self.cache_details or () if each.ttl == "1h"),
            tier=tier_of(tier.type) if tier is not None else "",
        )


class _Tier(msgspec.Struct):
    """Level of service."""

    type: str = ""


class _ReasoningText(msgspec.Struct):
    text: str = ""
    signature: str | None = None


class _Reasoning(msgspec.Struct, rename="camel"):
    """A block's, or a delta's."""

    reasoning_text: _ReasoningText | None = None
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class _ToolUse(msgspec.Struct, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    input: Any = None
    type: str | None = None


class _Cited(msgspec.Struct):
    text: str | None = None


class _Citations(msgspec.Struct):
    content: list[_Cited] | None = None


class _Block(msgspec.Struct, rename="camel"):
    """A content block, or a delta of one."""

    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _Citations | None = None

    @property
    def said(self) -> str:
        cited = self.citations_content.content if self.citations_content else None
        return (self.text or "") + "".join(each.text or "" for each in cited or ())


class _Event(msgspec.Struct, rename="camel"):
    """Any event of a stream; which one its headers say."""

    content_block_index: Count = 0
    start: _Block | None = None
    delta: _Block | None = None
    stop_reason: str = ""
    additional_model_response_fields: Any = None
    usage: _Usage | None = None
    service_tier: _Tier | None = None
    message: str | None = None


class _Said(msgspec.Struct):
    content: list[_Block] | None = None


class _Output(msgspec.Struct):
    message: _Said | None = None


class _Answer(msgspec.Struct, rename="camel"):
    output: _Output
    stop_reason: str = ""
    usage: _Usage | None = None
    service_tier: _Tier | None = None
    additional_model_response_fields: Any = None


def whole(raw: bytes, answer_tool: str, *, where: str) -> list[Delta | Finished]:
    """An answer in one piece. Raises `ProviderDown`."""
    answer = _decode(raw, _Answer, where)
    if answer.output.message is None:
        raise ProviderDown("sent an answer without a message", where=where)
    deltas: list[Delta] = []
    tools = 0
    for block in answer.output.message.content or ():
        use = block.tool_use
        if use is not None and use.name == answer_tool:
            deltas.append(Delta(text=_encode(use.input).decode()))
        elif use is not None and use.type is None:
            arguments = _encode(use.input if use.input is not None else {}).decode()
            called = ToolCallDelta(index=tools, id=use.tool_use_id, name=use.name, arguments=arguments)
            deltas.append(Delta(tool_calls=(called,)))
            tools += 1
        elif (delta := _plain(block)) is not None:
            deltas.append(delta)
    fields = answer.additional_model_response_fields
    usage = answer.usage.usage(answer.service_tier) if answer.usage else None
    return [*deltas, _finished(answer.stop_reason, fields, usage, bool(answer_tool), where)]


class Stream:
    """A streamed answer."""

    def __init__(self, answer_tool: str, *, where: str) -> None:
        self._answer_tool = answer_tool
        self._where = where
        self._parser = MessageParser(where=where)
        self._tools: dict[int, int] = {}
        """Index of a block -> index of its tool call; -1 for the answer itself."""
        self._reason = ""
        self._fields: Any = None
        self._usage: Usage | None = None
        self.done = False
        """Did the last event come?"""
        self.heard = False
        """Did the last bytes complete an event?"""

    def feed(self, chunk: bytes) -> list[Delta]:
        """Raises `ProviderError`s: those that the stream tells, and `ProviderDown` for nonsense."""
        messages = self._parser.feed(chunk)
        self.heard = bool(messages)
        deltas = [self._take(message) for message in messages]
        return [delta for delta in deltas if delta is not None]

    def finish(self) -> Finished:
        """Raises `StreamCut` when the stream ended without saying why the answer did."""
        if not self._reason or self._parser.rest:
            raise StreamCut("ended the stream without its end mark", where=self._where)
        return _finished(self._reason, self._fields, self._usage, bool(self._answer_tool), self._where)

    def _take(self, message: Message) -> Delta | None:
        headers = message.headers
        kind = headers.get(":message-type", "event")
        if kind == "error":
            code, words = headers.get(":error-code", ""), headers.get(":error-message", "")
            raise error_named(code, f"broke off with {code}: {words}", where=self._where)
        event = _decode(message.payload, _Event, self._where)
        if kind == "exception":
            name = headers.get(":exception-type", "")
            raise error_named(name, f"broke off with {name}: {event.message or ''}", where=self._where)
        match headers.get(":event-type"):
            case "contentBlockStart" if event.start is not None and event.start.tool_use is not None:
                return self._start(event.content_block_index, event.start.tool_use)
            case "contentBlockDelta" if event.delta is not None:
                return self._piece(event.content_block_index, event.delta)
            case "messageStop":
                self._reason, self._fields = event.stop_reason, event.additional_model_response_fields
            case "metadata":
                self._usage = event.usage.usage(event.service_tier) if event.usage else None
                self.done = bool(self._reason)
        return None

    def _start(self, block: int, use: _ToolUse) -> Delta | None:
        if use.name == self._answer_tool or use.type is not None:
            self._tools[block] = -1
            return None
        self._tools[block] = sum(1 for index in self._tools.values() if index >= 0)
        return Delta(tool_calls=(ToolCallDelta(index=self._tools[block], id=use.tool_use_id, name=use.name),))

    def _piece(self, block: int, delta: _Block) -> Delta | None:
        if delta.tool_use is None:
            return _plain(delta)
        arguments, index = delta.tool_use.input, self._tools.get(block)
        if not isinstance(arguments, str) or index is None:
            raise ProviderDown("sent a piece of a tool call that did not begin, or is no text", where=self._where)
        if index < 0:
            return Delta(text=arguments) if self._answer_tool else None
        return Delta(tool_calls=(ToolCallDelta(index=index, arguments=arguments),))


def _plain(block: _Block) -> Delta | None:
    """Text or thinking; None for what says nothing."""
    reasoning = block.reasoning_content
    if reasoning is None:
        return Delta(text=block.said) if block.said else None
    text = reasoning.reasoning_text
    delta = Delta(
        reasoning=(text.text if text else reasoning.text) or "",
        signature=(text.signature if text else reasoning.signature) or "",
        redacted=reasoning.redacted_content or "",
    )
    return delta if delta != Delta() else None


def _finished(reason: str, fields: Any, usage: Usage | None, answered_by_tool: bool, where: str) -> Finished:
    if reason not in REASONS:
        error = ProviderDown(f"ended its answer with {reason!r}", where=where)
        error.used = usage
        raise error
    sequence = fields.get("stop_sequence") if isinstance(fields, dict) else None
    ours = "stop" if answered_by_tool and reason == "tool_use" else REASONS[reason]
    return Finished(reason=ours, stop_sequence=sequence if isinstance(sequence, str) else "", usage=usage)


def _decode(data: bytes, shape: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderDown(f"sent something that is not an answer: {error}", where=where) from None
