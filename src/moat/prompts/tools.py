"""Tools: `tools/<name>/<semver>.yaml`."""

import re
from typing import Any

import jsonschema_rs
import msgspec

from moat.documents import Document, decode
from moat.domain.errors import PromptError

_FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Tool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function that a model may call."""

    description: str
    parameters: dict[str, Any]
    """JSON Schema of the arguments, an object."""
    examples: list[dict[str, Any]] = []
    """Arguments that must validate."""
    counter_examples: list[dict[str, Any]] = []
    """Arguments that must not."""


def read_tool(document: Document, name: str) -> Tool:
    """Decode a tool's file. Raises `PromptError` with file and line."""
    if not _FUNCTION_NAME.fullmatch(name):
        raise PromptError(
            f"{name!r} is not a function name",
            where=document.name,
            remedy="Providers take up to 64 letters, digits, '_' and '-'.",
        )
    return decode(document, Tool, error=PromptError)


def definition(name: str, tool: Tool) -> dict[str, Any]:
    """The tool as an element of `tools` in the OpenAI chat format."""
    return {
        "type": "function",
        "function": {"name": name, "description": tool.description, "parameters": tool.parameters},
    }


def schema_flaw(schema: dict[str, Any]) -> str:
    """Why this is not a JSON Schema; empty when it is."""
    try:
        jsonschema_rs.validator_for(schema, offline=True)
    except jsonschema_rs.ValidationError as error:
        return error.message
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        return str(error)
    return ""


def mistaken_examples(tool: Tool) -> list[tuple[str, int, str]]:
    """Examples that do not validate and counter-examples that do: field, index, why."""
    validator = jsonschema_rs.validator_for(tool.parameters, offline=True)
    mistakes = []
    for index, example in enumerate(tool.examples):
        error = next(iter(validator.iter_errors(example)), None)
        if error is not None:
            mistakes.append(("examples", index, f"the example does not fit `parameters`: {error.message}"))
    for index, example in enumerate(tool.counter_examples):
        if validator.is_valid(example):
            mistakes.append(("counter_examples", index, "the counter-example fits `parameters`"))
    return mistakes
