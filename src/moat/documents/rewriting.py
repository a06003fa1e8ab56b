"""Change values in a YAML text and nothing else: comments, order and quoting of all other lines stay byte for byte.

The text is changed one difference at a time, and read again after each: what cannot be changed exactly as it is meant,
such as a value that others refer to, is refused and not guessed.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from moat.documents.spots import Spot, spots
from moat.documents.written import flow, key_text, scalar
from moat.documents.yaml import Document, JsonPath, parse_yaml
from moat.domain.errors import DocumentError

INDENT = "  "


class _Change(NamedTuple):
    """The next difference to mend."""

    kind: str
    """`set`: another value; `add`: a new key, or a new last entry of a list; `remove`."""
    path: tuple[str | int, ...]
    value: Any = None


class _Piece(NamedTuple):
    """What takes the place of a part of the text."""

    start: int
    end: int
    text: str


def rewritten(document: Document, data: Any) -> str:
    """The document's text with as little changed as makes it hold `data`.

    Raises `DocumentError` with the place that has to be changed by hand.
    """
    text, held = document.source, document.data
    while (change := next(_differences(held, data, ()), None)) is not None:
        wanted = _applied(held, change.path, change)
        text = _edited(text, change, document.name)
        try:
            held = parse_yaml(text, name=document.name).data
        except DocumentError:
            held = None
        if not _same(held, wanted):
            raise _by_hand(document, change.path)
    return text


def _differences(old: Any, new: Any, path: tuple[str | int, ...]) -> Iterator[_Change]:
    """In an order in which each can be mended by itself, the first one with the paths as they are now."""
    if isinstance(old, dict) and isinstance(new, dict) and old and new:
        yield from (change for key in old if key in new for change in _differences(old[key], new[key], (*path, key)))
        yield from (_Change("add", (*path, key), value) for key, value in new.items() if key not in old)
        yield from (_Change("remove", (*path, key)) for key in old if key not in new)
    elif isinstance(old, list) and isinstance(new, list) and old and new:
        yield from _in_lists(old, new, path)
    elif not _same(old, new):
        yield _Change("set", path, new)


def _in_lists(old: list[Any], new: list[Any], path: tuple[str | int, ...]) -> Iterator[_Change]:
    shorter = min(len(old), len(new))
    head = next((i for i in range(shorter) if not _same(old[i], new[i])), shorter)
    tail = next((i for i in range(shorter - head) if not _same(old[-1 - i], new[-1 - i])), shorter - head)
    if len(old) == len(new):
        for index in range(head, len(old) - tail):
            yield from _differences(old[index], new[index], (*path, index))
    elif len(old) > len(new):
        yield _Change("remove", (*path, head))
    elif head == len(old):
        yield _Change("add", (*path, head), new[head])
    else:
        yield _Change("set", path, new)


def _same(one: Any, other: Any) -> bool:
    """Equal, and of the same types: 1 is neither `true` nor 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _applied(data: Any, path: JsonPath, change: _Change) -> Any:
    """The data after a change. What is shared with other places, as aliases are, is copied and not changed there."""
    if not path:
        return change.value
    step, rest = path[0], path[1:]
    held = dict(data) if isinstance(data, dict) else dict(enumerate(data))
    if not rest and change.kind == "remove":
        del held[step]
    else:
        held[step] = _applied(held.get(step), rest, change)
    return held if isinstance(data, dict) else list(held.values())


def _edited(text: str, change: _Change, name: str) -> str:
    """The text after one change; what comes of it is looked at by the caller. Raises `DocumentError`."""
    document = parse_yaml(text, name=name)
    parent: Spot | None = None
    spot = spots(text)
    for step in change.path[:-1] if change.kind == "add" else change.path:
        parent, found = spot, spot.children.get(step)
        if found is None:  # below an alias
            raise _by_hand(document, change.path)
        spot = found
    act: dict[str, Callable[[], list[_Piece]]] = {
        "set": lambda: _set(text, spot, change.value),
        "add": lambda: _add(text, spot, change.path, change.value),
        "remove": lambda: _remove(text, spot, parent),
    }
    pieces = act[change.kind]()
    if not pieces:
        raise _by_hand(document, change.path)
    for piece in sorted(pieces, reverse=True):
        text = text[: piece.start] + piece.text + text[piece.end :]
    return text


def _set(text: str, spot: Spot, value: Any) -> list[_Piece]:
    """Another value, on the line of its key where it was a block."""
    shown = scalar(value, spot.quote) if not isinstance(value, dict | list) else flow(value)
    if spot.block or spot.start == spot.end:
        if spot.after_key is None:
            return []
        return [_Piece(spot.after_key, max(spot.end, spot.after_key), f" {shown}")]
    return [_Piece(spot.start, spot.end, shown)]


