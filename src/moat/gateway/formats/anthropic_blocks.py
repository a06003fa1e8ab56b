"""Anthropic's content blocks -> canonical messages and parts (see `moat.domain.calls.Message`)."""

import base64
from typing import Any

import msgspec

from moat.domain.calls import Message
from moat.domain.errors import RequestError

Block = dict[str, Any]

_encode = msgspec.json.Encoder().encode
_RANKS = {"thinking": 0, "redacted_thinking": 0, "tool_use": 2}
"""The order in which one canonical message holds an assistant's blocks; everything else is between."""


def blocks_of(value: Any, where: str, *, typed: bool = True) -> list[Block]:
    """A list of objects, each with a text `type`. Raises `RequestError`."""
    if not isinstance(value, list):
        raise RequestError("must be a list" if where == "tools" else "must be text or a list of blocks", where=where)
    for index, block in enumerate(value):
        if not isinstance(block, dict) or (typed and not isinstance(block.get("type"), str)):
            raise RequestError("must be an object with a text `type`", where=f"{where}[{index}]")
    return value


def user_messages(blocks: list[Block], where: str) -> list[Message]:
    """Results of tools are messages of their own; what stands between them stays there."""
    found: list[Message] = []
    for index, block in enumerate(blocks):
        if block["type"] == "tool_result":
            found.append(_tool_result(block, f"{where}[{index}]"))
            continue
        if not found or found[-1]["role"] != "user":
            found.append({"role": "user", "content": []})
        found[-1]["content"].append(_part(block, f"{where}[{index}]"))
    return [_plain(message) for message in found] or [{"role": "user", "content": ""}]


def assistant_messages(blocks: list[Block], where: str) -> list[Message]:
    """One message, or several where blocks come in another order than thinking, content, tool calls: providers of
    Anthropic join them again.
    """
    found: list[Message] = []
    rank = 0
    for index, block in enumerate(blocks):
        place = _RANKS.get(block["type"], 1)
        if not found or place < rank:
            found.append({"role": "assistant", "content": None})
        rank = place
        if place == 0:
            found[-1].setdefault("thinking_blocks", []).append(block)
        elif place == 2:
            found[-1].setdefault("tool_calls", []).append(_tool_call(block, f"{where}[{index}]"))
        else:
            found[-1]["content"] = [*(found[-1]["content"] or []), _part(block, f"{where}[{index}]")]
    return [_plain(message) for message in found] or [{"role": "assistant", "content": ""}]


def system_message(blocks: list[Block], where: str) -> Message:
    """Instructions."""
    return _plain({"role": "system", "content": parts_of(blocks, where)})


def _plain(message: Message) -> Message:
    """A single text is text: prompts take it as their variable, and some servers take nothing else."""
    content = message["content"]
    if isinstance(content, list) and len(content) == 1 and content[0].keys() == {"type", "text"}:
        message["content"] = content[0]["text"]
    return message


def parts_of(blocks: list[Block], where: str) -> list[dict[str, Any]]:
    """Blocks as parts."""
    return [_part(block, f"{where}[{index}]") for index, block in enumerate(blocks)]


def _part(block: Block, where: str) -> dict[str, Any]:
    """Text, an image or a document; any other block is Anthropic's alone and stays as it is."""
    kind = block["type"]
    if kind == "text":
        if not isinstance(block.get("text"), str):
            raise RequestError("must be text", where=f"{where}.text")
        return {name: value for name, value in block.items() if value is not None}
    if kind in ("image", "document"):
        source = block.get("source")
        if not isinstance(source, dict) or not isinstance(source.get("type"), str):
            raise RequestError("must be an object with a text `type`", where=f"{where}.source")
        return (_image if kind == "image" else _document)(block, source, f"{where}.source")
    return block


def _image(block: Block, source: dict[str, Any], where: str) -> dict[str, Any]:
    if source["type"] == "base64":
        url = f"data:{_text(source, 'media_type', where)};base64,{_text(source, 'data', where)}"
    elif source["type"] == "url":
        url = _text(source, "url", where)
    else:
        return block
    return {"type": "image_url", "image_url": {"url": url}, **_more(block)}


def _document(block: Block, source: dict[str, Any], where: str) -> dict[str, Any]:
    """A file, unless it is cited or explained: that only Anthropic's models can do."""
    citations = block.get("citations")
    cited = isinstance(citations, dict) and citations.get("enabled")
    if cited or block.get("context") or source["type"] not in ("base64", "text", "url"):
        return block
    if source["type"] == "url":
        file = {"file_url": _text(source, "url", where)}
    elif source["type"] == "base64":
        file = {"file_data": f"data:{_text(source, 'media_type', where)};base64,{_text(source, 'data', where)}"}
    else:
        data = base64.b64encode(_text(source, "data", where).encode("utf-8", "surrogatepass")).decode()
        file = {"file_data": f"data:text/plain;base64,{data}"}
    if isinstance(block.get("title"), str):
        file["filename"] = block["title"]
    return {"type": "file", "file": file, **_more(block)}


def _more(block: Block) -> dict[str, Any]:
    known = ("type", "source", "title", "context", "citations")
    return {name: value for name, value in block.items() if name not in known and value is not None}


def _text(source: dict[str, Any], name: str, where: str) -> str:
    value = source.get(name)
    if not isinstance(value, str):
        raise RequestError("must be text", where=f"{where}.{name}")
    return value


def _tool_call(block: Block, where: str) -> dict[str, Any]:
    given = block.get("input")
    if not isinstance(given, dict):
        raise RequestError("must be an object", where=f"{where}.input")
    function = {"name": _text(block, "name", where), "arguments": _encode(given).decode()}
    call = {"id": _text(block, "id", where), "type": "function", "function": function}
    return {**call, **_own(block, ("type", "id", "name", "input"))}


def _tool_result(block: Block, where: str) -> Message:
    content = block.get("content")
    message: Message = {"role": "tool", "tool_call_id": _text(block, "tool_use_id", where)}
    if content is None or isinstance(content, str):
        message["content"] = content or ""
    else:
        message["content"] = parts_of(blocks_of(content, f"{where}.content"), f"{where}.content")
    if block.get("is_error") is True:
        message["is_error"] = True
    message = _plain(message)
    return {**message, **_own(block, ("type", "tool_use_id", "content", "is_error"))}


def _own(block: Block, known: tuple[str, ...]) -> dict[str, Any]:
    own = {name: value for name, value in block.items() if name not in known and value is not None}
    return {"extra_content": {"anthropic": own}} if own else {}
