"""A canonical conversation as Gemini's `contents` (https://ai.google.dev/api/caching#Content).

What has no counterpart there is `Unsupported`, with its place in the request; nothing is left out silently.
"""

import base64
import mimetypes
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from moat.domain.calls import Message
from moat.domain.errors import Unsupported

Part = dict[str, Any]
Content = dict[str, Any]

UNSIGNED = "skip_thought_signature_validator"
"""What Google documents for function calls that another model made: they have no thought signature of its own."""

_ROLES = {"user": "user", "tool": "user", "function": "user", "assistant": "model"}
_URL_END = re.compile(r"[?#].*")
_VIDEO = re.compile(r"https?://(?:[\w-]+\.)*(?:youtube\.com|youtu\.be)/", re.IGNORECASE)
"""Gemini watches what stands there, whatever it was sent as."""
_AUDIO = {"wav": "audio/wav", "mp3": "audio/mp3", "flac": "audio/flac", "ogg": "audio/ogg", "aac": "audio/aac"}


class Conversation(NamedTuple):
    """What goes into `systemInstruction.parts` and `contents`."""

    system: list[Part]
    turns: list[Content]


def conversation(messages: list[Message], *, signed: bool) -> Conversation:
    """Turns that alternate between `user` and `model`; instructions of any place come first, as Gemini has only those.

    `signed`: the model wants its thought signatures back and refuses function calls without one. Raises `Unsupported`.
    """
    system: list[Part] = []
    turns: list[Content] = []
    names: dict[str, str] = {}
    for index, message in enumerate(messages):
        where, role = f"messages[{index}]", message.get("role")
        if role in ("system", "developer"):
            system += _parts(message.get("content"), where)
            continue
        if not isinstance(role, str) or role not in _ROLES:
            raise Unsupported(f"Gemini has no role {role!r}", where=f"{where}.role")
        if role == "assistant":
            parts = _said(message, names, where)
        elif role == "user":
            parts = _parts(message.get("content"), where)
        else:
            parts = [_result(message, names, where)]
        if turns and turns[-1]["role"] == _ROLES[role]:
            turns[-1]["parts"] += parts
        elif parts:
            turns.append({"role": _ROLES[role], "parts": parts})
    if signed:
        _sign(turns)
    if not turns:
        return Conversation([], [{"role": "user", "parts": system}] if system else [])
    return Conversation(system, turns)


def _sign(turns: list[Content]) -> None:
    """Of parallel calls only the first one carries a signature."""
    for turn in turns:
        calls = [part for part in turn["parts"] if "functionCall" in part]
        if calls and not any("thoughtSignature" in part for part in calls):
            calls[0]["thoughtSignature"] = UNSIGNED


def _said(message: Message, names: dict[str, str], where: str) -> list[Part]:
    """An assistant's message; notes in `names` what its tool calls are called."""
    parts: list[Part] = []
    if thought := _word(message, "reasoning_content", where):
        parts.append({"text": thought, "thought": True})
    parts += _parts(message.get("content"), where)
    if refusal := _word(message, "refusal", where):
        parts.append({"text": refusal})
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise Unsupported("must be a list", where=f"{where}.tool_calls")
    for position, call in enumerate(calls):
        made = _function_call(call, f"{where}.tool_calls[{position}]")
        names[made["functionCall"].get("id", "")] = made["functionCall"]["name"]
        parts.append(made)
    return parts


def _function_call(call: Any, where: str) -> Part:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Unsupported("Gemini knows only function calls with a name", where=where)
    made: dict[str, Any] = {"name": function["name"], "args": _arguments(function.get("arguments"), where)}
    if call_id := _word(call, "id", where):
        made["id"] = call_id
    part: Part = {"functionCall": made}
    if signature := google_extra(call).get("thought_signature"):
        part["thoughtSignature"] = signature
    return part


def _arguments(text: Any, where: str) -> dict[str, Any]:
    """Gemini takes arguments as an object, not as text."""
    if not text:
        return {}
    arguments = _object(text)
    if arguments is None:
        raise Unsupported("Gemini takes only a JSON object as arguments", where=f"{where}.function.arguments")
    return arguments


def _result(message: Message, names: dict[str, str], where: str) -> Part:
    """A tool's result: an object as it is, any other text as Google has it, as `output` or `error`."""
    call_id = _word(message, "tool_call_id", where)
    name = names.get(call_id) or _word(message, "name", where)
    if not name:
        raise Unsupported(f"answers no tool call of this conversation: {call_id!r}", where=f"{where}.tool_call_id")
    content, media = message.get("content"), []
    if isinstance(content, list):
        parts = _parts(content, where)
        media = [part for part in parts if "text" not in part]
        content = "".join(part["text"] for part in parts if "text" in part)
    failed = bool(message.get("is_error"))
    response = None if failed else _object(content)
    if response is None:
        response = {"error" if failed else "output": content or ""}
    made: dict[str, Any] = {"name": name, "response": response}
    if call_id:
        made["id"] = call_id
    if media:
        made["parts"] = media
    return {"functionResponse": made}


