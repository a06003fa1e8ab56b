"""What was asked and answered, as somebody reads it who knows no wire format."""

from collections.abc import Iterator
from typing import Any

import msgspec

from moat.domain.spans import Span

LONG_DATA = 200
"""Characters of something that is no text, such as an image: what is longer is told by its size."""


def conversation(span: Span) -> Iterator[tuple[str, str]]:
    """Who, and what he said: everything that was sent, and the answer."""
    asked = _dict(span.input)
    yield from _cut(asked)
    for message in asked.get("messages", []) if isinstance(asked.get("messages"), list) else []:
        if isinstance(message, dict):
            yield from _message(message)
    if span.input is not None and "messages" not in asked and "truncated" not in asked:
        yield "input", as_text(span.input)
    yield from answered(span)


def answered(span: Span) -> Iterator[tuple[str, str]]:
    """The answer alone."""
    if span.output is not None and not isinstance(span.output, dict):
        yield "answer", as_text(span.output)
        return
    answer = _dict(span.output)
    yield from _cut(answer)
    if answer.get("reasoning"):
        yield "reasoning", as_text(answer["reasoning"])
    if answer.get("refusal"):
        yield "refusal", as_text(answer["refusal"])
    text = answer.get("text")
    calls = answer.get("tool_calls") or []
    if text or not (calls or answer.get("refusal")):
        other = "" if not answer or "text" in answer or "truncated" in answer else as_text(span.output)
        if "truncated" not in answer:
            yield "answer", as_text(text) if text else other or _nothing(span)
    for call in calls:
        yield "tool call", _call(call)


def question(span: Span) -> str:
    """The last words of whoever asked."""
    said = [text for who, text in conversation(msgspec.structs.replace(span, output=None)) if who == "user"]
    if said:
        return said[-1]
    variables = _dict(span.input).get("variables")
    return as_text(variables) if variables else ""


def as_text(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _nothing(span: Span) -> str:
    if span.output is None:
        return f"(none: {span.error})" if span.error else "(not recorded)"
    return "(no text)"


def _cut(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "truncated" in content:
        yield "cut off in the record", as_text(content.get("text", ""))


def _message(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    who = str(message.get("role", "?"))
    if who == "tool":
        who = f"tool result {message.get('tool_call_id', '')}".rstrip()
    content = message.get("content")
    parts = content if isinstance(content, list) else [] if content is None else [content]
    text = "\n".join(_part(part) for part in parts)
    if text or not message.get("tool_calls"):
        yield who, text
    for call in message.get("tool_calls") or []:
        yield f"{who}, tool call", _call(call)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    found = _dict(part)
    if isinstance(found.get("text"), str):
        return str(found["text"])
    told = as_text(part)
    kind = str(found.get("type", "data"))
    return told if len(told) <= LONG_DATA else f"({kind}, {len(told):,} characters: {told[:60]}…)"


def _call(call: Any) -> str:
    found = _dict(call)
    function = _dict(found.get("function")) or found
    if not isinstance(function.get("name"), str):
        return as_text(call)
    arguments = function.get("arguments", "")
    return f"{function['name']}({as_text(arguments)})"


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
