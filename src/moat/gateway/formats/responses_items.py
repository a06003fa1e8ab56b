"""Items of OpenAI's responses API -> chat messages, Moat's canonical form.

Items of one turn of the assistant (reasoning, messages, function calls) become one message, as chat has it. Source:
https://platform.openai.com/docs/api-reference/responses/create.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec

from moat.domain.calls import Message
from moat.domain.errors import RequestError

Item = dict[str, Any]

SEALED = "moat."
"""What `encrypted_content` of our own reasoning items begins with; base64 of thinking blocks follows."""

_NO_STORE = "Send the whole conversation in `input`: this server keeps none."


def messages_of(items: Any) -> list[Message]:
    """The `input` of a request: text, or a list of items. Raises `RequestError` with the item at fault."""
    if isinstance(items, str):
        return [{"role": "user", "content": items}]
    if not isinstance(items, list):
        raise RequestError("must be text or a list of items", where="input")
    conversation = _Conversation()
    for position, item in enumerate(items):
        where = f"input[{position}]"
        if not isinstance(item, dict):
            raise RequestError("must be an object", where=where)
        kind = item.get("type") or ("message" if "role" in item else None)
        reader = _READERS.get(kind) if isinstance(kind, str) else None
        if reader is None:
            remedy = _NO_STORE if kind == "item_reference" else f"There are: {', '.join(_READERS)}."
            raise RequestError(f"items of type {kind!r} are not taken", where=f"{where}.type", remedy=remedy)
        reader(conversation, item, where)
    return conversation.messages()


class _Conversation:
    """Messages as they come together."""

    def __init__(self) -> None:
        self._messages: list[Message | _Turn] = []

    def say(self, message: Message) -> None:
        """Add a message of somebody else than the assistant."""
        self._messages.append(message)

    def turn(self, *, new_after_words: bool = False) -> "_Turn":
        """The assistant's message that is being put together. `new_after_words`: what comes now belongs to another one
        when this one has said something, unless it has called tools, whose results must follow it.
        """
        last = self._messages[-1] if self._messages else None
        if not isinstance(last, _Turn) or (new_after_words and last.spoken and not last.tool_calls):
            last = _Turn()
            self._messages.append(last)
        return last

    def messages(self) -> list[Message]:
        """All of them."""
        return [message.whole() if isinstance(message, _Turn) else message for message in self._messages]


class _Turn:
    """Pieces of an assistant's message."""

    def __init__(self) -> None:
        self.parts: list[Item] = []
        self.refusals: list[str] = []
        self.tool_calls: list[Item] = []
        self.reasoning: list[str] = []
        self.thinking: list[Item] = []

    @property
    def spoken(self) -> bool:
        """Has it said anything?"""
        return bool(self.parts or self.refusals)

    def whole(self) -> Message:
        """The message. One that only thought says nothing, which is not the same as having no content."""
        silent = None if self.tool_calls or self.refusals else ""
        message: Message = {"role": "assistant", "content": _plain(self.parts) if self.parts else silent}
        if self.refusals:
            message["refusal"] = "".join(self.refusals)
        if self.tool_calls:
            message["tool_calls"] = self.tool_calls
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.thinking:
            message["thinking_blocks"] = self.thinking
        return message


def _message(conversation: _Conversation, item: Item, where: str) -> None:
    role, content = item.get("role"), item.get("content")
    if role not in ("user", "system", "developer", "assistant"):
        raise RequestError("must be user, assistant, system or developer", where=f"{where}.role")
    parts = _parts(content, f"{where}.content")
    if role != "assistant":
        conversation.say({"role": role, "content": _plain(parts)})
        return
    turn = conversation.turn(new_after_words=True)
    turn.parts += [part for part in parts if part["type"] != "refusal"]
    turn.refusals += [part["refusal"] for part in parts if part["type"] == "refusal"]


