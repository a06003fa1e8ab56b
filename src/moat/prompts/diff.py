"""What changed between two prompt versions: texts word by word, everything else by its path. Pure functions."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from moat.domain.releases import PromptVersion, Variable, prompt_digest
from moat.domain.usage import estimate_tokens
from moat.prompts.lengths import fixed_size

MAX_COMPARED = 2000
"""Lines, or words, of one passage that are aligned; a longer passage is shown as replaced whole."""

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


class Piece(msgspec.Struct, frozen=True):
    """A passage of a text that both versions have, or one of them."""

    kind: Literal["same", "gone", "new"]
    text: str


class TextDiff(msgspec.Struct, frozen=True, kw_only=True):
    """One text that is not the same in both: `gone` and `same` pieces make the old one, `new` and `same` the new."""

    name: str
    """`messages[1] user`, counted in the new version (in the old one for a message that is gone), or `partial tone`."""
    change: Literal["added", "removed", "changed"]
    pieces: tuple[Piece, ...]


class FieldDiff(msgspec.Struct, frozen=True, kw_only=True):
    """One value that is not the same in both."""

    path: str
    """`model`, `params.temperature`, `output.properties.intent.enum`, `tools.lookup_order.version`, ..."""
    change: Literal["added", "removed", "changed"]
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET


class PromptDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that distinguishes two versions, their numbers and names aside."""

    before: str
    """`name@version`."""
    after: str
    before_digest: str
    after_digest: str
    texts: tuple[TextDiff, ...]
    """Messages in order, then partials by name."""
    fields: tuple[FieldDiff, ...]
    """Model, parameters, variables, tools, output schema, metadata."""
    before_tokens: int
    """Estimated, as `fixed_tokens` does."""
    after_tokens: int

    @property
    def is_empty(self) -> bool:
        """Is nothing different, metadata included?"""
        return not self.texts and not self.fields


def diff(before: PromptVersion, after: PromptVersion) -> PromptDiff:
    """Compare two versions, whatever their names."""
    return PromptDiff(
        before=before.id,
        after=after.id,
        before_digest=prompt_digest(before),
        after_digest=prompt_digest(after),
        texts=(*_messages(before, after), *_partials(before.partials, after.partials)),
        fields=tuple(_fields(_described(before), _described(after), "")),
        before_tokens=fixed_tokens(before),
        after_tokens=fixed_tokens(after),
    )


def words(before: str, after: str) -> tuple[Piece, ...]:
    """How one text becomes another: lines are aligned first, then the words of those that changed."""
    pieces: list[Piece] = []
    for same, old, new in _aligned(before.splitlines(keepends=True), after.splitlines(keepends=True)):
        if same:
            pieces.append(Piece("same", old))
        else:
            for kept, gone, added in _aligned(_WORDS.findall(old), _WORDS.findall(new)):
                pieces += [Piece("same", gone)] if kept else [Piece("gone", gone), Piece("new", added)]
    return _joined(pieces)


def marked(pieces: tuple[Piece, ...]) -> str:
    """The change as plain text, `[-gone-]` and `{+new+}`."""
    marks = {"same": ("", ""), "gone": ("[-", "-]"), "new": ("{+", "+}")}
    return "".join(f"{marks[piece.kind][0]}{piece.text}{marks[piece.kind][1]}" for piece in pieces)


def fixed_tokens(prompt: PromptVersion) -> int:
    """About how many tokens each call sends before any variable has a value: texts with their partials, tool
    definitions and output schema. Both branches of an `if` count, and a loop's body once.
    """
    sizes: dict[str, int] = {}
    characters = sum(fixed_size(message.content, prompt.partials, sizes) for message in prompt.messages)
    schemas = [*prompt.tool_definitions, *([prompt.output] if prompt.output is not None else [])]
    return estimate_tokens(" " * characters) + sum(estimate_tokens(_canonical(schema).decode()) for schema in schemas)


