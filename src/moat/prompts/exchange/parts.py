"""Templates of other tools: text with named slots, to and from Jinja.

Imported text is data. Whatever in it Jinja would take for markup is written as a quoted constant, so it comes out as
it went in and runs nothing.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from jinja2 import nodes

from moat.domain.errors import PromptError
from moat.prompts.syntax import TemplateFlaw, check


class Slot(NamedTuple):
    """Where a variable's value goes."""

    name: str


Parts = tuple[str | Slot, ...]
"""A template without logic, in order."""

_MUSTACHE = re.compile(r"\{\{\s*([A-Za-z_](?:[\w. -]*\w)?)\s*\}\}", re.ASCII)
_FORMAT = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")
_OPENING = re.compile(r"\{[{%#]|\{$")
_NOT_WORD = re.compile(r"\W+", re.ASCII)
_RESERVED = frozenset(
    {
        "and", "or", "not", "in", "is", "if", "else", "elif", "for", "true", "false", "none", "True", "False", "None",
        "loop", "self", "super", "caller", "range", "namespace",
    }
)  # fmt: skip


def from_mustache(text: str) -> Parts:
    """`{{name}}` and `{{ name }}` are slots, all else is text. A name that is none here has `_` for what is no letter
    or digit (`user.name` is `user_name`).
    """
    return _merged(Slot(_identifier(part)) if slot else part for slot, part in _split(_MUSTACHE, text))


def from_format(text: str) -> Parts:
    """As Python's `str.format` has it: `{name}` is a slot, `{{` and `}}` are braces."""
    found: list[str | Slot] = []
    end = 0
    for match in _FORMAT.finditer(text):
        found.append(text[end : match.start()])
        found.append(Slot(match[1]) if match[1] else match[0][0])
        end = match.end()
    return _merged(iter([*found, text[end:]]))


def renamed(text: str) -> dict[str, str]:
    """The names in a mustache text that become others: old to new. Raises `PromptError` when two become one."""
    names = {part: _identifier(part) for slot, part in _split(_MUSTACHE, text) if slot}
    if len(set(names.values())) < len(names):
        twins = ", ".join(sorted(map(repr, names)))
        raise PromptError(f"some of the variables {twins} would have the same name", remedy="Rename one before.")
    return {old: new for old, new in names.items() if old != new}


def to_jinja(parts: Parts) -> str:
    """A template that renders to exactly these parts."""
    text = "".join(
        f"{{{{ {part.name} }}}}" if isinstance(part, Slot) else _OPENING.sub(lambda m: f"{{{{ '{m[0]}' }}}}", part)
        for part in parts
    )
    return f"{text}\n" if text.endswith("\n") else text  # Jinja takes one line break off the end


def from_jinja(template: str, partials: Mapping[str, str]) -> Parts:
    """The parts of a template without logic; partials are written out.

    Raises `PromptError` for what only Jinja can say, such as `if` and filters.
    """
    try:
        tree = check(template, partials).tree
    except TemplateFlaw as flaw:
        raise PromptError(flaw.what, where=f"line {flaw.line}", remedy=flaw.remedy) from None
    return _merged(_walk(tree.body))


def to_mustache(parts: Parts) -> str:
    """With `{{name}}` for slots. Raises `PromptError` when some text of it would be taken for a slot."""
    text = "".join(f"{{{{{part.name}}}}}" if isinstance(part, Slot) else part for part in parts)
    if from_mustache(text) != parts:
        raise PromptError("it holds text that would be taken for a variable there: a double brace")
    return text


def slots(parts: Parts) -> list[str]:
    """Names, each once, in order."""
    return list(dict.fromkeys(part.name for part in parts if isinstance(part, Slot)))


def _split(pattern: re.Pattern[str], text: str) -> Iterator[tuple[bool, str]]:
    """Text between matches and the first group of matches: is it a match, and what."""
    end = 0
    for match in pattern.finditer(text):
        yield False, text[end : match.start()]
        yield True, match[1]
        end = match.end()
    yield False, text[end:]


def _identifier(name: str) -> str:
    plain = _NOT_WORD.sub("_", name)
    return f"{plain}_" if plain in _RESERVED else plain


def _merged(parts: Iterator[str | Slot]) -> Parts:
    """Neighbouring texts as one, empty ones left out."""
    found: list[str | Slot] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif part:
            found.append(part)
    return tuple(found)


def _walk(body: list[nodes.Node]) -> Iterator[str | Slot]:
    for node in body:
        match node:
            case nodes.Output():
                yield from _walk(list(node.nodes))
            case nodes.Scope():
                yield from _walk(node.body)
            case nodes.TemplateData():
                yield node.data
            case nodes.Const(value=str()):
                yield node.value
            case nodes.Name():
                yield Slot(node.name)
            case _:
                kind = type(node).__name__.lower()
                raise PromptError(
                    f"its template has logic ({kind}), which the other format cannot hold",
                    remedy="Export the rendered messages, or simplify the template.",
                )
