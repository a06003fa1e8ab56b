"""The wire formats of the Gemini API (https://ai.google.dev/api): `generateContent` and its streamed form.

The model stands in the path. Contents are translated to OpenAI's messages, so that any provider can answer; what
Google answers to them goes back untouched.
"""

import msgspec

from moat.domain.calls import Call, Event, Finished, Operation, Wire
from moat.domain.errors import MoatError, RequestError
from moat.domain.releases import PromptRef
from moat.domain.usage import Usage
from moat.gateway.format import MAX_NAME, Incoming, Request, read_object
from moat.gateway.formats.gemini_answer import ResponseEncoder, response_body
from moat.gateway.formats.gemini_contents import Conversation
from moat.gateway.formats.gemini_errors import error_body
from moat.gateway.formats.gemini_params import chat_params
from moat.gateway.formats.gemini_shape import Json, camel
from moat.gateway.formats.openai_chat import MODEL_PREFIX, prompt_as_model
from moat.gateway.http import JSON, Headers


class GenerateContent:
    """`moat.gateway.format.Format` of `generateContent` and `streamGenerateContent`."""

    wire: Wire = "gemini"
    operation: Operation = "chat"

    def __init__(self, *, stream: bool = False, array: bool = False) -> None:
        """`array`: a streamed answer is one JSON array, as without `alt=sse`."""
        self._stream = stream
        self._array = array

    def parse(self, incoming: Incoming) -> Request:
        """Raises `RequestError` with the member at fault."""
        model, prompt = named_model(incoming.path)
        return request(model, prompt, camel(read_object(incoming.body)), stream=self._stream)

    def encoder(self, call: Call) -> ResponseEncoder:
        """Responses."""
        return ResponseEncoder(call, array=self._array)

    def body(self, call: Call, events: list[Event]) -> tuple[bytes, Headers]:
        """One response."""
        return response_body(call, events), [JSON]

    def error(self, error: MoatError) -> bytes:
        """See `error_body`."""
        return error_body(error)


class CountTokens(GenerateContent):
    """`countTokens`, of contents or of a whole `generateContentRequest`."""

    def parse(self, incoming: Incoming) -> Request:
        """Raises `RequestError` with the member at fault."""
        model, prompt = named_model(incoming.path)
        data = camel(read_object(incoming.body))
        whole = data.get("generateContentRequest", data)
        if not isinstance(whole, dict):
            raise RequestError("must be an object", where="generateContentRequest")
        return request(model, prompt, whole)

    def body(self, call: Call, events: list[Event]) -> tuple[bytes, Headers]:
        """The count; a header says so when it is our estimate."""
        usage = next((event.usage for event in events if isinstance(event, Finished)), None) or Usage(estimated=True)
        estimated = [(b"x-moat-estimated", b"true")] if usage.estimated else []
        return msgspec.json.encode({"totalTokens": usage.input}), [JSON, *estimated]


def named_model(path: str) -> tuple[str, PromptRef | None]:
    """What stands before `:method` in a path: a model alias, or `prompt:<name>@<environment or version>`."""
    name = path.rpartition(":")[0]
    if not name or len(name) > MAX_NAME:
        raise RequestError(f"must be a name of at most {MAX_NAME} characters", where="model")
    return ("", prompt_as_model(name)) if name.startswith(MODEL_PREFIX) else (name, None)


def request(model: str, prompt: PromptRef | None, data: Json, *, stream: bool = False) -> Request:
    """A request from its body, which is taken apart."""
    conversation = Conversation()
    instruction, contents = data.pop("systemInstruction", None), data.pop("contents", None)
    if instruction is not None:
        conversation.system(instruction, "systemInstruction")
    if isinstance(contents, dict | str):
        contents = [contents]
    if contents is not None and not isinstance(contents, list):
        raise RequestError("must be a list of contents", where="contents")
    for index, content in enumerate(contents or ()):
        conversation.add(content, f"contents[{index}]")
    if not contents and prompt is None:
        raise RequestError("must be a list of contents, not empty", where="contents")
    return Request(model=model, prompt=prompt, messages=conversation.messages, params=chat_params(data), stream=stream)
