"""What an OpenAI-compatible server offers besides chat: where it is asked, and what its answers cost.

Bodies pass through as they are; only the usage is looked at, and a text where there is one. Sources:
https://platform.openai.com/docs/api-reference, and for rerank Cohere (https://docs.cohere.com/reference/rerank), Jina
and vLLM, which count in `meta.billed_units`, `meta.tokens` or `usage`.
"""

import math
import re
from typing import Any, NamedTuple, TypeVar

import msgspec

from moat.adapters.providers.openai_presets import OTHERS
from moat.adapters.providers.openai_wire import error_inside
from moat.adapters.providers.sse import EventParser
from moat.documents.multipart import with_field
from moat.domain.calls import Call, Delta, Finished, Operation
from moat.domain.errors import ProviderDown, StreamCut
from moat.domain.usage import Usage

T = TypeVar("T")

MAX_SECONDS = 10**7
"""Of audio in one answer; what says more is mistaken."""

_NOTHING = msgspec.Raw(b"null")

_STAMP = re.compile(rb"--> (?:([0-9]{1,5}):)?([0-9]{2}):([0-9]{2})[.,]([0-9]{3})")
"""The end of a subtitle, in SubRip and WebVTT."""

PATHS: dict[Operation, str] = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "moderations": "/moderations",
    "rerank": "/rerank",
    "images": "/images/generations",
    "image_edits": "/images/edits",
    "image_variations": "/images/variations",
    "speech": "/audio/speech",
    "transcription": "/audio/transcriptions",
    "translation": "/audio/translations",
}
"""Below the base URL."""

_BINARY: tuple[Operation, ...] = ("speech", "transcription", "translation")
"""Answers that may be something else than JSON: audio, plain text, subtitles."""

_IMAGES: tuple[Operation, ...] = ("images", "image_edits", "image_variations")

_ENDS = ("image_generation.completed", "image_edit.completed", "transcript.text.done", "speech.audio.done")
"""Types of the last events of streams that have no `[DONE]`."""


class Asked(NamedTuple):
    """A request's body and its content type."""

    body: bytes
    content_type: str


def ask(call: Call) -> Asked:
    """The request for any operation but chat, with the deployment's model in place of the client's."""
    assert call.deployment is not None, "Attempts sets the deployment"
    model = call.deployment.model
    if call.upload:
        return Asked(with_field(call.upload, call.upload_type, "model", model), call.upload_type)
    body: dict[str, Any] = {name: value for name, value in call.params.items() if name not in OTHERS}
    body["model"] = model
    if call.stream:
        body["stream"] = True
        if call.operation == "completions":
            body["stream_options"] = {**(call.params.get("stream_options") or {}), "include_usage": True}
        elif call.operation == "speech":
            del body["stream"]  # said by `stream_format`
    return Asked(msgspec.json.encode(body), "application/json")


def read_answer(call: Call, raw: bytes, content_type: str, *, where: str) -> tuple[Delta, Finished]:
    """An answer in one piece. Raises `ProviderDown` for what is no answer."""
    if call.operation in _BINARY and "json" not in content_type.lower():
        if not raw or "html" in content_type.lower():
            raise ProviderDown(f"sent {'a web page' if raw else 'nothing'} where an answer should be", where=where)
        heard = call.operation != "speech"
        delta = Delta(
            text=raw.decode("utf-8", "replace") if heard else "",
            raw=raw,
            content_type=content_type or ("text/plain" if heard else "application/octet-stream"),
        )
        return delta, Finished(reason="stop", usage=_subtitled(raw) if heard else usage_of(call, _Body()))
    body = _read(raw, where)
    finished = Finished(reason=body.reason or "stop", usage=usage_of(call, body), model=_word(body.model))
    return Delta(text=body.said, raw=raw), finished


class OperationStream:
    """Server-sent events of a streamed operation: completions, images, transcriptions, speech."""

    def __init__(self, call: Call, where: str) -> None:
        options = call.params.get("stream_options") or {}
        self._call = call
        self._wants_usage = call.operation != "completions" or bool(options.get("include_usage"))
        self._where = where
        self._parser = EventParser(where=where)
        self._usage: Usage | None = None
        self._reason = ""
        self._model = ""
        self.done = False
        """Was `[DONE]` said?"""
        self.heard = False
        """Did the last bytes complete an event, other than a comment?"""

    def feed(self, chunk: bytes) -> Delta | None:
        """The events of one network read as one piece; None when they hold nothing to forward."""
        text, raw = "", b""
        self.heard = False
        for event in self._parser.feed(chunk):
            if event.data is None:
                continue
            self.heard = True
            if event.data.strip() == b"[DONE]":
                self.done = True
                break
            body = _read(event.data, self._where)
            self._note(body)
            if self._wants_usage or body.choices or body.usage == _NOTHING:
                raw += event.raw
                text += body.said
        return Delta(text=text, raw=raw) if raw else None

    def finish(self) -> Finished:
        """Raises `StreamCut` when no end mark came."""
        rest = self._parser.rest.strip()
        if not self.done and rest != b"data: [DONE]" and (rest or not self._reason):
            raise StreamCut("ended the stream without its end mark", where=self._where)
        return Finished(reason=self._reason or "stop", usage=self._usage, model=self._model)

    def _note(self, body: "_Body") -> None:
        self._model = _word(body.model) or self._model
        self._reason = body.reason or self._reason
        used = usage_of(self._call, body)
        if used is not None:
            several = self._usage is not None and self._call.operation in _IMAGES
            self._usage = self._usage + used if self._usage and several else used


