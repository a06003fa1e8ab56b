"""A call of a client that does not speak OpenAI's format, for servers that do.

Its canonical messages may hold what OpenAI's format has not (see `moat.domain.calls.Message`). What says nothing to
another provider (marks for a cache, signatures of thinking) is left out; what is part of the question is `Unsupported`,
so that a deployment which understands it may answer.
"""

import hashlib
from collections.abc import Collection
from typing import Any

from msgspec.structs import replace

from moat.domain.calls import Call, Message
from moat.domain.errors import Unsupported

MAX_USER = 64
"""Characters that OpenAI takes as the name of a user; a longer one is hashed."""
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
    """The call in OpenAI's terms and those of `keeps` alone. Raises `Unsupported` with the part at fault."""
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
    if call.wire == "anthropic":
        _loosen(call, params)
    if isinstance(user := params.get("user"), str) and len(user) > MAX_USER:
        params["user"] = hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()
    if "top_k" not in keeps and params.pop("top_k", None) is not None:
        _notice(call, "openai: left out top_k")
    if "is_error" not in keeps and any(message.get("is_error") for message in call.messages):
        _notice(call, "openai: left out is_error of a tool's result")
    return replace(call, messages=messages, params=params)


def _message(message: Message, keeps: Collection[str], where: str) -> Message:
    kept = {name: value for name, value in message.items() if name in _MEMBERS or name in keeps}
    content = kept.get("content")
    if isinstance(content, list):
        kept["content"] = [_part(part, keeps, f"{where}.content[{index}]") for index, part in enumerate(content)]
    if isinstance(kept.get("tool_calls"), list):
        kept["tool_calls"] = [_tool_call(call) for call in kept["tool_calls"]]
    return kept


def _tool_call(call: dict[str, Any]) -> dict[str, Any]:
    """What only Anthropic knows is left out; Google's signatures go back to Google's own server of this format."""
    own = call.get("extra_content")
    known = ("id", "type", "function") if isinstance(own, dict) and "anthropic" in own else call
    return {name: value for name, value in call.items() if name in known}


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


def _loosen(call: Call, params: dict[str, Any]) -> None:
    """Anthropic keeps to any closed schema; OpenAI only to one that requires all it names, and refuses others."""
    form = params.get("response_format")
    described = form.get("json_schema") if isinstance(form, dict) else None
    if isinstance(described, dict) and described.get("strict") and not fits_strict(described.get("schema")):
        params["response_format"] = {"type": "json_schema", "json_schema": {**described, "strict": False}}
        _notice(call, "openai: the answer's schema is not enforced, as some of its properties are not required")
    for tool in params.get("tools") or ():
        function = tool["function"]
        schema = {"properties": {}, **function.get("parameters", {"type": "object"})}
        strict = {"strict": False} if function.get("strict") and not fits_strict(schema) else {}
        tool["function"] = {**function, "parameters": schema, **strict}


def fits_strict(schema: Any) -> bool:
    """Is every object closed, and every property required
    (https://platform.openai.com/docs/guides/structured-outputs)?
    """
    if isinstance(schema, list):
        return all(fits_strict(inner) for inner in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        names, required = schema.get("properties", {}), schema.get("required", [])
        if schema.get("additionalProperties") is not False or set(names) - set(required):
            return False
    return all(fits_strict(inner) for inner in schema.values())


def _notice(call: Call, text: str) -> None:
    if text not in call.journal.notices:
        call.journal.notices.append(text)
