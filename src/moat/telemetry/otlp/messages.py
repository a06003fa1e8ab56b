"""What applications report as said, in the one form that recorded calls have: OpenAI's messages.

Read are the parts of OpenTelemetry's messages, the numbered attributes of OpenInference and OpenLLMetry, and the
messages of OpenAI and Anthropic as they are. What is none of these stays as it came.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

Message = dict[str, Any]


def parsed(value: Any) -> Any:
    """Text that is JSON becomes JSON; anything else stays."""
    if not isinstance(value, str) or value[:1] not in ("{", "[", '"'):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return value


def listed(entries: Iterable[tuple[str, Any]]) -> list[Any]:
    """The list that names like `0.message.role` spell out; its numbers may be any, and only put it in order.

    >>> listed([("1.text", "b"), ("0.text", "a"), ("0.tags.0", "x")])
    [{'text': 'a', 'tags': ['x']}, {'text': 'b'}]
    """
    tree: dict[str, Any] = {}
    for name, value in entries:
        place, (*steps, last) = tree, name.split(".", 15)
        for step in steps:
            inner = place.get(step)
            if not isinstance(inner, dict):
                inner = place[step] = {}
            place = inner
        place[last] = value
    found = _lists(tree)
    return found if isinstance(found, list) else [found]


def _lists(tree: Any) -> Any:
    """Mappings whose keys are all numbers become lists."""
    if not isinstance(tree, dict):
        return tree
    inner = {key: _lists(value) for key, value in tree.items()}
    if inner and all(key.isascii() and key.isdigit() and len(key) < 10 for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def messages(value: Any) -> list[Message] | None:
    """Messages in OpenAI's form; None when the value is no list of them."""
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if not isinstance(value, list) or not value:
        return None
    found: list[Message] = []
    for item in value:
        one = _unwrapped(item)
        if one is None:
            return None
        found.extend(_read(one))
    return found


def system(value: Any) -> list[Message]:
    """Instructions that stand outside of the messages, as the first of them."""
    parts = [value] if isinstance(value, str | dict) else value if isinstance(value, list) else []
    content = _content([{"type": "text", "text": part} if isinstance(part, str) else part for part in parts])
    return [{"role": "system", "content": content}] if content else []


def answer(said: list[Message]) -> dict[str, Any]:
    """What a model answered, as calls record it: the first choice, and all when there are several."""
    choices = [_choice(message) for message in said] or [{"text": ""}]
    return choices[0] if len(choices) == 1 else {**choices[0], "choices": choices}


def called(said: list[Message]) -> Iterator[str]:
    """Names of the tools that these messages call."""
    for message in said:
        for call in message.get("tool_calls", ()):
            yield str(call["function"]["name"])


def documents(value: Any) -> Any:
    """Retrieved documents: `id`, `content`, `score`, `metadata`, as far as they are known."""
    value = parsed(value)
    if not isinstance(value, list):
        return value
    inner = [item.get("document", item) if isinstance(item, dict) else item for item in value]
    return [
        {key: parsed(part) if key == "metadata" else part for key, part in item.items()}
        if isinstance(item, dict)
        else item
        for item in inner
    ]


def embedded(value: list[Any]) -> dict[str, Any]:
    """Texts that vectors were made of; the vectors themselves are not kept."""
    inner = [item.get("embedding", item) if isinstance(item, dict) else item for item in value]
    return {"input": [item.get("text", "") if isinstance(item, dict) else item for item in inner]}


def _choice(message: Message) -> dict[str, Any]:
    content = message.get("content") or ""
    texts = content if isinstance(content, str) else "\n".join(_texts(content))
    known = {"text": texts, "tool_calls": message.get("tool_calls"), "refusal": message.get("refusal")}
    known |= {"reasoning": message.get("reasoning_content"), "content": None if isinstance(content, str) else content}
    return {key: value for key, value in known.items() if value is not None}


def _texts(parts: list[Any]) -> list[str]:
    return [str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part]


def _unwrapped(item: Any) -> Mapping[str, Any] | None:
    """One message, out of what OpenInference puts around it; None when it is none."""
    if not isinstance(item, dict):
        return None
    for around in ("message", "prompt", "completion"):
        if isinstance(item.get(around), dict):
            inner = item[around]
            return {"role": "user" if around == "prompt" else "assistant", "content": inner.get("text", ""), **inner}
    return item if item.keys() & {"role", "parts", "content", "contents", "tool_calls"} else None


