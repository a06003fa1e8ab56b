"""Canonical messages -> Anthropic's `system` and `messages` (https://docs.claude.com/en/api/messages).

Parts that are Anthropic's own already (documents with citations, search results, results of server tools, ...) pass as
they are, and so do the members beyond OpenAI's format that parts, tool calls and tool messages carry, `cache_control`
above all. What Anthropic has no form for is `Unsupported`.
"""

import base64
import binascii
import re
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from moat.domain.calls import Call, Message
from moat.domain.errors import Unsupported

Block = dict[str, Any]
"""A content block."""
Turn = dict[str, Any]
"""A message of the request: `role` and a list of blocks."""

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.ASCII)
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_OTHERS = frozenset({"google", "input_audio", "refusal"})
_decode = msgspec.json.Decoder().decode


class Conversation:
    """What the messages of a call became."""

    def __init__(self, call: Call) -> None:
        """Raises `Unsupported` with the message and part at fault."""
        self.system: list[Block] = []
        self.turns: list[Turn] = []
        self.unnamed = False
        """Were names of participants left out?"""
        self._native = call.wire == "anthropic"
        for index, message in enumerate(call.messages):
            self._add(message, f"messages[{index}]")
        if not self.turns:
            raise Unsupported("Anthropic's models need at least one user message", where="messages")

    @property
    def resumes_unsigned_tools(self) -> bool:
        """Do tool results answer a turn without its thinking? The API then refuses to think."""
        last = next((turn for turn in reversed(self.turns) if turn["role"] == "assistant"), None)
        if last is None:
            return False
        called = any(block["type"] == "tool_use" for block in last["content"])
        return called and last["content"][0]["type"] not in ("thinking", "redacted_thinking")

    def _add(self, message: Message, where: str) -> None:
        role = message["role"]
        if role in ("system", "developer"):
            self._add_system(_content(message.get("content"), where))
        elif role == "user":
            self._extend("user", _content(message.get("content"), where))
        elif role == "assistant":
            self._extend("assistant", _assistant(message, where))
        elif role == "tool":
            self._extend("user", [_tool_result(message, where)])
        else:
            raise Unsupported(f"Anthropic knows no messages with the role {role!r}", where=f"{where}.role")
        self.unnamed = self.unnamed or bool(message.get("name"))

    def _add_system(self, blocks: list[Block]) -> None:
        """In front of the conversation, but where an Anthropic client put it between turns, it stays."""
        if self._native and self.turns:
            self._extend("system", blocks)
        else:
            self.system += blocks

    def _extend(self, role: str, blocks: list[Block]) -> None:
        """Turns alternate: what follows in the same role joins the turn before."""
        if not blocks:
            return
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
        else:
            self.turns.append({"role": role, "content": blocks})


def tool_id(text: str) -> str:
    """An id as Anthropic takes it: of letters, digits, `_` and `-`."""
    return _NOT_IN_IDS.sub("_", text)


def _assistant(message: Message, where: str) -> list[Block]:
    if message.get("function_call"):
        raise Unsupported("`function_call` is not translated; send `tool_calls`", where=f"{where}.function_call")
    thoughts = [block for block in _items(message, "thinking_blocks", where) if _can_return(block)]
    blocks = [{name: value for name, value in block.items() if name != "index"} for block in thoughts]
    blocks += _content(message.get("content"), where)
    if message.get("refusal"):
        blocks.append({"type": "text", "text": message["refusal"]})
    calls = _items(message, "tool_calls", where)
    return blocks + [_tool_use(call, f"{where}.tool_calls[{index}]") for index, call in enumerate(calls)]


def _items(message: Message, name: str, where: str) -> list[Any]:
    value = message.get(name) or []
    if not isinstance(value, list):
        raise Unsupported("must be a list", where=f"{where}.{name}")
    return value


def _own(holder: dict[str, Any]) -> dict[str, Any]:
    """Members that only Anthropic knows, of a tool call or a tool message."""
    extra = holder.get("extra_content")
    own = extra.get("anthropic") if isinstance(extra, dict) else None
    cache = {"cache_control": holder["cache_control"]} if holder.get("cache_control") else {}
    return {**cache, **own} if isinstance(own, dict) else cache


