"""Plain text and Markdown: one user message, with `{{ name }}` or, when there is none of those, Python's `{name}`."""

import re

from moat.domain.errors import PromptError
from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.prompts.exchange.form import Exported, Form, Imported, Source, from_chat, lost, to_chat
from moat.prompts.exchange.parts import from_format, from_mustache, slots, to_jinja

_BARE = re.compile(r"(?<!\{)\{[A-Za-z_][A-Za-z0-9_]*\}(?!\})")


def _recognises(source: Source) -> bool:
    return source.path.suffix.lower() in (".txt", ".md", ".markdown")


def _read(source: Source) -> list[Imported]:
    text = source.text.removesuffix("\n")
    if not slots(from_mustache(text)) and _BARE.search(text):
        parts = from_format(text)
        names = slots(parts)
        prompt = _prompt(MessageTemplate("user", to_jinja(parts)), dict.fromkeys(names, Variable()))
        shown = ", ".join(f"{{{name}}}" for name in names)
        return [Imported(prompt, (f"{shown} were taken for variables as in Python's str.format, '{{{{' for a brace",))]
    messages = from_chat([{"role": "user", "content": text}], source.name)
    return [Imported(_prompt(messages.templates[0], messages.variables), messages.notes)]


def _prompt(message: MessageTemplate, variables: dict[str, Variable]) -> PromptVersion:
    return PromptVersion(name="", version="", messages=(message,), model="", variables=variables)


def _write(prompt: PromptVersion) -> Exported:
    if len(prompt.messages) > 1:
        raise PromptError(
            f"{prompt.id} has {len(prompt.messages)} messages, and a text has one", remedy="Use another format."
        )
    (message,) = to_chat(prompt)
    role = message["role"]
    notes = () if role == "user" else (f"not in the file: the message's role ({role})",)
    return Exported(message["content"] + "\n", (*notes, *lost(prompt)))


TEXT = Form("text", "plain text or Markdown, one user message", _recognises, _read, _write)