def _add(text: str, parent: Spot, path: JsonPath, value: Any) -> list[_Piece]:
    """A further key or entry, behind the last one."""
    step = path[-1]
    label = f"{key_text(step)}: " if isinstance(step, str) else ""
    if not parent.children:  # an alias
        return []
    last = list(parent.children.values())[-1]
    if parent.flow:
        return _add_flowing(text, parent, last, f"{label}{flow(value)}")
    column = _column(text, last)
    if column is None:
        return []
    column = column.replace("-", " ")
    end, newline = _line_end(text, last.end), _newline(text)
    lines = _entry(value, text[last.start] == "{") if isinstance(step, int) else _section(step, value, len(path) == 1)
    added = "".join(f"{newline}{line and column + line}" for line in lines)
    return [_Piece(end, end, added)]


def _add_flowing(text: str, parent: Spot, last: Spot, shown: str) -> list[_Piece]:
    begins = text.rfind("\n", 0, last.whole_start) + 1
    indent = text[begins : last.whole_start]
    if indent.strip() or parent.start >= begins:
        return [_Piece(last.end, last.end, f", {shown}")]
    # Each stands on a line of its own: so does this one, and what is said of the last one stays beside it.
    end = _line_end(text, last.end)
    behind = text[last.end : end].strip()
    if behind[:1] not in ("", ",", "#"):
        return [_Piece(last.end, last.end, f", {shown}")]
    line = f"{_newline(text)}{indent}{shown}"
    if behind.startswith(","):
        return [_Piece(end, end, f"{line},")]
    return [_Piece(last.end, end, f",{text[last.end : end]}{line}")]


def _remove(text: str, spot: Spot, parent: Spot | None) -> list[_Piece]:
    if parent is None:
        return []
    siblings = list(parent.children.values())
    index = siblings.index(spot)
    if not parent.flow:
        return _remove_lines(text, spot, parent)
    if index + 1 < len(siblings):
        return [_Piece(spot.whole_start, siblings[index + 1].whole_start, "")]
    return [_Piece(siblings[index - 1].end, spot.end, "")]


def _remove_lines(text: str, spot: Spot, parent: Spot) -> list[_Piece]:
    """The lines of a key or entry of a block, whose comments are on them."""
    siblings, column = list(parent.children.values()), _column(text, spot)
    begins, ends = text.rfind("\n", 0, spot.whole_start) + 1, text.find("\n", spot.end)
    if column is None:
        return []
    if column.strip():  # the first key of an entry, on the line of its dash
        return [_Piece(spot.whole_start, siblings[1].whole_start, "")]
    return [_Piece(begins, ends + 1 if ends >= 0 else len(text), "")]


def _column(text: str, spot: Spot) -> str | None:
    """What stands before a key or the dash of an entry on its line, as its siblings have it too; None: more than that
    may stand there.
    """
    begins = text.rfind("\n", 0, spot.whole_start) + 1
    before = text[begins : spot.whole_start]
    if spot.after_dash:
        dash = before.rfind("-")
        return before[:dash] if dash >= 0 and not before.replace("-", "", 1).strip() else None
    return before if not before.strip(" -") else None


def _entry(value: Any, flowing: bool) -> list[str]:
    """Lines of an entry of a block list, in the manner of the one before."""
    if flowing or not isinstance(value, dict) or not value:
        return [f"- {flow(value)}"]
    lines = [f"{key_text(key)}: {flow(item)}" for key, item in value.items()]
    return [f"- {lines[0]}", *(f"{INDENT}{line}" for line in lines[1:])]


def _section(key: str | int, value: Any, top: bool) -> list[str]:
    """Lines of a key of a block; of the file itself, apart from what stands before and its entries below it."""
    label = key_text(str(key))
    if not top or not isinstance(value, dict | list) or not value:
        return [f"{label}: {flow(value)}"]
    if isinstance(value, list):
        return ["", f"{label}:", *(f"{INDENT}- {flow(item)}" for item in value)]
    return ["", f"{label}:", *(f"{INDENT}{key_text(name)}: {flow(item)}" for name, item in value.items())]


def _line_end(text: str, at: int) -> int:
    """Where the line ends, before its line break."""
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    return end - 1 if end > at and text[end - 1] == "\r" else end


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _by_hand(document: Document, path: JsonPath) -> DocumentError:
    shown = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return DocumentError(
        f"{shown} is written in a way that cannot be changed without changing more",
        where=document.place(path),
        remedy="Change it by hand, in the file.",
    )
