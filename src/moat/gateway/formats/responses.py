"""The wire format of OpenAI's responses (https://platform.openai.com/docs/api-reference/responses).

Every request is translated to chat and so reaches every provider. Nothing is kept between requests: the conversation
comes whole in `input`.
"""

import time
from collections.abc import Iterable
from typing import Any

import msgspec

from moat.domain.calls import Call, Delta, Event, Finished, Message, Operation, Wire
from moat.domain.errors import InputError, LimitExceeded, MoatError, ProviderOverloaded, RequestError
from moat.domain.releases import PromptRef
from moat.domain.usage import Usage
from moat.gateway.format import Incoming, Request, read_object, take_model, take_stream
from moat.gateway.formats.openai_chat import MODEL_PREFIX, error_body, prompt_as_model, read_prompt
from moat.gateway.formats.responses_items import Item, messages_of
from moat.gateway.formats.responses_output import Output
from moat.gateway.formats.responses_params import chat_params, shown_params
from moat.gateway.http import JSON, Headers

_encode = msgspec.json.Encoder().encode


def parse_response(body: bytes) -> Request:
    """Read a request body. Raises `RequestError` with the parameter at fault."""
    data = read_object(body)
    prompt = read_prompt(_plain_variables(data.pop("prompt", None)))
    model = take_model(data)
    if prompt is None and model.startswith(MODEL_PREFIX):
        prompt, model = prompt_as_model(model), ""
    if prompt is None and not model:
        raise RequestError("missing", where="model", remedy="Name a model alias, or a prompt by `prompt.id`.")
    messages = _messages(data, prompt)
    stream = take_stream(data)
    user = data.get("user") or data.get("safety_identifier")
    return Request(
        model=model,
        messages=messages,
        params=chat_params(data),
        stream=stream,
        user=user if isinstance(user, str) else "",
        prompt=prompt,
    )


def _messages(data: dict[str, Any], prompt: PromptRef | None) -> list[Message]:
    """`instructions` and `input`."""
    instructions, items = data.pop("instructions", None), data.pop("input", None)
    if instructions is not None and not isinstance(instructions, str):
        raise RequestError("must be text", where="instructions")
    messages = messages_of(items) if items is not None else []
    if not messages and prompt is None:
        raise RequestError("must be text or a list of items, not empty", where="input")
    return [{"role": "system", "content": instructions}, *messages] if instructions else messages


def _plain_variables(prompt: Any) -> Any:
    """Variables may be given as content: `{"type": "input_text", "text": ...}`."""
    variables = prompt.get("variables") if isinstance(prompt, dict) else None
    if not isinstance(variables, dict):
        return prompt
    plain = {
        name: value["text"] if isinstance(value, dict) and value.keys() == {"type", "text"} else value
        for name, value in variables.items()
    }
    return {**prompt, "variables": plain}


