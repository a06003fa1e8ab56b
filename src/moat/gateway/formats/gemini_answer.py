"""Answers in Gemini's shape (https://ai.google.dev/api/generate-content#generatecontentresponse)."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from moat.domain.calls import Call, Delta, Event, Finished
from moat.domain.errors import MoatError
from moat.domain.usage import Usage
from moat.gateway.formats.gemini_errors import error_body
from moat.gateway.formats.gemini_thoughts import wrap
from moat.gateway.http import EVENT_STREAM, JSON

Json = dict[str, Any]

_REASONS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_ENDS = (b'"finishReason"', b'"blockReason"')
"""What marks the last piece of a stream that Google sent."""

_BLANK = re.compile(rb"\r?\n\r?\n")
_encode = msgspec.json.Encoder().encode


class _Writer:
    """Deltas as parts of one candidate. Calls of functions have no pieces in Gemini: they come whole, at the end."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._thought = ""
        self._calls: dict[int, Json] = {}

    def parts(self, delta: Delta) -> list[Json]:
        """What can be said of this piece at once."""
        parts: list[Json] = []
        if delta.reasoning:
            self._thought += delta.reasoning
            parts.append({"text": delta.reasoning, "thought": True})
        if delta.signature:
            parts.append(_signed({"type": "thinking", "thinking": self._thought, "signature": delta.signature}))
            self._thought = ""
        if delta.redacted:
            parts.append(_signed({"type": "redacted_thinking", "data": delta.redacted}))
        if said := delta.text + delta.refusal:
            parts.append({"text": said})
        for piece in delta.tool_calls:
            call = self._calls.setdefault(piece.index, {"id": "", "name": "", "arguments": "", "signature": ""})
            for name in call:
                call[name] += getattr(piece, name) if name == "arguments" else (not call[name]) * getattr(piece, name)
        return parts

    def response(self, parts: list[Json], finished: Finished | None = None) -> Json:
        """A response with these parts; the last one with the calls, the reason of its end and what was used."""
        candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
        response: Json = {"candidates": [candidate], "modelVersion": self._call.model, "responseId": self._call.id}
        if finished is None:
            return response
        candidate["finishReason"] = _REASONS.get(finished.reason, "OTHER")
        for _, call in sorted(self._calls.items()):
            part = _function_call(call)
            if part is not None:
                parts.append(part)
            elif candidate["finishReason"] == "STOP":
                candidate["finishReason"] = "MALFORMED_FUNCTION_CALL"
                candidate["finishMessage"] = f"the arguments of {call['name']!r} are not a JSON object"
        if finished.usage is not None:
            response["usageMetadata"] = usage_metadata(finished.usage)
        return response


def _signed(block: Json) -> Json:
    return {"text": "", "thought": True, "thoughtSignature": wrap(block)}


def _function_call(call: Json) -> Json | None:
    try:
        arguments = msgspec.json.decode(call["arguments"] or "{}")
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    if not isinstance(arguments, dict):
        return None
    part: Json = {"functionCall": {"id": call["id"], "name": call["name"], "args": arguments}}
    return part | ({"thoughtSignature": call["signature"]} if call["signature"] else {})


def usage_metadata(usage: Usage) -> Json:
    """Token counts in Google's names: thoughts are not counted among the candidates' tokens there."""
    counts: Json = {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "totalTokenCount": usage.total,
    }
    if usage.reasoning:
        counts["thoughtsTokenCount"] = usage.reasoning
    if usage.cached:
        counts["cachedContentTokenCount"] = usage.cached
    answered = usage.output - usage.reasoning
    for name, whole, audio, image, video in (
        ("promptTokensDetails", usage.input, usage.audio_input, usage.image_input, usage.video_input),
        ("candidatesTokensDetails", answered, usage.audio_output, usage.image_output, usage.video_output),
        ("cacheTokensDetails", usage.cached, usage.cached_audio, usage.cached_image, 0),
    ):
        if other := audio + image + video:
            modalities = {"TEXT": whole - other, "AUDIO": audio, "IMAGE": image, "VIDEO": video}
            counts[name] = [{"modality": kind, "tokenCount": count} for kind, count in modalities.items() if count]
    return counts


class ResponseEncoder:
    """Events -> server-sent events, or the elements of a JSON array. What Google sent goes out untouched.

    There is no end mark but the last response, the one with a `finishReason`: it is held back until the end.
    """

    def __init__(self, call: Call, *, array: bool = False) -> None:
        self._writer = _Writer(call)
        self._array = array
        self.content_type = JSON if array else EVENT_STREAM
        self._sent = 0
        self._untouched = True
        self._held = b""
        self._finished: Finished | None = None

    def encode(self, event: Event) -> bytes:
        """The bytes of one event."""
        if isinstance(event, Finished):
            self._finished = event
            return b""
        if event.only_counts:
            return b""
        parts = self._writer.parts(event)
        if event.raw is not None and self._untouched:
            piece = b"".join(map(self._element, _objects(event.raw))) if self._array else event.raw
            if self._held or any(mark in event.raw for mark in _ENDS):
                self._held += piece
                return b""
            return piece
        self._untouched = False
        return self._piece(self._writer.response(parts)) if parts else b""

    def end(self) -> bytes:
        """The last response."""
        assert self._finished is not None, "the pipeline ends with it"
        if not self._held:
            self._held = self._piece(self._writer.response([], self._finished))
        return self._held + (b"]" if self._array else b"")

    def fail(self, error: MoatError) -> bytes:
        """An error object; an array is left open, so that it never looks complete."""
        body = error_body(error)
        return self._element(body) if self._array else b"data: " + body + b"\n\n"

    def _piece(self, response: Json) -> bytes:
        body = _encode(response)
        return self._element(body) if self._array else b"data: " + body + b"\r\n\r\n"

    def _element(self, body: bytes) -> bytes:
        self._sent += 1
        return (b"[" if self._sent == 1 else b",\r\n") + body


def _objects(raw: bytes) -> Iterator[bytes]:
    """The JSON in server-sent events."""
    for event in _BLANK.split(raw):
        if data := b"\n".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")):
            yield data


def response_body(call: Call, events: list[Event]) -> bytes:
    """The body of an answer that is not streamed: Google's own when nothing changed it."""
    deltas = [event for event in events if isinstance(event, Delta) and not event.only_counts]
    if len(deltas) == 1 and deltas[0].raw is not None:
        return deltas[0].raw
    writer, parts = _Writer(call), list[Json]()
    for delta in deltas:
        for part in writer.parts(delta):
            if parts and parts[-1].keys() == part.keys() and "thoughtSignature" not in part:
                parts[-1]["text"] += part["text"]
            else:
                parts.append(part)
    finished = next(event for event in reversed(events) if isinstance(event, Finished))
    response = writer.response(parts, finished)
    return _encode(response | ({"modelVersion": finished.model} if finished.model else {}))
