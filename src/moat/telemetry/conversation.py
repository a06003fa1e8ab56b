"""What was asked and answered in a span, in one form: for pages that know no wire format."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from moat.domain.spans import Span

PartKind = Literal["text", "reasoning", "refusal", "tool_call", "tool_result", "image", "audio", "file", "data"]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a message."""

    kind: PartKind
    text: str = ""
    """What is said; of a `tool_call` the arguments, of a `tool_result` what the tool answered, of `data` its JSON."""
    name: str = ""
    """Of a tool, or a file."""
    id: str = ""
    """That a `tool_call` and its `tool_result` share."""
    url: str = ""
    """Of an image, a sound or a file: an address, or a `data:` URL with all of it."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One message."""

    role: str
    """`system`, `developer`, `user`, `assistant`, `tool`, or what the application calls it."""
    name: str
    parts: list[Part]


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """What one span holds of it."""

    span_id: str
    request_id: str
    asked: list[Said]
    answered: list[Said]
    """As many as there were choices."""
    variables: dict[str, Any]
    """Of the prompt."""
    params: dict[str, Any]
    recorded: bool
    """False: content was not kept."""
    cut: bool
    """Only the beginning of the question or the answer was kept: one part `data` holds it as text."""


def conversation(span: Span) -> Conversation:
    """Of a call or a span of an application. What is of no known form is a part `data`."""
    asked = span.input if isinstance(span.input, dict) else {}
    variables, params = asked.get("variables"), asked.get("params")
    return Conversation(
        span_id=span.span_id,
        request_id=span.request_id,
        asked=list(_asked(span.input)),
        answered=list(_answered(span.output)),
        variables=variables if isinstance(variables, dict) else {},
        params=params if isinstance(params, dict) else {},
        recorded=span.input is not None or span.output is not None,
        cut=any(isinstance(content, dict) and "truncated" in content for content in (span.input, span.output)),
    )


def _asked(content: Any) -> Iterator[Said]:
    if content is None:
        return
    messages = content.get("messages") if isinstance(content, dict) else None
    if isinstance(messages, list):
        for message in messages:
            yield _message(message)
    elif not (isinstance(content, dict) and content.keys() <= {"params", "variables"}):
        yield Said(role="user", name="", parts=[_whole(content)])


def _answered(content: Any) -> Iterator[Said]:
    if content is None:
        return
    choices = content.get("choices") if isinstance(content, dict) else None
    for choice in choices if isinstance(choices, list) else [content]:
        parts = list(_choice(choice)) if isinstance(choice, dict) else [_whole(choice)]
        yield Said(role="assistant", name="", parts=parts)


def _choice(choice: dict[str, Any]) -> Iterator[Part]:
    if not choice.keys() & {"text", "tool_calls", "refusal", "reasoning"} or "truncated" in choice:
        yield _whole(choice)
        return
    if choice.get("reasoning"):
        yield Part(kind="reasoning", text=_text(choice["reasoning"]))
    if isinstance(choice.get("content"), list):
        yield from map(_part, choice["content"])
    elif choice.get("text"):
        yield Part(kind="text", text=_text(choice["text"]))
    if choice.get("refusal"):
        yield Part(kind="refusal", text=_text(choice["refusal"]))
    yield from _calls(choice.get("tool_calls"))


def _message(message: Any) -> Said:
    if not isinstance(message, dict):
        return Said(role="user", name="", parts=[_whole(message)])
    role, content = str(message.get("role", "user")), message.get("content")
    if role == "tool":
        result = Part(kind="tool_result", text=_flat(content), id=_text(message.get("tool_call_id", "")))
        return Said(role=role, name=_text(message.get("name", "")), parts=[result])
    parts = []
    if message.get("reasoning_content"):
        parts.append(Part(kind="reasoning", text=_text(message["reasoning_content"])))
    for part in content if isinstance(content, list) else [] if content in (None, "") else [content]:
        parts.append(_part(part))
    if message.get("refusal"):
        parts.append(Part(kind="refusal", text=_text(message["refusal"])))
    parts.extend(_calls(message.get("tool_calls")))
    return Said(role=role, name=_text(message.get("name", "")), parts=parts)


def _calls(calls: Any) -> Iterator[Part]:
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function", call) if isinstance(call, dict) else {}
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            yield _whole(call)
            continue
        arguments = _text(function.get("arguments", ""))
        yield Part(kind="tool_call", name=function["name"], text=arguments, id=_text(call.get("id", "")))


def _part(part: Any) -> Part:
    if isinstance(part, str):
        return Part(kind="text", text=part)
    if not isinstance(part, dict):
        return _whole(part)
    kind = part.get("type")
    if isinstance(part.get("text"), str):
        return Part(kind="text", text=part["text"])
    if kind == "image_url":
        return Part(kind="image", url=_text(_inner(part, "image_url").get("url", "")))
    if kind == "input_audio":
        sound = _inner(part, "input_audio")
        return Part(kind="audio", url=f"data:audio/{sound.get('format', 'wav')};base64,{sound.get('data', '')}")
    if kind == "file":
        file = _inner(part, "file")
        url = file.get("file_data") or file.get("file_id") or ""
        return Part(kind="file", name=_text(file.get("filename", "")), url=_text(url))
    if kind == "refusal":
        return Part(kind="refusal", text=_text(part.get("refusal", "")))
    return _whole(part)


def _inner(part: dict[str, Any], name: str) -> dict[str, Any]:
    found = part.get(name)
    return found if isinstance(found, dict) else {"url": found} if isinstance(found, str) else {}


def _flat(content: Any) -> str:
    """What a tool answered, as text."""
    if not isinstance(content, list):
        return "" if content is None else _text(content)
    return "\n".join(part["text"] if isinstance(part, dict) and "text" in part else _text(part) for part in content)


def _whole(value: Any) -> Part:
    if isinstance(value, str):
        return Part(kind="text", text=value)
    if isinstance(value, dict) and "truncated" in value:
        return Part(kind="data", text=_text(value.get("text", "")))
    return Part(kind="data", text=_text(value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
