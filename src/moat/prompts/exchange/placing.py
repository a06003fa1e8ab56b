"""Where imported prompts go: names, versions and files, without writing any."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from moat.documents import read_yaml
from moat.domain.errors import PromptError
from moat.domain.releases import PromptVersion
from moat.prompts.authoring import FIRST_VERSION, next_version, prompt_path, prompt_text, tool_path, tool_text
from moat.prompts.exchange.form import Imported
from moat.prompts.tools import Tool, read_tool, schema_flaw
from moat.prompts.tree import TOOLS, entries, inside


class Placed(NamedTuple):
    """Files to write for a prompt, the prompt's own last."""

    id: str
    files: dict[str, str]
    """Text by path relative to the root."""
    notes: tuple[str, ...]


def placed(root: Path, item: Imported, *, name: str, version: str, model: str) -> Placed:
    """The files of an imported prompt. What is given comes before what the file says.

    A tool that is there with the same definition is referred to; another one becomes a new version. Raises
    `PromptError` for a name or version that cannot be, and when the prompt names no model.
    """
    prompt, notes = item.prompt, [*item.notes]
    name = name or _name(prompt.name, notes)
    if not name:
        raise PromptError("the file does not say the prompt's name", remedy="Say --name NAME.")
    target = model or prompt.model
    if not target:
        raise PromptError(f"{name} names no model", remedy="Say --model ALIAS, one of moat.yaml.")
    if model and prompt.model and model != prompt.model:
        notes.append(f"the model is {model}; the file says {prompt.model}")
    files: dict[str, str] = {}
    references = [_tool(root, definition, files, notes) for definition in prompt.tool_definitions]
    changes: dict[str, Any] = {
        "name": name, "version": version or prompt.version or FIRST_VERSION, "model": target, "tools": tuple(references)
    }  # fmt: skip
    finished: PromptVersion = msgspec.structs.replace(prompt, **changes)
    files[prompt_path(finished.name, finished.version)] = prompt_text(finished)
    return Placed(finished.id, files, tuple(notes))


def _name(foreign: str, notes: list[str]) -> str:
    """Other products allow any text, such as `movie critic`. What leads elsewhere, and control characters, stay as they
    are, and are refused.
    """
    name = re.sub(r"[^A-Za-z0-9_./\x00-\x1f\x7f-]+", "-", foreign).strip("-")
    if name != foreign:
        notes.append(f"the name is {name}; the file says {foreign!r}")
    return name


def _tool(root: Path, definition: Any, files: dict[str, str], notes: list[str]) -> str:
    """A reference to the tool; its file is added when it is new."""
    function = definition.get("function") if isinstance(definition, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str):
        raise PromptError("a tool without `function.name` cannot be imported", where="tools")
    if left := sorted(function.keys() - {"name", "description", "parameters"}):
        notes.append(f"the tool {name}: {', '.join(left)} left out")
    try:
        tool = msgspec.convert(
            {
                "description": function.get("description") or name,
                "parameters": function.get("parameters") or {"type": "object", "properties": {}},
            },
            Tool,
        )
    except msgspec.ValidationError as error:
        raise PromptError(f"the tool {name!r} cannot be imported: {error}", where="tools") from None
    if flaw := schema_flaw(tool.parameters):
        raise PromptError(f"the parameters of the tool {name!r} are no JSON Schema: {flaw}", where="tools")
    known = [entry for entry in entries(root, TOOLS) if entry.name == name]
    for entry in known:
        there = read_tool(read_yaml(inside(root, entry.path), name=entry.path), name)
        if (there.description, there.parameters) == (tool.description, tool.parameters):
            return f"{name}@{entry.version}"
    version = next_version([entry.version for entry in known], "minor")
    files[tool_path(name, version)] = tool_text(tool)
    return f"{name}@{version}"