def usage_of(call: Call, body: "_Body") -> Usage | None:
    """What the answer says it used; None when it says nothing that can be understood."""
    said = _counts(body.usage)
    if call.operation == "rerank":
        meta = _decoded(body.meta, _Meta) or _Meta()
        billed = _counts(meta.billed_units)
        if billed and billed.search_units:
            said = said or _counts(meta.tokens) or _Counts()
            return said.usage(_whole(billed.search_units))
    if said is not None and said.known:
        used = said.usage()
        drawn = call.operation in _IMAGES and said.output_tokens_details is None
        return msgspec.structs.replace(used, image_output=used.output) if drawn else used
    units = _units(call, said, body)
    return Usage(units=units) if units else None


def _units(call: Call, said: "_Counts | None", body: "_Body") -> int:
    """What is billed by the piece: images made, characters spoken, seconds heard, begun ones counted whole."""
    if call.operation in _IMAGES:
        return len(_decoded(body.data, list[msgspec.Raw]) or ()) or int(body.ended)
    if call.operation == "speech":
        text = call.params.get("input")
        return len(text) if isinstance(text, str) else 0
    if call.operation not in ("transcription", "translation"):
        return 0
    try:
        seconds = float((said.seconds if said else None) or body.duration or 0)
    except (TypeError, ValueError):
        return 0
    return math.ceil(seconds) if 0 < seconds < MAX_SECONDS else 0


def _subtitled(raw: bytes) -> Usage | None:
    """Subtitles count no usage, but say how long they are; plain text says nothing."""
    stamps = _STAMP.findall(raw)
    if not stamps:
        return None
    hours, minutes, seconds, thousandths = (int(digits or 0) for digits in stamps[-1])
    whole = hours * 3600 + minutes * 60 + seconds + (thousandths > 0)
    return Usage(units=whole, estimated=True) if whole < MAX_SECONDS else None


class _Details(msgspec.Struct):
    """Of what kind the counted tokens are."""

    cached_tokens: float | None = None
    audio_tokens: float | None = None
    image_tokens: float | None = None
    reasoning_tokens: float | None = None


class _Counts(msgspec.Struct):
    """`usage` in all its shapes: of completions, of images and audio, of rerank."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    total_tokens: float | None = None
    search_units: float | None = None
    seconds: float | None = None
    input_token_details: _Details | None = None
    """Of transcriptions; of images it has one letter more."""
    output_token_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None

    @property
    def known(self) -> bool:
        """Are tokens counted?"""
        return (self.prompt_tokens, self.input_tokens, self.total_tokens) != (None, None, None)

    def usage(self, units: int = 0) -> Usage:
        """In Moat's terms. A total alone is all input: reranks and embeddings say nothing."""
        asked = self.prompt_tokens_details or self.input_tokens_details or self.input_token_details or _Details()
        said = self.completion_tokens_details or self.output_tokens_details or self.output_token_details or _Details()
        read = self.prompt_tokens if self.prompt_tokens is not None else self.input_tokens
        written = self.completion_tokens if self.completion_tokens is not None else self.output_tokens
        return Usage(
            input=_whole(self.total_tokens if read is None else read),
            output=_whole(written),
            cached=_whole(asked.cached_tokens),
            reasoning=_whole(said.reasoning_tokens),
            audio_input=_whole(asked.audio_tokens),
            audio_output=_whole(said.audio_tokens),
            image_input=_whole(asked.image_tokens),
            image_output=_whole(said.image_tokens),
            units=units,
        )


class _Meta(msgspec.Struct):
    """`meta` of a rerank."""

    billed_units: msgspec.Raw = _NOTHING
    tokens: msgspec.Raw = _NOTHING


class _Body(msgspec.Struct):
    """An answer, or one event of it, as far as it is looked at; whatever its members are, the client gets them."""

    usage: msgspec.Raw = _NOTHING
    meta: msgspec.Raw = _NOTHING
    data: msgspec.Raw = _NOTHING
    choices: Any = None
    text: Any = None
    delta: Any = None
    type: Any = None
    model: Any = None
    duration: Any = None
    error: Any = None

    @property
    def said(self) -> str:
        """The text of a completion or transcript; of a stream's last event none, since it repeats all of it."""
        return _word(self._choice.get("text")) or _word(self.delta if self.type else self.text)

    @property
    def reason(self) -> str:
        """Why the answer ended; empty before its end."""
        return "stop" if self.ended else _word(self._choice.get("finish_reason"))

    @property
    def ended(self) -> bool:
        """Is it the last event of an answer that says so by its type?"""
        return self.type in _ENDS

    @property
    def _choice(self) -> dict[str, Any]:
        for choice in self.choices if isinstance(self.choices, list) else ():
            if isinstance(choice, dict) and not choice.get("index"):
                return choice
        return {}


_decode_body = msgspec.json.Decoder(_Body).decode


def _read(data: bytes, where: str) -> _Body:
    """A JSON object that is no error. Raises `ProviderDown`."""
    try:
        body = _decode_body(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderDown(f"sent something that is not an answer: {error}", where=where) from None
    if body.error or body.type == "error":
        raise error_inside(body.error or "no reason given", where)
    return body


def _counts(value: msgspec.Raw) -> _Counts | None:
    return _decoded(value, _Counts)


def _decoded(value: msgspec.Raw, shape: type[T]) -> T | None:
    """None for what has another shape."""
    try:
        return msgspec.json.decode(value, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _whole(number: float | None) -> int:
    """Some servers count in floats; none counts below zero."""
    return int(number) if number and math.isfinite(number) and number > 0 else 0


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