def _function_call(conversation: _Conversation, item: Item, where: str) -> None:
    call: Item = {
        "id": _text(item, "call_id", where),
        "type": "function",
        "function": {"name": _text(item, "name", where), "arguments": _text(item, "arguments", where, empty=True)},
    }
    if isinstance(item.get("extra_content"), dict):
        call["extra_content"] = item["extra_content"]
    conversation.turn().tool_calls.append(call)


def _function_call_output(conversation: _Conversation, item: Item, where: str) -> None:
    output = _plain(_parts(item.get("output"), f"{where}.output"))
    conversation.say({"role": "tool", "tool_call_id": _text(item, "call_id", where), "content": output})


def _reasoning(conversation: _Conversation, item: Item, where: str) -> None:
    """Our own thinking blocks go back to the provider as they came; what another server sealed cannot be read."""
    turn = conversation.turn(new_after_words=True)
    turn.reasoning += [
        _text(part, "text", f"{where}.{name}[{position}]", empty=True)
        for name in ("summary", "content")
        for position, part in enumerate(_objects(item.get(name) or [], f"{where}.{name}"))
    ]
    sealed = item.get("encrypted_content")
    if isinstance(sealed, str) and sealed.startswith(SEALED):
        turn.thinking += unseal(sealed, f"{where}.encrypted_content")


_READERS: dict[str, Callable[[_Conversation, Item, str], None]] = {
    "message": _message,
    "function_call": _function_call,
    "function_call_output": _function_call_output,
    "reasoning": _reasoning,
}


def seal(blocks: list[Item]) -> str:
    """Thinking blocks as `encrypted_content`: opaque to clients, who send it back."""
    return SEALED + base64.b64encode(msgspec.json.encode(blocks)).decode()


def unseal(sealed: str, where: str) -> list[Item]:
    """The blocks of `seal`. Raises `RequestError` for what was changed on its way."""
    try:
        return msgspec.json.decode(base64.b64decode(sealed[len(SEALED) :], validate=True), type=list[Item])
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestError("is not what this server sent", where=where, remedy="Send it back unchanged.") from None


def _parts(content: Any, where: str) -> list[Item]:
    """Chat's content parts."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [_part(part, f"{where}[{position}]") for position, part in enumerate(_objects(content, where))]


def _plain(parts: list[Item]) -> str | list[Item]:
    """One plain text is just text."""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        text: str = parts[0]["text"]
        return text
    return parts


def _part(part: Item, where: str) -> Item:
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text"):
        made: Item = {"type": "text", "text": _text(part, "text", where, empty=True)}
    elif kind == "refusal":
        made = {"type": "refusal", "refusal": _text(part, "refusal", where, empty=True)}
    elif kind == "input_image":
        made = {"type": "image_url", "image_url": {"url": _text(part, "image_url", where)}}
        if part.get("detail") is not None:
            made["image_url"]["detail"] = _text(part, "detail", where)
    elif kind == "input_file":
        made = {"type": "file", "file": _file(part, where)}
    elif kind == "input_audio":
        audio = part.get("input_audio")
        if not isinstance(audio, dict):
            raise RequestError("must be an object", where=f"{where}.input_audio")
        made = {"type": "input_audio", "input_audio": audio}
    else:
        known = "input_text, input_image, input_file, input_audio, output_text, refusal"
        raise RequestError(f"content of type {kind!r} is not taken", where=f"{where}.type", remedy=f"Send {known}.")
    if isinstance(part.get("cache_control"), dict):
        made["cache_control"] = part["cache_control"]
    return made


def _file(part: Item, where: str) -> Item:
    """`file_id` (of the provider's own files), `file_url`, or `file_data` with its name."""
    for name in ("file_id", "file_url"):
        if part.get(name) is not None:
            return {name: _text(part, name, where)}
    file = {"file_data": _text(part, "file_data", where)}
    if part.get("filename") is not None:
        file["filename"] = _text(part, "filename", where)
    return file


def _objects(value: Any, where: str) -> list[Item]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise RequestError("must be text or a list of objects", where=where)
    return value


def _text(item: Item, name: str, where: str, *, empty: bool = False) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not (value or empty):
        raise RequestError("must be text", where=f"{where}.{name}")
    return value
