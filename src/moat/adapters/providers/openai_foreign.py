"""A call of a client that does not speak OpenAI's format, for servers that do.

Its canonical messages may hold what OpenAI's format has not (see `moat.domain.calls.Message`). What says nothing to
another provider (marks for a cache, signatures of thinking) is left out; what is part of the question is `Unsupported`,
so that a deployment which understands it may answer.
"""

from collections.abc import Collection
from typing import Any

from msgspec.structs import replace

from moat.domain.calls import Call, Message
from moat.domain.errors import Unsupported

_MEMBERS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "refusal"})
_PARTS = {
    "text": "text",
    "image_url": "image_url",
    "file": "file",
    "input_audio": "input_audio",
    "refusal": "refusal",
}
"""Types of parts, and the member of each that holds it."""


def in_openai_terms(call: Call, keeps: Collection[str]) -> Call:
    """The call with OpenAI's members alone, and those of `keeps`. Raises `Unsupported` with the part at fault."""
    messages: list[Message] = []
    shown: list[dict[str, Any]] = []
    for index, message in enumerate(call.messages):
        if message["role"] != "tool" and shown:
            messages.append({"role": "user", "content": shown})
            shown = []
        reduced = _message(message, keeps, f"messages[{index}]")
        if reduced["role"] == "tool" and isinstance(reduced.get("content"), list):
            shown += _take_images(reduced)
        messages.append(reduced)
    if shown:
        messages.append({"role": "user", "content": shown})
    params = dict(call.params)
    if isinstance(params.get("tools"), list):
        params["tools"] = [_tool(tool, keeps, f"tools[{index}]") for index, tool in enumerate(params["tools"])]
    if params.pop("top_k", None) is not None:
        _notice(call, "openai: left out top_k")
    return replace(call, messages=messages, params=params)


def _message(message: Message, keeps: Collection[str], where: str) -> Message:
    kept = {name: value for name, value in message.items() if name in _MEMBERS or name in keeps}
    content = kept.get("content")
    if isinstance(content, list):
        kept["content"] = [_part(part, keeps, f"{where}.content[{index}]") for index, part in enumerate(content)]
    if isinstance(kept.get("tool_calls"), list):
        kept["tool_calls"] = [
            {name: value for name, value in call.items() if name in ("id", "type", "function")}
            for call in kept["tool_calls"]
        ]
    return kept


def _part(part: Any, keeps: Collection[str], where: str) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    member = _PARTS.get(kind) if isinstance(kind, str) else None
    if member is None:
        raise Unsupported(f"a server that speaks OpenAI's format takes no parts of type {kind!r}", where=where)
    if kind == "file" and "file_url" in part["file"]:
        raise Unsupported("a server that speaks OpenAI's format takes no files by URL", where=where)
    return {name: value for name, value in part.items() if name in ("type", member) or name in keeps}


def _take_images(message: Message) -> list[dict[str, Any]]:
    """Results of tools are text there: what else one holds is shown by the user right after."""
    texts = [part for part in message["content"] if part["type"] == "text"]
    others = [part for part in message["content"] if part["type"] != "text"]
    if not others:
        return []
    message["content"] = [*texts, {"type": "text", "text": "(What the tool shows follows.)"}]
    return [{"type": "text", "text": f"Result of the tool call {message.get('tool_call_id', '')}:"}, *others]


def _tool(tool: Any, keeps: Collection[str], where: str) -> dict[str, Any]:
    kind = tool.get("type") if isinstance(tool, dict) else None
    if kind != "function":
        raise Unsupported(f"a server that speaks OpenAI's format has no tools of type {kind!r}", where=where)
    return {name: value for name, value in tool.items() if name in ("type", "function") or name in keeps}


def _notice(call: Call, text: str) -> None:
    if text not in call.journal.notices:
        call.journal.notices.append(text)
