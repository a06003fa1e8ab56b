"""promptfoo: the `prompts` of a promptfooconfig.yaml, inline or in files beside it, and its JSON chat files.

Templates are Nunjucks, which Moat reads as Jinja where both mean the same; test cases and providers stay where they
are. See https://promptfoo.dev/docs/configuration/prompts.
"""

import re
from pathlib import Path
from typing import Any

import msgspec

from moat.documents import read_yaml
from moat.domain.errors import PromptError
from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.prompts.authoring import yaml_text
from moat.prompts.exchange.form import ROLES, Exported, Form, Imported, Source, json_text, lost, slug, to_chat
from moat.prompts.exchange.parts import from_jinja
from moat.prompts.files import read_text
from moat.prompts.syntax import SANDBOX, Extent, TemplateFlaw, check
from moat.prompts.tree import inside

_SEPARATOR = re.compile(r"^---[ \t]*$", re.MULTILINE)
_FILE = re.compile(r"[^\n{}]+\.(?:txt|md|json|ya?ml|j2|py|js|cjs|mjs|ts|csv)")
_TEXTS, _DATA = (".txt", ".md", ".j2"), (".json", ".yaml", ".yml")


def _is_chat(data: Any) -> bool:
    return isinstance(data, list) and bool(data) and all(isinstance(m, dict) and "role" in m for m in data)


def _recognises(source: Source) -> bool:
    return (isinstance(source.data, dict) and "prompts" in source.data) or _is_chat(source.data)


def _read(source: Source) -> list[Imported]:
    if _is_chat(source.data):
        return [_chat(source.data, source.name, "")]
    entries = source.data["prompts"]
    folder = source.path.parent
    found: list[Imported] = []
    for index, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        found += _entry(entry, folder, f"{source.name} prompts[{index}]")
    if not found:
        raise PromptError("holds no prompts", where=source.name)
    ignored = [key for key in ("tests", "defaultTest", "providers", "scenarios") if source.data.get(key)]
    note = f"not imported: {', '.join(ignored)}; write cases and scorers as a suite in evals/"
    return [Imported(item.prompt, (*item.notes, note)) if ignored else item for item in found]


def _entry(entry: Any, folder: Path, place: str) -> list[Imported]:
    """One element of `prompts`: a text, a file, or an object with `raw` or `id` and a `label`."""
    label = ""
    if isinstance(entry, dict):
        label = str(entry.get("label", ""))
        entry = entry.get("raw", entry.get("id", entry.get("file")))
    if not isinstance(entry, str):
        raise PromptError("a prompt is a text, a file:// reference or an object with `raw` or `id`", where=place)
    if entry.startswith("file://") or _FILE.fullmatch(entry):
        return _file(entry.removeprefix("file://"), folder, label, place)
    return [_inline(entry, place, slug(label))]


def _file(path: str, folder: Path, label: str, place: str) -> list[Imported]:
    suffix = Path(path).suffix.lower()
    if "*" in path or suffix not in (*_TEXTS, *_DATA):
        raise PromptError(
            f"{path!r} cannot be imported: prompts that are programs, tables or patterns are not supported",
            where=place,
            remedy="List the text or JSON files one by one.",
        )
    if "\0" in path or Path(path).is_absolute() or ".." in Path(path).parts:
        raise PromptError(f"{path!r} leads outside the folder of the configuration", where=place)
    file = inside(folder, path)
    name = slug(label or Path(path).stem)
    if suffix in _DATA:
        data = read_yaml(file, name=path).data
        if not _is_chat(data):
            raise PromptError("is not a list of chat messages", where=path)
        return [_chat(data, path, name)]
    texts = [text.strip("\n") for text in _SEPARATOR.split(read_text(file, path)) if text.strip()]
    if len(texts) == 1:
        return [_template([("user", texts[0])], path, name)]
    return [_template([("user", text)], path, f"{name}-{number}") for number, text in enumerate(texts, 1)]


def _inline(text: str, place: str, name: str) -> Imported:
    """An inline prompt is a text, or chat messages as JSON."""
    if text.lstrip().startswith("["):
        try:
            data = msgspec.json.decode(text)
        except msgspec.DecodeError:
            data = None
        if _is_chat(data):
            return _chat(data, place, name)
    return _template([("user", text)], place, name)


def _chat(data: list[Any], place: str, name: str) -> Imported:
    messages = []
    for index, message in enumerate(data):
        where = f"{place}[{index}]"
        if message["role"] not in ROLES or not isinstance(message.get("content"), str):
            raise PromptError("only messages with a known role and text can be imported", where=where)
        messages.append((message["role"], message["content"]))
    return _template(messages, place, name)


def _template(messages: list[tuple[str, str]], place: str, name: str) -> Imported:
    names: dict[str, Variable] = {}
    templates, notes, extent = [], [], Extent()
    for index, (role, text) in enumerate(messages):
        if text.endswith("\n"):
            text += "\n"  # Jinja takes one line break off the end, Nunjucks none
        try:
            checked = check(text, {}, extent)
            found = checked.variables()
            checked.compile()
        except TemplateFlaw as flaw:
            raise PromptError(
                f"the Nunjucks template is none for Moat: {flaw.what}",
                where=f"{place} message {index + 1} line {flaw.line}",
                remedy="Rewrite it with what docs/prompts.md names, or write included text out.",
            ) from None
        names |= dict.fromkeys(found, Variable())
        templates.append(MessageTemplate(role, text))  # type: ignore[arg-type]  # the role was checked
        if "{%" in text or any(kind == "pipe" for _, kind, _ in SANDBOX.lex(text)):
            notes.append("it uses Nunjucks tags or filters: Jinja's of the same name are taken; render it and compare")
    prompt = PromptVersion(
        name=name,
        version="",
        messages=tuple(templates),
        model="",
        variables=names,
    )
    return Imported(prompt, tuple(dict.fromkeys(notes)))


def _write(prompt: PromptVersion) -> Exported:
    chat = to_chat(prompt)
    is_text = [message["role"] for message in chat] == ["user"]
    raw = chat[0]["content"] if is_text else json_text(chat)
    again = _inline(raw, "", "") if is_text else _chat(chat, "", "")
    meant = [from_jinja(message.content, prompt.partials) for message in prompt.messages]
    if [from_jinja(message.content, {}) for message in again.prompt.messages] != meant:
        raise PromptError(f"{prompt.id} holds text that promptfoo would take for markup", remedy="Use another format.")
    data = {
        "description": str(prompt.metadata.get("description", "")),
        "prompts": [{"id": prompt.name, "label": prompt.id, "raw": raw}],
        "providers": [],
        "tests": [],
    }
    notes = lost(prompt, kept=("metadata",))
    return Exported(yaml_text(data), (*notes, "`providers` and `tests` are empty: fill them in"))


PROMPTFOO = Form("promptfoo", "promptfoo configurations and JSON chat files", _recognises, _read, _write)
