"""OpenAI: the JSON of a chat-completions or responses request, as the playground shows it; texts have `{{name}}`.

A `prompt` object (`{id, version, variables}`) only refers to a text that is kept at OpenAI: it cannot be imported.
See https://platform.openai.com/docs/api-reference.
"""

from typing import Any

from moat.domain.errors import PromptError
from moat.domain.releases import PromptVersion
from moat.prompts.exchange.form import (
    Exported,
    Form,
    Imported,
    Source,
    fields,
    from_chat,
    json_text,
    lost,
    output_schema,
    response_format,
    to_chat,
)  # fmt: skip

_NOT_PARAMS = frozenset({"model", "messages", "input", "instructions", "prompt", "tools", "response_format", "text"})
_OF_THE_CALL = frozenset(
    {"stream", "stream_options", "user", "metadata", "store", "previous_response_id", "background"}
)


def _is_reference(data: Any) -> bool:
    return isinstance(data, dict) and "id" in data and data.keys() <= {"id", "version", "variables"}


def _recognises(source: Source) -> bool:
    data = source.data
    if not isinstance(data, dict):
        return False
    return (
        "messages" in data
        or _is_reference(data)
        or _is_reference(data.get("prompt"))
        or {"model", "input"} <= data.keys()
    )


def _read(source: Source) -> list[Imported]:
    data, place = source.data, source.name
    if _is_reference(data) or (isinstance(data, dict) and "messages" not in data and _is_reference(data.get("prompt"))):
        raise PromptError(
            "it refers to a prompt that is kept at OpenAI and does not hold its text",
            where=place,
            remedy="Open the prompt in the playground, and import the request that its Code view shows.",
        )
    given = fields(
        data, place, {"model": str, "messages": list, "input": (str, list), "instructions": str, "tools": list}
    )
    if "messages" in given:
        messages = from_chat(given["messages"], f"{place} messages")
        schema, tools = data.get("response_format"), tuple(given.get("tools", ()))
    else:
        chat: list[Any] = [{"role": "developer", "content": given["instructions"]}] if "instructions" in given else []
        asked = given.get("input", [])
        chat += [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
        messages = from_chat(chat, f"{place} input")
        schema = (data.get("text") or {}).get("format") if isinstance(data.get("text"), dict) else None
        tools = tuple(_nested(tool, place) for tool in given.get("tools", ()))
    params = {key: value for key, value in data.items() if key not in _NOT_PARAMS | _OF_THE_CALL and value is not None}
    if isinstance(schema, dict) and schema.get("type") == "json_object":
        params["response_format"] = schema
    notes = [*messages.notes, *(f"`{key}` belongs to a call: left out" for key in sorted(_OF_THE_CALL & data.keys()))]
    prompt = PromptVersion(
        name="",
        version="",
        messages=messages.templates,
        model=given.get("model", ""),
        variables=messages.variables,
        params=params,
        output=output_schema(schema),
        tool_definitions=tools,
    )
    return [Imported(prompt, tuple(notes))]


def _nested(tool: Any, place: str) -> dict[str, Any]:
    """A tool of the responses format in the chat format. Raises `PromptError` for one of OpenAI's own."""
    if not isinstance(tool, dict) or tool.get("type") != "function":
        kind = tool.get("type") if isinstance(tool, dict) else tool
        raise PromptError(f"the tool {kind!r} is OpenAI's own and cannot be imported", where=f"{place} tools")
    if "function" in tool:
        return tool
    function = {key: value for key, value in tool.items() if key != "type"}
    return {"type": "function", "function": function}


def _write(prompt: PromptVersion) -> Exported:
    data = {
        **({"model": prompt.model} if prompt.model else {}),
        "messages": to_chat(prompt),
        **prompt.params,
        **({"tools": prompt.tool_definitions} if prompt.tools else {}),
        **({"response_format": response_format(prompt)} if prompt.output is not None else {}),
    }
    notes = lost(prompt, kept=("model", "params", "tools", "output"))
    if prompt.variables:
        notes = (*notes, "variables stand as {{name}}: OpenAI fills them in saved prompts, not in plain requests")
    return Exported(json_text(data), notes)


OPENAI = Form("openai", "OpenAI chat-completions or responses requests as JSON", _recognises, _read, _write)
