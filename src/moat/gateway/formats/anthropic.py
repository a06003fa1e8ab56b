"""`moat.gateway.format.Format` of Anthropic's Messages API: `POST /v1/messages`, and what counts its tokens."""

import msgspec

from moat.domain.calls import Call, Event, Finished, Operation, Wire
from moat.domain.errors import MoatError
from moat.domain.usage import Usage
from moat.gateway.format import Incoming, Request
from moat.gateway.formats.anthropic_answer import MessageEncoder, error_body, message_body
from moat.gateway.formats.anthropic_request import parse_messages
from moat.gateway.http import JSON, Headers


class AnthropicMessages:
    """`POST /v1/messages`."""

    wire: Wire = "anthropic"
    operation: Operation = "chat"

    def parse(self, incoming: Incoming) -> Request:
        """See `parse_messages`."""
        return parse_messages(incoming.body, incoming.headers)

    def encoder(self, call: Call) -> MessageEncoder:
        """Events of a stream."""
        return MessageEncoder(call)

    def body(self, call: Call, events: list[Event]) -> tuple[bytes, Headers]:
        """A message."""
        return message_body(call, events), [JSON]

    def error(self, error: MoatError) -> bytes:
        """See `error_body`."""
        return error_body(error)


class AnthropicCount(AnthropicMessages):
    """`POST /v1/messages/count_tokens`."""

    def parse(self, incoming: Incoming) -> Request:
        """Never streamed."""
        return msgspec.structs.replace(parse_messages(incoming.body, incoming.headers, counting=True), stream=False)

    def body(self, call: Call, events: list[Event]) -> tuple[bytes, Headers]:
        """The count; a header says so when it is our estimate."""
        usage = next((event.usage for event in events if isinstance(event, Finished)), None) or Usage(estimated=True)
        estimated = [(b"x-moat-estimated", b"true")] if usage.estimated else []
        return msgspec.json.encode({"input_tokens": usage.input}), [JSON, *estimated]