def _read(said: Mapping[str, Any]) -> list[Message]:
    """A message in OpenAI's form; results of tools become messages of their own, as they are there."""
    parts = said.get("parts")
    if said.keys() == _PLAIN and isinstance(parts, list) and len(parts) == 1:
        match said["role"], parts[0]:
            case str() as who, {"type": "text", "content": str() as text, **more} if not more:
                return [{"role": who, "content": text}]  # as most are: it saves a tenth of the time of a request
    if not isinstance(parts, list):
        parts = _listed_content(said)
    role = said.get("role")
    message: Message = {"role": role if isinstance(role, str) else "user"}
    calls = _calls(said, parts)
    results = [_tool_result(part) for part in parts if _kind(part) in ("tool_call_response", "tool_result")]
    thoughts = [_said(part) for part in parts if _kind(part) in ("reasoning", "thinking")]
    content = _content([part for part in parts if _kind(part) not in _ELSEWHERE])
    if content or not (calls or results):
        message["content"] = content
    if calls:
        message["tool_calls"] = calls
    if thoughts:
        message["reasoning_content"] = "\n".join(thoughts)
    for name in ("tool_call_id", "name", "refusal", "finish_reason"):
        if isinstance(said.get(name), str):
            message[name] = said[name]
    return results if results and len(message) == 1 else [message, *results]


_PLAIN = {"role", "parts"}
_ELSEWHERE = ("tool_call", "tool_use", "tool_call_response", "tool_result", "reasoning", "thinking")


def _kind(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    return kind if isinstance(kind, str) else ""


def _said(part: Mapping[str, Any]) -> str:
    """The text of a part, whatever it is called there."""
    found = next((part[name] for name in ("content", "text", "thinking") if isinstance(part.get(name), str)), None)
    return str(found) if found is not None else ""


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _listed_content(said: Mapping[str, Any]) -> list[Any]:
    content = said.get("contents", said.get("content"))
    if isinstance(content, str) and content.startswith('[{"type"'):
        content = parsed(content)  # as OpenLLMetry writes a content of several parts
    if content is None or content == "":
        return []
    parts = content if isinstance(content, list) else [content]
    inner = [
        part["message_content"] if isinstance(part, dict) and "message_content" in part else part for part in parts
    ]
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in inner]


def _content(parts: list[Any]) -> Any:
    """Text when there is nothing else, else the parts as OpenAI has them."""
    found: list[dict[str, Any]] = []
    for part in parts:
        if _kind(part) in ("text", "input_text", "output_text", "refusal"):
            found.append({"type": "text", "text": _said(part)})
        elif _kind(part) == "image" and isinstance(part.get("image"), dict):
            inner = part["image"].get("image", part["image"])
            found.append({"type": "image_url", "image_url": inner if isinstance(inner, dict) else {"url": inner}})
        else:
            found.append(part if isinstance(part, dict) else {"type": "text", "text": str(part)})
    if all(part.keys() == {"type", "text"} for part in found):
        return "\n".join(part["text"] for part in found)
    return found


def _tool_call(raw: Any) -> dict[str, Any]:
    around: Any = raw.get("tool_call", raw) if isinstance(raw, dict) else {}
    call: dict[str, Any] = around if isinstance(around, dict) else {}
    function = call.get("function")
    inner = function if isinstance(function, dict) else call
    arguments = inner.get("arguments", inner.get("input", ""))
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    made: dict[str, Any] = {"name": str(inner.get("name") or ""), "arguments": text}
    return {"id": str(call.get("id") or ""), "type": "function", "function": made}


def _calls(said: Mapping[str, Any], parts: list[Any]) -> list[dict[str, Any]]:
    """Calls of tools, wherever they stand; one that stands in two places is one."""
    found = [_tool_call(call) for call in _items(said.get("tool_calls"))]
    found += [_tool_call(part) for part in parts if _kind(part) in ("tool_call", "tool_use")]
    if name := said.get("function_call_name"):
        found.append(_tool_call({"name": name, "arguments": said.get("function_call_arguments_json", "")}))
    ids = [call["id"] for call in found]
    return [
        call
        for at, call in enumerate(found)
        if call["function"]["name"] and not (call["id"] and call["id"] in ids[:at])
    ]


def _tool_result(part: Mapping[str, Any]) -> Message:
    names = ("response", "result", "content")
    result = next((part[name] for name in names if name in part), "")
    text = result if isinstance(result, str) else msgspec.json.encode(result).decode()
    return {"role": "tool", "tool_call_id": str(part.get("id") or part.get("tool_use_id") or ""), "content": text}