def _parts(content: Any, where: str) -> list[Part]:
    """A message's content. Empty texts are left out: Gemini refuses them."""
    if not content:
        return []
    if isinstance(content, str):
        return [{"text": content}]
    if not isinstance(content, list):
        raise Unsupported("must be text or a list of parts", where=f"{where}.content")
    return [made for index, part in enumerate(content) for made in _part(part, f"{where}.content[{index}]")]


def _part(part: Any, where: str) -> Iterator[Part]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "refusal"):
        if text := _word(part, kind, where):
            signature = google_extra(part).get("thought_signature")
            yield {"text": text, "thoughtSignature": signature} if signature else {"text": text}
    elif kind == "image_url":
        image = part.get("image_url")
        image = image if isinstance(image, dict) else {"url": image}
        url = image.get("url")
        if isinstance(url, str) and _VIDEO.match(url):
            raise Unsupported("is a video: send it as a `file` with its address as `file_url`", where=where)
        yield _media(url, _word(google_extra(part), "mime_type", where), f"{where}.image_url.url")
    elif kind == "input_audio":
        yield _audio(part.get("input_audio"), f"{where}.input_audio")
    elif kind == "file":
        yield _file(part.get("file"), f"{where}.file")
    elif kind == "google" and isinstance(part.get("google"), dict):
        yield part["google"]
    else:
        raise Unsupported(f"Gemini has no counterpart of a part of type {kind!r}", where=f"{where}.type")


def _audio(audio: Any, where: str) -> Part:
    audio = audio if isinstance(audio, dict) else {}
    kind = _AUDIO.get(_word(audio, "format", where))
    if kind is None or not isinstance(audio.get("data"), str):
        raise Unsupported(f"needs `data` and a `format` of {', '.join(_AUDIO)}", where=where)
    return {"inlineData": {"mimeType": kind, "data": audio["data"]}}


def _file(file: Any, where: str) -> Part:
    """A file in the request, or one that Google can fetch: other providers' file ids mean nothing to it."""
    file = file if isinstance(file, dict) else {}
    data, uri = file.get("file_data"), file.get("file_url") or file.get("file_id")
    if data:
        name = _word(file, "filename", where)
        return _media(data, mimetypes.guess_type(name)[0] or "", f"{where}.file_data")
    if isinstance(uri, str) and uri.startswith(("https://", "gs://")):
        return _media(uri, "", f"{where}.file_id")
    raise Unsupported("needs `file_data`, or the URI of a file at Google as `file_id`", where=where)


def _media(url: Any, mime: str, where: str) -> Part:
    """Bytes from a data URL, anything else by its address, for Google to fetch."""
    if not isinstance(url, str) or not url:
        raise Unsupported("must be a URL", where=where)
    if url.startswith("data:"):
        return {"inlineData": _inline(url, mime, where)}
    if not url.startswith(("https://", "http://", "gs://")):
        raise Unsupported("must be a data, http, https or gs URL", where=where)
    mime = mime or mimetypes.guess_type(_URL_END.sub("", url))[0] or ""
    return {"fileData": {"fileUri": url, **({"mimeType": mime} if mime else {})}}


def _inline(url: str, mime: str, where: str) -> dict[str, str]:
    """`data:[type][;parameters][;base64],data` (RFC 2397)."""
    head, comma, data = url[5:].partition(",")
    if not comma:
        raise Unsupported("is no data URL: it has no comma", where=where)
    kind, *parameters = head.split(";")
    if "base64" not in parameters:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return {"mimeType": kind or mime or "text/plain", "data": data}


def _word(holder: dict[str, Any], name: str, where: str) -> str:
    """A text that may be absent."""
    value = holder.get(name)
    if value is not None and not isinstance(value, str):
        raise Unsupported("must be text", where=f"{where}.{name}")
    return value or ""


def google_extra(holder: dict[str, Any]) -> dict[str, Any]:
    """`extra_content.google`, where Google's own OpenAI-compatible API keeps what only it understands."""
    extra = holder.get("extra_content")
    found = extra.get("google") if isinstance(extra, dict) else None
    return found if isinstance(found, dict) else {}


def _object(text: Any) -> dict[str, Any] | None:
    """A JSON object in a text; None for any other text."""
    if isinstance(text, dict):
        return text
    try:
        found = msgspec.json.decode(text) if isinstance(text, str) else None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
