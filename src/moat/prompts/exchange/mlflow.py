"""MLflow's prompt registry: a `PromptVersion` as JSON, or a model version that holds one in its tags.

`{name, version, template, commit_message, tags, response_format, model_config}`, `template` being a text or chat
messages with `{{name}}`. See https://mlflow.org/docs/latest/genai/prompt-registry/.
"""

from typing import Any

import msgspec

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
    semantic,
    to_chat,
)  # fmt: skip

_TEXT = "mlflow.prompt.text"
_TYPE, _FORMAT, _CONFIG = "_mlflow_prompt_type", "_mlflow_prompt_response_format", "_mlflow_prompt_model_config"


def _tags(data: Any) -> dict[str, Any]:
    """Tags are an object, or a list of keys and values."""
    found = data.get("tags") if isinstance(data, dict) else None
    if isinstance(found, list):
        found = {item["key"]: item.get("value") for item in found if isinstance(item, dict) and "key" in item}
    return found if isinstance(found, dict) else {}


def _recognises(source: Source) -> bool:
    return isinstance(source.data, dict) and ("template" in source.data or _TEXT in _tags(source.data))


def _read(source: Source) -> list[Imported]:
    place = source.name
    tags = _tags(source.data)
    given = fields(source.data, place, {"name": str, "model_config": dict, "commit_message": str, "description": str})
    template = source.data.get("template")
    if template is None:
        template = tags.get(_TEXT)
        if tags.get(_TYPE) == "chat":
            template = _decoded(template, f"{place} {_TEXT}")
    if not isinstance(template, str | list):
        raise PromptError("`template` must be a text or a list of messages", where=place)
    messages = from_chat(
        [{"role": "user", "content": template}] if isinstance(template, str) else template, f"{place} template"
    )
    config = given.get("model_config") or (_decoded(tags[_CONFIG], f"{place} {_CONFIG}") if _CONFIG in tags else {})
    named = fields(config, f"{place} model_config", {"model_name": str})
    schema = source.data.get("response_format") or (
        _decoded(tags[_FORMAT], f"{place} {_FORMAT}") if _FORMAT in tags else None
    )
    params = {
        key: value for key, value in config.items() if key not in ("model_name", "provider") and value is not None
    }
    notes = [*messages.notes]
    own = sorted(key for key in tags if "mlflow" not in key)
    if own:
        notes.append(f"tags are imported as names only: {', '.join(own)}")
    if source.data.get("aliases"):
        notes.append("aliases are not imported: release to an environment instead")
    description = given.get("commit_message") or given.get("description") or ""
    return [
        Imported(
            PromptVersion(
                name=given.get("name", ""),
                version=semantic(source.data.get("version")),
                messages=messages.templates,
                model=named.get("model_name", ""),
                variables=messages.variables,
                params=params,
                output=output_schema(schema),
                metadata={
                    **({"description": description} if description else {}),
                    **({"tags": own} if own else {}),
                },
            ),
            tuple(notes),
        )
    ]


def _decoded(text: Any, place: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, TypeError):
        raise PromptError("is not JSON", where=place) from None


def _write(prompt: PromptVersion) -> Exported:
    chat = to_chat(prompt)
    is_text = [message["role"] for message in chat] == ["user"]
    data = {
        "name": prompt.name,
        "template": chat[0]["content"] if is_text else chat,
        "commit_message": str(prompt.metadata.get("description") or f"{prompt.id} from Moat"),
        "tags": dict.fromkeys(prompt.metadata.get("tags", []), ""),
        **({"response_format": prompt.output} if prompt.output is not None else {}),
        "model_config": {**({"model_name": prompt.model} if prompt.model else {}), **prompt.params},
    }
    return Exported(json_text(data), lost(prompt, kept=("model", "params", "output", "metadata")))


MLFLOW = Form("mlflow", "MLflow prompt versions as JSON", _recognises, _read, _write)