def _messages(before: PromptVersion, after: PromptVersion) -> Iterator[TextDiff]:
    """Equal messages are matched first; between them, those of the same role in order."""
    matcher = difflib.SequenceMatcher(a=before.messages, b=after.messages, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        paired: list[int] = []
        for index in range(new_start, new_end):
            message = after.messages[index]
            left = range(paired[-1] + 1 if paired else start, end)
            partner = next((i for i in left if before.messages[i].role == message.role), None)
            name = f"messages[{index}] {message.role}"
            if partner is None:
                yield TextDiff(name=name, change="added", pieces=(Piece("new", message.content),))
                continue
            paired.append(partner)
            yield TextDiff(name=name, change="changed", pieces=words(before.messages[partner].content, message.content))
        for index in sorted({*range(start, end)} - {*paired}):
            message = before.messages[index]
            name = f"messages[{index}] {message.role}"
            yield TextDiff(name=name, change="removed", pieces=(Piece("gone", message.content),))


def _partials(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[TextDiff]:
    for name in sorted(before.keys() | after.keys()):
        title = f"partial {name}"
        if name not in before:
            yield TextDiff(name=title, change="added", pieces=(Piece("new", after[name]),))
        elif name not in after:
            yield TextDiff(name=title, change="removed", pieces=(Piece("gone", before[name]),))
        elif before[name] != after[name]:
            yield TextDiff(name=title, change="changed", pieces=words(before[name], after[name]))


def _aligned(before: list[str], after: list[str]) -> Iterator[tuple[bool, str, str]]:
    """Runs of elements: are they the same, and their text on both sides."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if head:
        yield True, "".join(before[:head]), "".join(after[:head])
    if max(len(old), len(new)) > MAX_COMPARED:
        yield False, "".join(old), "".join(new)
    else:
        for tag, i, j, k, m in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
            yield tag == "equal", "".join(old[i:j]), "".join(new[k:m])
    if tail:
        yield True, "".join(before[-tail:]), "".join(after[-tail:])


def _joined(pieces: list[Piece]) -> tuple[Piece, ...]:
    """Neighbours of one kind in one piece; white space between two changes belongs to both."""
    found: list[Piece] = []
    gone = new = ""

    def flush() -> None:
        nonlocal gone, new
        found.extend(piece for piece in (Piece("gone", gone), Piece("new", new)) if piece.text)
        gone = new = ""

    for index, piece in enumerate(pieces):
        if piece.kind == "gone":
            gone += piece.text
        elif piece.kind == "new":
            new += piece.text
        elif piece.text.isspace() and (gone or new) and any(p.kind != "same" for p in pieces[index + 1 : index + 2]):
            gone += piece.text
            new += piece.text
        elif piece.text:
            flush()
            if found and found[-1].kind == "same":
                piece = Piece("same", found.pop().text + piece.text)
            found.append(piece)
    flush()
    return tuple(found)


def _described(prompt: PromptVersion) -> dict[str, Any]:
    """All but the texts, as plain data."""
    tools = {}
    for index, definition in enumerate(prompt.tool_definitions):
        reference = prompt.tools[index] if index < len(prompt.tools) else ""
        name = str(definition.get("function", {}).get("name", index))
        key = name if name not in tools else f"{name}[{index}]"
        tools[key] = {"version": reference.partition("@")[2], **definition}
    return {
        "model": prompt.model,
        "params": prompt.params,
        "variables": {name: _declaration(variable) for name, variable in prompt.variables.items()},
        "tools": tools,
        "metadata": prompt.metadata,
        **({} if prompt.output is None else {"output": prompt.output}),
    }


def _declaration(variable: Variable) -> dict[str, Any]:
    given = msgspec.to_builtins(variable)
    return {key: value for key, value in given.items() if (key, value) not in (("enum", None), ("description", ""))}


def _fields(before: Any, after: Any, path: str) -> Iterator[FieldDiff]:
    if _canonical(before) == _canonical(after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            inner = f"{path}.{key}" if path else key
            if key not in before:
                yield FieldDiff(path=inner, change="added", after=after[key])
            elif key not in after:
                yield FieldDiff(path=inner, change="removed", before=before[key])
            else:
                yield from _fields(before[key], after[key], inner)
    elif _is_objects(before) and _is_objects(after):
        shared = min(len(before), len(after))
        for index in range(shared):
            yield from _fields(before[index], after[index], f"{path}[{index}]")
        for index in range(shared, len(before)):
            yield FieldDiff(path=f"{path}[{index}]", change="removed", before=before[index])
        for index in range(shared, len(after)):
            yield FieldDiff(path=f"{path}[{index}]", change="added", after=after[index])
    else:
        yield FieldDiff(path=path, change="changed", before=before, after=after)


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict | list) for item in value)


def _canonical(value: Any) -> bytes:
    """Two values are the same when this is: 1, 1.0 and true are three values, as in the digest."""
    return msgspec.json.encode(value, order="sorted")
