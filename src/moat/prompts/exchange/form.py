"""What every format of other tools does, and what formats share."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from moat.domain.errors import PromptError
from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.prompts.exchange.parts import from_jinja, from_mustache, renamed, slots, to_jinja, to_mustache
from moat.prompts.semver import is_version

ROLES = ("system", "developer", "user", "assistant")

_NAME_PIECE = re.compile(r"[^A-Za-z0-9_.-]+")


class Source(NamedTuple):
    """A file to import."""

    path: Path
    text: str
    data: Any
    """Its JSON or YAML; None for plain text."""

    @property
    def name(self) -> str:
        """For messages."""
        return self.path.name


class Imported(NamedTuple):
    """A prompt that was read, and what of it did not come along."""

    prompt: PromptVersion
    """Name and version are empty where the file has none. Its tools are definitions without references."""
    notes: tuple[str, ...] = ()


class Exported(NamedTuple):
    """The text of a file, and what of the prompt is not in it."""

    text: str
    notes: tuple[str, ...] = ()


class Form(NamedTuple):
    """One format: how to recognise it, read it, write it. `read` and `write` raise `PromptError`."""

    name: str
    summary: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source], list[Imported]]
    write: Callable[[PromptVersion], Exported]


class Messages(NamedTuple):
    """Messages that were converted, with their variables and what is to be told about them."""

    templates: tuple[MessageTemplate, ...]
    variables: dict[str, Variable]
    notes: tuple[str, ...]


def from_chat(messages: Iterable[Any], place: str) -> Messages:
    """Chat messages with `{{name}}` in their texts. Raises `PromptError` for what is no text of a known role."""
    templates, notes = [], []
    found: dict[str, Variable] = {}
    for index, message in enumerate(messages):
        where = f"{place}[{index}]"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ROLES:
            raise PromptError(
                f"a message of the role {role!r} cannot be imported", where=where, remedy=f"Roles: {', '.join(ROLES)}."
            )
        if extra := sorted(message.keys() - {"role", "content", "type", "name"}):
            raise PromptError(f"a message with {', '.join(extra)} cannot be imported", where=where)
        text = _plain_text(message.get("content"), where)
        notes += [f"{where}: the variable {old!r} is called {new!r} now" for old, new in renamed(text).items()]
        if "{%" in text or "{#" in text:
            notes.append(f"{where}: '{{%' and '{{#' are kept as text; nothing is run")
        parts = from_mustache(text)
        found |= dict.fromkeys(slots(parts), Variable())
        templates.append(MessageTemplate(role, to_jinja(parts)))
    if not templates:
        raise PromptError("holds no messages", where=place)
    return Messages(tuple(templates), found, tuple(notes))


def to_chat(prompt: PromptVersion) -> list[dict[str, Any]]:
    """Chat messages with `{{name}}`, partials written out.

    Raises `PromptError`, naming the message, for logic, and for text that would be taken for a slot.
    """
    found = []
    for index, message in enumerate(prompt.messages):
        try:
            content = to_mustache(from_jinja(message.content, prompt.partials))
        except PromptError as error:
            where = f"{prompt.id} messages[{index}] {error.where}".rstrip()
            raise PromptError(error.what, where=where, remedy=error.remedy) from None
        found.append({"role": message.role, "content": content})
    return found


def lost(prompt: PromptVersion, *, kept: Iterable[str] = ()) -> tuple[str, ...]:
    """Notes on what a format has no place for; `kept` are the things it has one for."""
    typed = sorted(name for name, variable in prompt.variables.items() if variable != Variable())
    candidates = {
        "variables": bool(typed) and f"types, defaults and descriptions of variables: {', '.join(typed)}",
        "model": bool(prompt.model) and f"the model {prompt.model}",
        "params": bool(prompt.params) and f"parameters: {', '.join(sorted(prompt.params))}",
        "tools": bool(prompt.tools) and f"tools: {', '.join(prompt.tools)}",
        "output": prompt.output is not None and "the output schema",
        "metadata": bool(prompt.metadata) and f"metadata: {', '.join(sorted(prompt.metadata))}",
    }
    return tuple(f"not in the file: {said}" for what, said in candidates.items() if said and what not in kept)


def json_text(data: Any) -> str:
    """Indented JSON with a line break at the end."""
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n"


def semantic(version: Any) -> str:
    """Our version for another tool's: 3 is 3.0.0. Empty when there is none. Raises `PromptError` for nonsense."""
    text = str(version) if version is not None else ""
    found = f"{text}.0.0" if text.isdecimal() and text.isascii() else text
    if found and not is_version(found):
        raise PromptError(f"{text!r} is neither a number nor a semantic version", where="version")
    return found


def slug(text: str) -> str:
    """A part of a prompt's name made of a title; empty when nothing is left of it."""
    return _NAME_PIECE.sub("-", text).strip("-.")[:64].lower()


def fields(data: Any, place: str, wanted: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """The wanted fields that are there and not null. Raises `PromptError` for one of another type."""
    if not isinstance(data, dict):
        raise PromptError("must be an object", where=place)
    for key, kind in wanted.items():
        if data.get(key) is not None and not isinstance(data[key], kind):
            raise PromptError(f"`{key}` has the wrong type", where=place)
    return {key: data[key] for key in wanted if data.get(key) is not None}


def output_schema(response_format: Any) -> dict[str, Any] | None:
    """The JSON Schema in an OpenAI `response_format`, or one that stands there by itself; None for `json_object`."""
    if not isinstance(response_format, dict):
        return None
    wrapped = response_format.get("json_schema", response_format)
    schema = wrapped.get("schema", wrapped) if isinstance(wrapped, dict) else None
    if not isinstance(schema, dict) or schema.get("type") in ("json_object", "text", "json_schema"):
        return None
    return schema


def response_format(prompt: PromptVersion) -> dict[str, Any]:
    """`response_format` as OpenAI takes it."""
    schema = {"name": slug(prompt.name).replace("/", "-").replace(".", "-") or "answer", "schema": prompt.output}
    return {"type": "json_schema", "json_schema": schema}


def _plain_text(content: Any, where: str) -> str:
    """Text, or the texts of content parts one after the other; lines end as Jinja has them end."""
    if isinstance(content, str):
        return content.replace("\r\n", "\n").replace("\r", "\n")
    if isinstance(content, list) and content:
        texts = [part.get("text") if isinstance(part, dict) else None for part in content]
        kinds = {str(part.get("type")) if isinstance(part, dict) else "?" for part in content}
        if kinds <= {"text", "input_text", "output_text"} and all(isinstance(text, str) for text in texts):
            return _plain_text("".join(str(text) for text in texts), where)
        raise PromptError(f"content of the type {', '.join(sorted(kinds))} cannot be imported: only text", where=where)
    raise PromptError("a message without text cannot be imported", where=where)