class ResponseEncoder:
    """Events -> typed, numbered server-sent events, and at the end the whole response."""

    def __init__(self, call: Call) -> None:
        seed = call.id.removeprefix("req_")
        self._head: Item = {
            "id": f"resp_{seed}",
            "object": "response",
            "created_at": int(time.time()),
            "model": call.model,
            "background": False,
            "instructions": None,
            "max_tool_calls": None,
            "previous_response_id": None,
            "store": False,
            "top_logprobs": 0,
            "truncation": "disabled",
            **shown_params(call.params),
        }
        self._journal = call.journal
        self._output = Output(seed)
        self._finished: Finished | None = None
        self._number = 0

    def encode(self, event: Event) -> bytes:
        """The bytes of one event, after the first two."""
        if isinstance(event, Delta) and event.only_counts:
            return b""
        begun = b"" if self._number else self._begin()
        if isinstance(event, Finished):
            self._finished = event
            return begun + self._sent(self._output.finish(_ending(event)[0]))
        return begun + self._sent(self._output.add(event))

    def end(self) -> bytes:
        """`response.completed`, or `response.incomplete`."""
        response = self.response()
        return self._sent([{"type": f"response.{response['status']}", "response": response}])

    def fail(self, error: MoatError) -> bytes:
        """`response.failed`, with what came so far."""
        begun = b"" if self._number else self._begin()
        said = {"code": _code(error), "message": str(error)}
        closing = self._sent(self._output.finish("incomplete"))
        response = self._whole("failed", error=said)
        return begun + closing + self._sent([{"type": "response.failed", "response": response}])

    def response(self) -> Item:
        """The whole response, when `Finished` was encoded."""
        finished = self._finished
        assert finished is not None, "the pipeline ends with it"
        status, reason = _ending(finished)
        return self._whole(
            status,
            model=finished.model or self._head["model"],
            incomplete_details={"reason": reason} if reason else None,
            usage=usage_body(finished.usage or self._estimated()),
        )

    def _estimated(self) -> Usage:
        """What was noted of a try whose provider reported nothing: it is over when the whole response is made."""
        attempt = self._journal.answering
        return attempt.usage if attempt is not None else Usage(estimated=True)

    def _begin(self) -> bytes:
        response = self._whole("in_progress")
        return self._sent({"type": kind, "response": response} for kind in ("response.created", "response.in_progress"))

    def _whole(self, status: str, **members: Any) -> Item:
        empty: Item = {"error": None, "incomplete_details": None, "usage": None, "output": self._output.items}
        return {**self._head, **empty, "status": status, **members}

    def _sent(self, events: Iterable[Item]) -> bytes:
        sent = b""
        for event in events:
            kind: str = event["type"]
            body = _encode({"type": kind, "sequence_number": self._number, **event})
            sent += b"event: %s\ndata: %s\n\n" % (kind.encode(), body)
            self._number += 1
        return sent


def _ending(finished: Finished) -> tuple[Any, str]:
    """Status, and why the answer is not complete."""
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    reason = reasons.get(finished.reason, "")
    return "incomplete" if reason else "completed", reason


def _code(error: MoatError) -> str:
    """One of the codes that the API defines."""
    if isinstance(error, ProviderOverloaded | LimitExceeded):
        return "rate_limit_exceeded"
    return "invalid_prompt" if isinstance(error, InputError) else "server_error"


def usage_body(usage: Usage) -> Item:
    """Token counts in this API's names."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }


class OpenAIResponses:
    """`moat.gateway.format.Format` of `POST /v1/responses`."""

    wire: Wire = "responses"
    operation: Operation = "chat"

    def parse(self, incoming: Incoming) -> Request:
        """See `parse_response`."""
        return parse_response(incoming.body)

    def encoder(self, call: Call) -> ResponseEncoder:
        """Typed events."""
        return ResponseEncoder(call)

    def body(self, call: Call, events: list[Event]) -> tuple[bytes, Headers]:
        """A response object."""
        encoder = ResponseEncoder(call)
        for event in events:
            encoder.encode(event)
        return _encode(encoder.response()), [JSON]

    def error(self, error: MoatError) -> bytes:
        """In OpenAI's shape."""
        return error_body(error)


class OpenAIInputTokens(OpenAIResponses):
    """`moat.gateway.format.Format` of `POST /v1/responses/input_tokens`: what a request would have to read."""

    def parse(self, incoming: Incoming) -> Request:
        """Never streamed."""
        return msgspec.structs.replace(parse_response(incoming.body), stream=False)

    def body(self, call: Call, events: list[Event]) -> tuple[bytes, Headers]:
        """The count; a header says so when it is our estimate."""
        usage = next((event.usage for event in events if isinstance(event, Finished)), None) or Usage(estimated=True)
        estimated = [(b"x-moat-estimated", b"true")] if usage.estimated else []
        return _encode({"object": "response.input_tokens", "input_tokens": usage.input}), [JSON, *estimated]
