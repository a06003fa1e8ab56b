"""Langfuse: a prompt as `GET /api/public/v2/prompts/{name}` gives it, or a list of them.

`{name, version, type: "text" | "chat", prompt, config, labels, tags, commitMessage}`; texts have `{{name}}`.
See https://langfuse.com/docs/prompt-management.
"""

from typing import Any

import msgspec

from moat.domain.errors import PromptError
from moat.domain.releases import PromptVersion, Variable
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
    semantic,
    to_chat,
)  # fmt: skip

_REFERENCE = "@@@langfusePrompt:"
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "name": str, "prompt": (str, list), "config": dict, "tags": list, "labels": list, "commitMessage": str
}  # fmt: skip
_IN_CONFIG = ("model", "tools", "response_format", "json_schema", "variables")


def _items(data: Any) -> list[Any]:
    if isinstance(data, dict) and isinstance(data.get("data"), list):
        data = data["data"]
    return data if isinstance(data, list) else [data]


def _is_prompt(item: Any) -> bool:
    return isinstance(item, dict) and "prompt" in item and ("type" in item or "labels" in item or "config" in item)


def _recognises(source: Source) -> bool:
    items = _items(source.data)
    return bool(items) and all(_is_prompt(item) for item in items)


def _read(source: Source) -> list[Imported]:
    items = _items(source.data)
    return [
        _prompt(item, f"{source.name} $[{index}]" if len(items) > 1 else source.name)
        for index, item in enumerate(items)
    ]


def _prompt(item: Any, place: str) -> Imported:
    given = fields(
        item,
        place,
        {"name": str, "prompt": (str, list), "config": dict, "tags": list, "labels": list, "commitMessage": str},
    )
    content = given.get("prompt", "")
    for index, message in enumerate(content if isinstance(content, list) else ()):
        if isinstance(message, dict) and message.get("type") == "placeholder":
            raise PromptError(
                f"the placeholder {message.get('name')!r} stands for messages that the caller gives",
                where=f"{place} prompt[{index}]",
                remedy="Take it out: callers of Moat send further messages after the prompt's own.",
            )
    if _REFERENCE in msgspec.json.encode(content).decode():
        raise PromptError(
            "it refers to another Langfuse prompt", where=place, remedy="Export it resolved, or write it out."
        )
    messages = from_chat(
        [{"role": "user", "content": content}] if isinstance(content, str) else content, f"{place} prompt"
    )
    config = given.get("config", {})
    known = fields(config, f"{place} config", {"model": str, "tools": list})
    notes = [*messages.notes]
    if given.get("labels"):
        notes.append(
            f"labels are not imported ({', '.join(map(str, given['labels']))}): release to an environment instead"
        )
    variables = dict(messages.variables)
    if "variables" in config:
        try:
            declared = msgspec.convert(config["variables"], dict[str, Variable])
            variables |= {name: declared[name] for name in declared if name in variables}
        except msgspec.ValidationError:
            notes.append("config.variables is not as Moat writes it: left out")
    schema = config.get("response_format", config.get("json_schema"))
    return Imported(
        PromptVersion(
            name=given.get("name", ""),
            version=semantic(item.get("version")),
            messages=messages.templates,
            model=known.get("model", ""),
            variables=variables,
            params={key: value for key, value in config.items() if key not in _IN_CONFIG},
            output=output_schema(schema),
            metadata={
                **({"description": given["commitMessage"]} if given.get("commitMessage") else {}),
                **({"tags": [str(tag) for tag in given["tags"]]} if given.get("tags") else {}),
            },
            tool_definitions=tuple(known.get("tools", ())),
        ),
        tuple(notes),
    )


def _write(prompt: PromptVersion) -> Exported:
    chat = to_chat(prompt)
    is_text = [message["role"] for message in chat] == ["user"]
    config = {
        **prompt.params,
        **({"model": prompt.model} if prompt.model else {}),
        **({"variables": prompt.variables} if prompt.variables else {}),
        **({"tools": prompt.tool_definitions} if prompt.tools else {}),
        **({"response_format": response_format(prompt)} if prompt.output is not None else {}),
    }
    tags = prompt.metadata.get("tags", [])
    data = {
        "name": prompt.name,
        "type": "text" if is_text else "chat",
        "prompt": chat[0]["content"] if is_text else chat,
        "config": config,
        "labels": [],
        "tags": tags,
        "commitMessage": str(prompt.metadata.get("description") or f"{prompt.id} from Moat"),
    }
    return Exported(json_text(data), lost(prompt, kept=("variables", "model", "params", "tools", "output", "metadata")))


LANGFUSE = Form("langfuse", "Langfuse prompts as its API gives them", _recognises, _read, _write)
