"""Canonical messages -> Bedrock's `system` and `messages`.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html. What Bedrock has no form for
is `Unsupported`; it fetches no images, and neither do we.
"""

import base64
import binascii
import hashlib
import re
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from moat.domain.calls import Call, Message
from moat.domain.errors import Unsupported

Block = dict[str, Any]
"""A content block: an object with one member, its kind."""

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.ASCII)
_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_AUDIO = ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "m4a", "webm")
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9\s\-()\[\]]|\s(?=\s)")


class Conversation:
    """What the messages of a call became."""

    def __init__(self, call: Call) -> None:
        """Raises `Unsupported` with the message and part at fault."""
        self.system: list[Block] = []
        self.turns: list[dict[str, Any]] = []
        self.tools: dict[str, None] = {}
        """Names of the tools that were called."""
        self._documents = 0
        for index, message in enumerate(call.messages):
            self._add(message, f"messages[{index}]")
        if not self.turns:
            raise Unsupported("Bedrock's models need at least one user message", where="messages")

    @property
    def resumes_unsigned_tools(self) -> bool:
        """Do tool results answer a turn that came without its thinking? Anthropic's models then refuse to think."""
        last = next((turn for turn in reversed(self.turns) if turn["role"] == "assistant"), None)
        if last is None or not any("toolUse" in block for block in last["content"]):
            return False
        return "reasoningContent" not in last["content"][0]

    def _add(self, message: Message, where: str) -> None:
        role = message["role"]
        if role in ("system", "developer"):
            self.system += self._system(message, where)
        elif role == "user":
            self._extend("user", self._content(message.get("content"), where))
        elif role == "assistant":
            self._extend("assistant", self._assistant(message, where))
        elif role == "tool":
            self._extend("user", self._tool_result(message, where))
        else:
            raise Unsupported(f"Bedrock knows no messages with the role {role!r}", where=f"{where}.role")

    def _extend(self, role: str, blocks: list[Block]) -> None:
        """Turns alternate: what follows in the same role joins the turn before."""
        if not blocks:
            return
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
        else:
            self.turns.append({"role": role, "content": blocks})

    def _system(self, message: Message, where: str) -> list[Block]:
        blocks = self._content(message.get("content"), where)
        if any("text" not in block and "cachePoint" not in block for block in blocks):
            raise Unsupported("Bedrock takes only text in system messages", where=where)
        return blocks

    def _assistant(self, message: Message, where: str) -> list[Block]:
        if message.get("function_call"):
            raise Unsupported("`function_call` is not translated; send `tool_calls`", where=f"{where}.function_call")
        blocks = [_thinking(block) for block in _items(message, "thinking_blocks", where) if _can_return(block)]
        blocks += self._content(message.get("content"), where)
        if isinstance(message.get("refusal"), str):
            blocks += _text(message["refusal"])
        for index, call in enumerate(_items(message, "tool_calls", where)):
            blocks += self._tool_use(call, f"{where}.tool_calls[{index}]")
        return blocks

    def _tool_use(self, call: Any, where: str) -> list[Block]:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or call.get("type", "function") != "function":
            raise Unsupported("only calls of functions can be translated for Bedrock", where=where)
        try:
            arguments = msgspec.json.decode(function.get("arguments") or "{}")
        except (msgspec.DecodeError, TypeError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            raise Unsupported(
                "Bedrock takes arguments that are a JSON object only", where=f"{where}.function.arguments"
            )
        name = str(function.get("name") or "")
        self.tools[name] = None
        use = {"toolUseId": _tool_id(call.get("id")), "name": name, "input": arguments}
        return [{"toolUse": use}, *_cache_point(call)]

    def _tool_result(self, message: Message, where: str) -> list[Block]:
        content = self._content(message.get("content"), where)
        result: dict[str, Any] = {
            "toolUseId": _tool_id(message.get("tool_call_id")),
            "content": [block for block in content if "cachePoint" not in block] or [{"text": "(no output)"}],
        }
        if message.get("is_error"):
            result["status"] = "error"
        points = [block for block in content if "cachePoint" in block] or _cache_point(message)
        return [{"toolResult": result}, *points[-1:]]

    def _content(self, content: Any, where: str) -> list[Block]:
        """Text or parts as blocks; Bedrock takes no blank texts, so they are left out."""
        if isinstance(content, str):
            return _text(content)
        blocks: list[Block] = []
        for index, part in enumerate(content or ()):
            place = f"{where}.content[{index}]"
            if not isinstance(part, dict):
                raise Unsupported("must be an object", where=place)
            found = self._part(part, place)
            blocks += [*found, *(_cache_point(part) if found else ())]
        return blocks

    def _part(self, part: dict[str, Any], where: str) -> list[Block]:
        match part.get("type"):
            case "text" if isinstance(part.get("text"), str):
                return _text(part["text"])
            case "refusal" if isinstance(part.get("refusal"), str):
                return _text(part["refusal"])
            case "image_url":
                image = part.get("image_url")
                url = image.get("url") if isinstance(image, dict) else image
                return [_image(url, f"{where}.image_url.url")]
            case "file" if isinstance(part.get("file"), dict):
                return [self._document(part["file"], f"{where}.file")]
            case "input_audio" if isinstance(part.get("input_audio"), dict):
                return [_audio(part["input_audio"], f"{where}.input_audio")]
            case "document" | "image":
                return [self._native(part, f"{where}.source")]
            case kind:
                raise Unsupported(f"Bedrock takes no parts of type {kind!r}", where=where)

    def _native(self, part: dict[str, Any], where: str) -> Block:
        """Anthropic's own images and documents, those that carry their data."""
        source = part.get("source")
        source = source if isinstance(source, dict) else {}
        media, data = source.get("media_type"), source.get("data")
        if isinstance(data, str) and source.get("type") == "text":
            media, data = "text/plain", base64.b64encode(data.encode()).decode()
        elif not isinstance(data, str) or source.get("type") != "base64":
            raise Unsupported("Bedrock takes only data in base64 here", where=where)
        title = part.get("title")
        return self._binary(str(media), data, title if isinstance(title, str) else "", where)

    def _document(self, file: dict[str, Any], where: str) -> Block:
        data = file.get("file_data")
        if not isinstance(data, str):
            raise Unsupported("Bedrock takes a file only as a data URL in `file_data`", where=where)
        name = file.get("filename")
        return self._binary(*_data_url(data, where), name if isinstance(name, str) else "", where)

    def _binary(self, media: str, data: str, name: str, where: str) -> Block:
        if media in _IMAGES:
            return {"image": {"format": _IMAGES[media], "source": {"bytes": _base64(data, where)}}}
        if media not in _DOCUMENTS:
            raise Unsupported(f"Bedrock takes no files of type {media!r}", where=where)
        self._documents += 1
        stem = _NOT_IN_NAMES.sub("", name.rpartition(".")[0] or name).strip()[:150] or "document"
        # Names must differ within a request.
        named = f"{stem} {self._documents}" if self._documents > 1 else stem
        return {"document": {"format": _DOCUMENTS[media], "name": named, "source": {"bytes": _base64(data, where)}}}


def _text(text: str) -> list[Block]:
    return [{"text": text}] if text.strip() else []


def _cache_point(holder: dict[str, Any]) -> list[Block]:
    """What ends with `cache_control` is kept, for five minutes or an hour."""
    extra = holder.get("extra_content")
    own = extra.get("anthropic") if isinstance(extra, dict) else None
    control = holder.get("cache_control") or (own.get("cache_control") if isinstance(own, dict) else None)
    return [cache_point(control)] if isinstance(control, dict) else []


def cache_point(control: dict[str, Any]) -> Block:
    """Bedrock's form of a `cache_control`."""
    ttl = {"ttl": control["ttl"]} if control.get("ttl") in ("5m", "1h") else {}
    return {"cachePoint": {"type": "default", **ttl}}


def _items(message: Message, name: str, where: str) -> list[Any]:
    value = message.get(name) or []
    if not isinstance(value, list):
        raise Unsupported("must be a list", where=f"{where}.{name}")
    return value


def _can_return(block: Any) -> bool:
    """Thinking of other providers has no signature, and would be refused."""
    if not isinstance(block, dict):
        return False
    return bool(block.get("signature")) if block.get("type") == "thinking" else bool(block.get("data"))


def _thinking(block: dict[str, Any]) -> Block:
    if block.get("type") == "thinking":
        text = {"text": str(block.get("thinking") or ""), "signature": str(block["signature"])}
        return {"reasoningContent": {"reasoningText": text}}
    return {"reasoningContent": {"redactedContent": str(block["data"])}}


def _tool_id(value: Any) -> str:
    """An id as Bedrock takes it; another is replaced by its hash, the same for the call and its result."""
    text = str(value or "")
    return text if _ID.fullmatch(text) else hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _image(url: Any, where: str) -> Block:
    if isinstance(url, str) and url.startswith("s3://"):
        form = _IMAGES.get(f"image/{url.rpartition('.')[2].lower()}", "png")
        return {"image": {"format": form, "source": {"s3Location": {"uri": url}}}}
    if not isinstance(url, str) or not url.startswith("data:"):
        raise Unsupported("Bedrock takes images as data URLs or s3:// addresses only", where=where)
    media, data = _data_url(url, where)
    if media not in _IMAGES:
        raise Unsupported(f"Bedrock takes no images of type {media!r}", where=where)
    return {"image": {"format": _IMAGES[media], "source": {"bytes": _base64(data, where)}}}


def _audio(audio: dict[str, Any], where: str) -> Block:
    if audio.get("format") not in _AUDIO or not isinstance(audio.get("data"), str):
        raise Unsupported(f"needs `data` and a `format`: {', '.join(_AUDIO)}", where=where)
    return {"audio": {"format": audio["format"], "source": {"bytes": _base64(audio["data"], where)}}}


def _data_url(url: str, where: str) -> tuple[str, str]:
    """Media type, and the data in base64 (RFC 2397)."""
    found = _DATA_URL.match(url)
    if found is None:
        raise Unsupported("must be a data URL", where=where)
    data = url[found.end() :]
    return found[1] or "text/plain", data if found[3] else base64.b64encode(unquote_to_bytes(data)).decode()


def _base64(data: str, where: str) -> str:
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Unsupported("is not base64", where=where) from None
    return data
