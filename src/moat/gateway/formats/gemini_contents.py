"""Gemini's `contents` as a canonical conversation: the way back of `moat.adapters.providers.gemini_contents`.

A part that has no counterpart among OpenAI's is kept as it is, as a part of type `google`: Google's models get it
unchanged, and others refuse it.
"""

import mimetypes
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import msgspec

from moat.domain.calls import Message
from moat.domain.errors import RequestError
from moat.gateway.formats.gemini_thoughts import unwrap

Part = dict[str, Any]

_AUDIO = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mp3": "mp3",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/aac": "aac",
}
_STANDARD = str.maketrans("-_", "+/")
"""Google takes both alphabets of base64 and its SDK writes the one for URLs; others take only the standard one."""


class Conversation:
    """Messages as they come in; remembers which calls of functions have no result yet."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._open: dict[str, deque[str]] = {}
        """By the function's name, ids of calls without a result, in order."""
        self._made = 0

    def system(self, content: Any, where: str) -> None:
        """`systemInstruction`: a content, or a text."""
        parts = [_canonical(part, at) for part, at in _parts(content, where)]
        if parts:
            self.messages.append({"role": "system", "content": _content(parts)})

    def add(self, content: Any, where: str) -> None:
        """One turn: a content, or a text of the user's. Raises `RequestError`."""
        role = (content.get("role") or "user") if isinstance(content, dict) else "user"
        if role == "model":
            self._add_answer(_parts(content, where))
        elif role in ("user", "function"):
            self._add_question(_parts(content, where))
        else:
            raise RequestError("must be `user` or `model`", where=f"{where}.role")

    def _add_question(self, parts: list[tuple[Part, str]]) -> None:
        """Results of functions become messages of their own, before what the user says beside them."""
        said: list[Part] = []
        for part, where in parts:
            if "functionResponse" in part:
                self.messages.append(self._result(part["functionResponse"], f"{where}.functionResponse"))
            else:
                said.append(_canonical(part, where))
        if said:
            self.messages.append({"role": "user", "content": _content(said)})

    def _add_answer(self, parts: list[tuple[Part, str]]) -> None:
        message: Message = {"role": "assistant", "content": None}
        said: list[Part] = []
        for part, where in parts:
            if "functionCall" in part:
                message.setdefault("tool_calls", []).append(self._call(part, f"{where}.functionCall"))
            elif part.get("thought") and (block := unwrap(part.get("thoughtSignature"))):
                message.setdefault("thinking_blocks", []).append(block)
            elif part.get("thought") is True and part.keys() <= {"text", "thought"}:
                message["reasoning_content"] = message.get("reasoning_content", "") + _text(part, where)
            else:
                said.append(_canonical(part, where))
        message["content"] = _content(said) if said else None
        if len(message) > 2 or said:
            self.messages.append(message)

    def _call(self, part: Part, where: str) -> dict[str, Any]:
        made = part["functionCall"]
        if not isinstance(made, dict) or not isinstance(made.get("name"), str):
            raise RequestError("must be an object with a text `name`", where=where)
        arguments = made.get("args")
        if arguments is not None and not isinstance(arguments, dict):
            raise RequestError("must be an object", where=f"{where}.args")
        call_id = _word(made, "id", where) or self._new_id()
        self._open.setdefault(made["name"], deque()).append(call_id)
        function = {"name": made["name"], "arguments": msgspec.json.encode(arguments or {}).decode()}
        call: dict[str, Any] = {"id": call_id, "type": "function", "function": function}
        if signature := _word(part, "thoughtSignature", where):
            call["extra_content"] = {"google": {"thought_signature": signature}}
        return call

    def _result(self, made: Any, where: str) -> Message:
        """Without an id it belongs to the first call of that function that has no result yet, as Google has it."""
        if not isinstance(made, dict) or not isinstance(made.get("name"), str):
            raise RequestError("must be an object with a text `name`", where=where)
        response = made.get("response")
        if response is not None and not isinstance(response, dict):
            raise RequestError("must be an object", where=f"{where}.response")
        waiting = self._open.get(made["name"], deque())
        call_id = _word(made, "id", where)
        if not call_id:
            call_id = waiting.popleft() if waiting else self._new_id()
        elif call_id in waiting:
            waiting.remove(call_id)
        message: Message = {"role": "tool", "tool_call_id": call_id, "name": made["name"]}
        text = _answer(response or {})
        media = [_canonical(part, at) for part, at in _parts({"parts": made.get("parts") or []}, where)]
        message["content"] = [{"type": "text", "text": text}, *media] if media else text
        if response and response.keys() == {"error"} and isinstance(response["error"], str):
            message |= {"content": response["error"], "is_error": True}
        return message

    def _new_id(self) -> str:
        """Ids must only tell the calls of one conversation apart, and be the same when it is sent again."""
        self._made += 1
        return f"call_{self._made}"


