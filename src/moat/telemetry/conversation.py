"""What was asked and answered in a span, in one form: for pages that know no wire format."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from moat.domain.guards import Finding, Verdict
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
    path: str = ""
    """Where its text stands in what was recorded, as findings of guards name it: `messages.2.content`."""
    characters: int = 0
    """Of a `data` whose beginning alone was kept: how many all of it had."""


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
    findings: list[Finding]
    """What guards found in it. Where something was taken out, places are those of the text as it came."""


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
        findings=_findings(span.attributes.get("moat.guards")),
    )


def _findings(told: Any) -> list[Finding]:
    """An application may have put anything under this name."""
    try:
        verdicts = msgspec.convert(told or [], list[Verdict])
    except msgspec.ValidationError:
        return []
    return [finding for verdict in verdicts for finding in verdict.findings]


def _asked(content: Any) -> Iterator[Said]:
    if content is None:
        return
    messages = content.get("messages") if isinstance(content, dict) else None
    if isinstance(messages, list):
        for at, message in enumerate(messages):
            yield _message(message, f"messages.{at}")
    elif not (isinstance(content, dict) and content.keys() <= {"params", "variables"}):
        yield Said(role="user", name="", parts=[_whole(content)])


def _answered(content: Any) -> Iterator[Said]:
    if content is None:
        return
    members = content if isinstance(content, dict) else {}
    if isinstance(members.get("messages"), list):
        yield from _asked(content)
        return
    choices = members.get("choices")
    for choice in choices if isinstance(choices, list) else [content]:
        parts = list(_choice(choice)) if isinstance(choice, dict) else [_whole(choice)]
        yield Said(role="assistant", name="", parts=parts)


def _choice(choice: dict[str, Any]) -> Iterator[Part]:
    """Guards judge one choice, so that its places are those of the answer."""
    if not choice.keys() & {"text", "tool_calls", "refusal", "reasoning"} or "truncated" in choice:
        yield _whole(choice)
        return
    if choice.get("reasoning"):
        yield Part(kind="reasoning", text=_text(choice["reasoning"]), path="reasoning")
    if isinstance(choice.get("content"), list):
        yield from (_part(part, f"content.{at}") for at, part in enumerate(choice["content"]))
    elif choice.get("text"):
        yield Part(kind="text", text=_text(choice["text"]), path="text")
    if choice.get("refusal"):
        yield Part(kind="refusal", text=_text(choice["refusal"]), path="refusal")
    yield from _calls(choice.get("tool_calls"), "")


def _message(message: Any, path: str) -> Said:
    if not isinstance(message, dict):
        return Said(role="user", name="", parts=[_whole(message)])
    role, content = str(message.get("role", "user")), message.get("content")
    if role == "tool":
        results = list(_results(content, f"{path}.content", _text(message.get("tool_call_id", ""))))
        return Said(role=role, name=_text(message.get("name", "")), parts=results)
    parts = []
    if message.get("reasoning_content"):
        parts.append(Part(kind="reasoning", text=_text(message["reasoning_content"])))
    if isinstance(content, list):
        parts.extend(_part(part, f"{path}.content.{at}") for at, part in enumerate(content))
    elif content not in (None, ""):
        parts.append(_part(content, f"{path}.content"))
    if message.get("refusal"):
        parts.append(Part(kind="refusal", text=_text(message["refusal"])))
    parts.extend(_calls(message.get("tool_calls"), f"{path}."))
    return Said(role=role, name=_text(message.get("name", "")), parts=parts)


def _calls(calls: Any, before: str) -> Iterator[Part]:
    for at, call in enumerate(calls if isinstance(calls, list) else []):
        function = call.get("function", call) if isinstance(call, dict) else {}
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            yield _whole(call)
            continue
        arguments = _text(function.get("arguments", ""))
        identity, path = _text(call.get("id", "")), f"{before}tool_calls.{at}.arguments"
        yield Part(kind="tool_call", name=function["name"], text=arguments, id=identity, path=path)


def _part(part: Any, path: str) -> Part:
    if isinstance(part, str):
        return Part(kind="text", text=part, path=path)
    if not isinstance(part, dict):
        return _whole(part)
    kind = part.get("type")
    if isinstance(part.get("text"), str):
        return Part(kind="text", text=part["text"], path=f"{path}.text")
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


def _results(content: Any, path: str, identity: str) -> Iterator[Part]:
    """What a tool answered: its words, and what it sent beside them."""
    if not content:
        yield Part(kind="tool_result", id=identity)
    pieces = [(f"{path}.{at}", piece) for at, piece in enumerate(content)] if isinstance(content, list) else []
    for place, piece in pieces or ([(path, content)] if content else []):
        part = _part(piece, place)
        words = part.kind in ("text", "data")
        yield msgspec.structs.replace(part, kind="tool_result", id=identity) if words else part


def _whole(value: Any) -> Part:
    if isinstance(value, str):
        return Part(kind="text", text=value)
    if isinstance(value, dict) and "truncated" in value:
        whole = value["truncated"]
        return Part(kind="data", text=_text(value.get("text", "")), characters=whole if isinstance(whole, int) else 0)
    return Part(kind="data", text=_text(value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
