"""The wire formats of OpenAI's endpoints besides chat and responses, and of rerank (Cohere, Jina, vLLM).

A body passes through: only `model` is exchanged, and what limits, routes and records need is looked at. Sources:
https://platform.openai.com/docs/api-reference and https://docs.cohere.com/reference/rerank.
"""

import re
from typing import Any

from moat.documents.multipart import read_form, text_fields
from moat.domain.calls import Call, Delta, Event, Operation, Wire
from moat.domain.errors import MoatError, RequestError
from moat.gateway.format import MAX_NAME, Incoming, Request, read_object, take_model, take_stream
from moat.gateway.formats.openai_chat import DONE, error_body
from moat.gateway.http import JSON, Headers

MAX_TEXTS = 1024 * 1024
"""Bytes of all fields of a form that are no files: prompts are among them."""

ENDPOINTS: dict[str, Operation] = {
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
    "/v1/moderations": "moderations",
    "/v1/rerank": "rerank",
    "/v1/images/generations": "images",
    "/v1/images/edits": "image_edits",
    "/v1/images/variations": "image_variations",
    "/v1/audio/speech": "speech",
    "/v1/audio/transcriptions": "transcription",
    "/v1/audio/translations": "translation",
}
"""By path; all of them take POST."""

STREAMED: tuple[Operation, ...] = ("completions", "images", "image_edits", "transcription")
"""Those that take `stream`."""

REQUIRED: dict[Operation, tuple[str, ...]] = {
    "completions": ("prompt",),
    "embeddings": ("input",),
    "moderations": ("input",),
    "rerank": ("query", "documents"),
    "images": ("prompt",),
    "speech": ("input",),
}
"""What a JSON body must have, besides `model`."""

FILES: dict[Operation, tuple[str, ...]] = {
    "image_edits": ("image", "image[]"),
    "image_variations": ("image",),
    "transcription": ("file",),
    "translation": ("file",),
}
"""The operations that take a form, and the names of their file."""

_CONTENT_TYPE = re.compile(r"[\w.+/ ;=\"-]{1,100}", re.ASCII)
_LAST = (b"image_generation.completed", b"image_edit.completed", b"transcript.text.done", b"speech.audio.done")


class OpenAIOperation:
    """`moat.gateway.format.Format` of one of these endpoints."""

    wire: Wire = "openai"

    def __init__(self, operation: Operation) -> None:
        self.operation = operation

    def parse(self, incoming: Incoming) -> Request:
        """A JSON body, or a form where the operation takes a file. Raises `RequestError`."""
        request = self._form(incoming) if self.operation in FILES else self._json(incoming)
        if not request.model:
            raise RequestError("missing", where="model", remedy="Name a model alias.")
        user = request.params.get("user")
        request.user = user if isinstance(user, str) else ""
        return request

    def encoder(self, call: Call) -> "Passing":
        """Events as the provider sent them."""
        return Passing(DONE if self.operation == "completions" else b"")

    def body(self, call: Call, events: list[Event]) -> tuple[bytes, Headers]:
        """The provider's body."""
        raw, content_type = b"", ""
        for event in events:
            if isinstance(event, Delta) and event.raw is not None:
                raw, content_type = raw + event.raw, event.content_type or content_type
        if not content_type:
            return raw, [JSON]
        plain = content_type if _CONTENT_TYPE.fullmatch(content_type) else "application/octet-stream"
        return raw, [(b"content-type", plain.encode())]

    def error(self, error: MoatError) -> bytes:
        """In OpenAI's shape."""
        return error_body(error)

    def _json(self, incoming: Incoming) -> Request:
        data = read_object(incoming.body)
        model = take_model(data)
        for name in REQUIRED[self.operation]:
            if data.get(name) is None:
                raise RequestError("missing", where=name)
        options = data.get("stream_options")
        if options is not None and not isinstance(options, dict):
            raise RequestError("must be an object", where="stream_options")
        if self.operation == "speech":
            return Request(model=model, params=data, stream=data.get("stream_format") == "sse")
        return Request(model=model, stream=self._checked(take_stream(data)), params=data)

    def _form(self, incoming: Incoming) -> Request:
        fields = read_form(incoming.body, incoming.content_type)
        texts = text_fields(incoming.body, fields, longest=MAX_TEXTS)
        names = FILES[self.operation]
        if not any(field.is_file and field.name in names for field in fields):
            raise RequestError("missing", where=names[0], remedy="Send it as a file of the form.")
        model = texts.pop("model", "")
        if not isinstance(model, str) or len(model) > MAX_NAME:
            raise RequestError(f"must stand once, with at most {MAX_NAME} characters", where="model")
        stream = texts.get("stream", "false")
        if stream not in ("true", "false", "True", "False", "1", "0"):
            raise RequestError("must be true or false", where="stream")
        params: dict[str, Any] = dict(texts)
        return Request(
            model=model,
            params=params,
            stream=self._checked(stream in ("true", "True", "1")),
            upload=incoming.body,
            upload_type=incoming.content_type,
        )

    def _checked(self, stream: bool) -> bool:
        if stream and self.operation not in STREAMED:
            raise RequestError("this endpoint answers in one piece", where="stream", remedy="Leave it out.")
        return stream


class Passing:
    """Server-sent events untouched. Streams without `[DONE]` end with an event of a certain type, which waits for the
    end: no client may see it before the call is recorded.
    """

    def __init__(self, done: bytes) -> None:
        self._done = done
        self._held = b""

    def encode(self, event: Event) -> bytes:
        """The bytes of one event."""
        raw = event.raw if isinstance(event, Delta) else None
        if raw is None:
            return b""
        ready, self._held = self._held + raw, b""
        if self._done or not any(mark in raw for mark in _LAST):
            return ready
        self._held = ready
        return b""

    def end(self) -> bytes:
        """What was held back, or `[DONE]`."""
        return self._held + self._done

    def fail(self, error: MoatError) -> bytes:
        """An error event; nothing that looks like an end follows."""
        return b"event: error\ndata: " + error_body(error) + b"\n\n"