def _answer(response: dict[str, Any]) -> str:
    """What a function gave back, as text: `output` alone is a text already, unless it reads like an object."""
    output = response.get("output")
    if response.keys() == {"output"} and isinstance(output, str) and not _is_object(output):
        return output
    return msgspec.json.encode(response).decode()


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False


def _parts(content: Any, where: str) -> list[tuple[Part, str]]:
    """Parts and their places."""
    if isinstance(content, str):
        return [({"text": content}, where)]
    parts = content.get("parts") if isinstance(content, dict) else None
    if isinstance(parts, dict):
        parts = [parts]
    if parts is None and isinstance(content, dict):
        parts = []
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise RequestError("must be an object with a list of objects as `parts`", where=where)
    return [(part, f"{where}.parts[{at}]") for at, part in enumerate(parts)]


def _content(parts: list[Part]) -> str | list[Part]:
    """One plain text as such."""
    only = parts[0] if len(parts) == 1 else {}
    return only["text"] if only.keys() == {"type", "text"} else parts


def _canonical(part: Part, where: str) -> Part:
    """A part in OpenAI's form, or of type `google`."""
    names = part.keys()
    if names == {"text"}:
        return {"type": "text", "text": _text(part, where)}
    if names == {"text", "thoughtSignature"}:
        signature = {"google": {"thought_signature": _word(part, "thoughtSignature", where)}}
        return {"type": "text", "text": _text(part, where), "extra_content": signature}
    if names == {"inlineData"}:
        return _inline(part["inlineData"], f"{where}.inlineData")
    if names == {"fileData"}:
        return _file(part["fileData"], f"{where}.fileData")
    if not names:
        raise RequestError("is empty", where=where)
    return {"type": "google", "google": part}


def _inline(blob: Any, where: str) -> Part:
    if not isinstance(blob, dict) or not isinstance(blob.get("data"), str):
        raise RequestError("must be an object with `data` in base64", where=where)
    kind = _word(blob, "mimeType", where)
    if not kind:
        raise RequestError("missing", where=f"{where}.mimeType")
    data = blob["data"].translate(_STANDARD)
    data += "=" * (-len(data) % 4)
    url = f"data:{kind};base64,{data}"
    if kind in _AUDIO:
        return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO[kind]}}
    if kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    name = _word(blob, "displayName", where) or f"file{mimetypes.guess_extension(kind) or ''}"
    return {"type": "file", "file": {"filename": name, "file_data": url}}


def _file(file: Any, where: str) -> Part:
    """Of files elsewhere, others can read pictures on the web; Google's own addresses only Google can."""
    uri = _word(file, "fileUri", where) if isinstance(file, dict) else ""
    if not uri:
        raise RequestError("must be an object with a text `fileUri`", where=where)
    try:
        address = urlsplit(uri)
    except ValueError:
        raise RequestError("is no address", where=f"{where}.fileUri") from None
    kind, guessed = _word(file, "mimeType", where), mimetypes.guess_type(address.path)[0] or ""
    public = address.scheme in ("http", "https") and not (address.hostname or "").endswith("googleapis.com")
    if not public or not (kind or guessed).startswith("image/"):
        return {"type": "google", "google": {"fileData": file}}
    image: Part = {"type": "image_url", "image_url": {"url": uri}}
    return image if kind in ("", guessed) else image | {"extra_content": {"google": {"mime_type": kind}}}


def _text(part: Part, where: str) -> str:
    text = part.get("text", "")
    if not isinstance(text, str):
        raise RequestError("must be a text", where=f"{where}.text")
    return text


def _word(holder: dict[str, Any], name: str, where: str) -> str:
    """A text that may be absent."""
    value = holder.get(name)
    if value is not None and not isinstance(value, str):
        raise RequestError("must be a text", where=f"{where}.{name}")
    return value or ""