def _can_return(block: Any) -> bool:
    """Thinking of other providers has no signature, and the API would refuse it."""
    if not isinstance(block, dict):
        return False
    return bool(block.get("signature")) if block.get("type") == "thinking" else bool(block.get("data"))


def _tool_use(call: Any, where: str) -> Block:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or call.get("type", "function") != "function":
        raise Unsupported("only calls of functions can be translated for Anthropic", where=where)
    text = function.get("arguments") or "{}"
    try:
        arguments = _decode(text)
    except (msgspec.DecodeError, TypeError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise Unsupported("Anthropic takes arguments that are a JSON object only", where=f"{where}.function.arguments")
    return {
        "type": "tool_use",
        "id": tool_id(str(call.get("id") or "")),
        "name": function.get("name") or "",
        "input": arguments,
        **_own(call),
    }


def _tool_result(message: Message, where: str) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": tool_id(str(message.get("tool_call_id") or ""))}
    content = _content(message.get("content"), where)
    if content:
        block["content"] = content
    if message.get("is_error"):
        block["is_error"] = True
    return {**block, **_own(message)}


def _content(content: Any, where: str) -> list[Block]:
    """Text or parts as blocks; the API takes no empty texts, so they are left out."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    blocks = [_part(part, f"{where}.content[{index}]") for index, part in enumerate(content or ())]
    return [block for block in blocks if block.get("type") != "text" or block.get("text")]


def _part(part: Any, where: str) -> Block:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind in _OTHERS:
        if kind == "refusal" and isinstance(part.get("refusal"), str):
            return {"type": "text", "text": part["refusal"]}
        raise Unsupported(f"Anthropic takes no parts of type {kind!r}", where=where)
    if kind == "image_url":
        return {**_image(part, where), **_more(part, "image_url")}
    if kind == "file":
        return {**_document(part, where), **_more(part, "file")}
    return dict(part)


def _more(part: dict[str, Any], known: str) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in ("type", known)}


def _image(part: dict[str, Any], where: str) -> Block:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise Unsupported("an image needs a `url`", where=f"{where}.image_url")
    return {"type": "image", "source": _image_source(url, f"{where}.image_url.url")}


def _image_source(url: str, where: str) -> dict[str, Any]:
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    media, data = _data_url(url, where)
    return {"type": "base64", "media_type": media, "data": data}


def _document(part: dict[str, Any], where: str) -> Block:
    file = part.get("file")
    file = file if isinstance(file, dict) else {}
    title = {"title": file["filename"]} if isinstance(file.get("filename"), str) and file["filename"] else {}
    if isinstance(file.get("file_id"), str):
        return {"type": "document", "source": {"type": "file", "file_id": file["file_id"]}, **title}
    if isinstance(file.get("file_url"), str):
        return {"type": "document", "source": {"type": "url", "url": file["file_url"]}, **title}
    if not isinstance(file.get("file_data"), str):
        raise Unsupported("a file needs `file_data`, `file_id` or `file_url`", where=f"{where}.file")
    media, data = _data_url(file["file_data"], f"{where}.file.file_data")
    if media.startswith("image/"):
        return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}
    if media.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": _text(data, f"{where}.file.file_data")}
        return {"type": "document", "source": source, **title}
    return {"type": "document", "source": {"type": "base64", "media_type": media, "data": data}, **title}


def _data_url(url: str, where: str) -> tuple[str, str]:
    """Media type, and the data in base64 (RFC 2397)."""
    found = _DATA_URL.match(url)
    if found is None:
        raise Unsupported("must be a data URL, or one that begins with http:// or https://", where=where)
    media, data = found[1] or "text/plain", url[found.end() :]
    return media, data if found[3] else base64.b64encode(unquote_to_bytes(data)).decode()


def _text(data: str, where: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Unsupported("is no UTF-8 text in base64", where=where) from None
