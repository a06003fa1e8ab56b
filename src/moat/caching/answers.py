"""Which answers may be given again, and how they are played to a call in another form than the first."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeGuard

from msgspec.structs import astuple, replace

from moat.domain.calls import Call, Delta, Event, Finished
from moat.pipeline.answers import Answer

PIECE = 48
"""Characters of a streamed piece, roughly: several tokens, so that an answer still seems to flow."""

_WORDS = re.compile(r"\s*\S+|\s+\Z")

Form = tuple[str, bool, bool]
"""Wire format, streamed or not, with usage or not: what a provider's own bytes are right for."""


def form_of(call: Call) -> Form:
    """The form in which a call wants its answer."""
    options = call.params.get("stream_options")
    usage = call.stream and isinstance(options, dict) and bool(options.get("include_usage"))
    return call.wire, call.stream, usage


def is_repeatable(call: Call, events: Sequence[Event], *, tools: bool) -> bool:
    """Is it a complete answer, no refusal, and (unless `tools`) without calls of tools, which have effects?"""
    answer = Answer()
    for event in events:
        answer.add(event)
    if answer.finished is None or answer.refusal or (answer.calls and not tools):
        return False
    if call.operation != "chat":
        return answer.finished.reason not in ("length", "content_filter")
    if answer.finished.reason not in ("stop", "tool_calls"):
        return False
    return bool(answer.text or answer.calls)


def compact(events: Iterable[Event]) -> tuple[Event, ...]:
    """The same answer in fewer pieces: neighbours that are nothing but text become one, up to `PIECE` characters."""
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        if _is_text(last) and _is_text(event) and len(last.text) + len(event.text) <= PIECE:
            raw = None if last.raw is None or event.raw is None else last.raw + event.raw
            merged[-1] = replace(last, text=last.text + event.text, raw=raw)
        else:
            merged.append(event)
    return tuple(merged)


def played(events: Sequence[Event], *, stream: bool) -> Sequence[Event]:
    """The answer in another form: without the provider's bytes, and for a stream in pieces."""
    plain = [replace(event, raw=None) if isinstance(event, Delta) else event for event in events]
    plain = [event for event in plain if isinstance(event, Finished) or event != Delta()]
    return [piece for event in plain for piece in _pieces(event)] if stream else plain


def size_of(events: Iterable[Event]) -> int:
    """Bytes of memory that events take, about."""
    return sum(sys.getsizeof(event) + sum(sys.getsizeof(value) for value in astuple(event)) for event in events)


def _pieces(event: Event) -> Iterator[Event]:
    if not _is_text(event) or len(event.text) <= 2 * PIECE:
        yield event
        return
    text = ""
    for word in _WORDS.findall(event.text):
        if text and len(text) + len(word) > PIECE:
            yield Delta(text=text)
            text = ""
        text += word
    yield Delta(text=text)


def _is_text(event: Event | None) -> TypeGuard[Delta]:
    """A piece of text and nothing else."""
    return isinstance(event, Delta) and bool(event.text) and replace(event, text="", raw=None) == Delta()
