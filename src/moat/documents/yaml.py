"""YAML, strictly: JSON-like scalars (YAML 1.2 core schema), no duplicate keys, aliases bounded, places known."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from moat.domain.errors import DocumentError

MAX_BYTES = 8 * 2**20
MAX_NODES = 200_000
"""Nodes after alias expansion: a "billion laughs" file is refused before it is built."""
MAX_DEPTH = 100

JsonPath = Sequence[str | int]


_INTEGER = re.compile(r"[-+]?[0-9]{1,64}")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TOP_KEY = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]*:(?=[ \n]|\Z)", re.MULTILINE)
_NOTHING = re.compile(r"(?:#[^\n]*\n|\n)*")
_DOCUMENT_MARKS = ("---", "...", "%")
_UNDIVIDED = (*(f"\n{mark}" for mark in _DOCUMENT_MARKS), *"\r\x85\u2028\u2029\ufeff")
"""What could reach from one part of a file into another, or break lines in a way of its own."""
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = (None, "!", f"{_TAG}str", f"{_TAG}seq", f"{_TAG}map")


class _Node(NamedTuple):
    """Where a value stands (line from 0), and what is in it."""

    line: int
    block: bool = False
    children: "dict[str, _Node] | list[_Node] | None" = None


class _Value(NamedTuple):
    """A finished value, its place, and its size once aliases are expanded."""

    data: Any
    node: _Node
    size: int


class Document:
    """A parsed file that remembers where everything stood."""

    def __init__(
        self, name: str, data: Any, root: _Node | None, source: str = "", shifts: Mapping[str, int] | None = None
    ) -> None:
        self.name = name
        """Path or other name for messages."""
        self.data = data
        self.source = source
        self._root = root
        self._shifts = shifts or {}
        """Lines to add below a key of the top level, for what was parsed by itself."""

    def with_data(self, data: Any) -> "Document":
        """The same file with its values replaced; places stay where they were."""
        return Document(self.name, data, self._root, self.source, self._shifts)

    def line(self, path: JsonPath) -> int:
        """1-based line of the value at a path, or of its nearest existing parent."""
        node = self._root
        for step in path:
            child = _child(node, step)
            if child is None:
                break
            node = child
        shift = self._shifts.get(str(path[0]), 0) if path and node is not self._root else 0
        return node.line + shift + 1 if node is not None else 1

    def text_line(self, path: JsonPath) -> int:
        """1-based line where the first line of a text stands: below the `|` or `>` of a block, if it is one."""
        node = self._root
        for step in path:
            node = _child(node, step)
        return self.line(path) + (node is not None and node.block)

    def place(self, path: JsonPath) -> str:
        """`file:line` of a value."""
        return f"{self.name}:{self.line(path)}"


def read_yaml(path: Path, *, name: str = "") -> Document:
    """Read a YAML file. Raises `DocumentError` with file and line."""
    name = name or str(path)
    return parse_yaml(_read(path, name), name=name)


class Parts:
    """Reads many files that are alike: a key of the top level with its value, once parsed, is not parsed again.

    The result is that of `read_yaml`, always: whatever cannot be taken apart safely is parsed whole. Documents share
    the values of equal parts, so nobody may change them.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Value | None] = {}
        """By its text; None for a text that is no mapping by itself."""

    def read(self, path: Path, *, name: str) -> Document:
        """Read a YAML file. Raises `DocumentError` with file and line."""
        return self.parse(_read(path, name), name=name)

    def parse(self, text: str, *, name: str = "<text>") -> Document:
        """Parse YAML text. Raises `DocumentError` with place."""
        return self._joined(text, name) or parse_yaml(text, name=name)

    def _joined(self, text: str, name: str) -> Document | None:
        if any(mark in text for mark in _UNDIVIDED) or text.startswith(_DOCUMENT_MARKS):
            return None
        starts = [match.start() for match in _TOP_KEY.finditer(text)]
        if not starts or _NOTHING.fullmatch(text, 0, starts[0]) is None:
            return None
        data: dict[str, Any] = {}
        children: dict[str, _Node] = {}
        shifts: dict[str, int] = {}
        size, line = 1, text.count("\n", 0, starts[0])
        first = line
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
            part = text[start:end]
            value = self._part(part)
            if value is None or not isinstance(value.node.children, dict) or not data.keys().isdisjoint(value.data):
                return None
            data.update(value.data)
            children.update(value.node.children)
            shifts.update(dict.fromkeys(value.data, line))
            size += value.size - 1
            line += part.count("\n")
        return Document(name, data, _Node(first, False, children), text, shifts) if size <= MAX_NODES else None

    def _part(self, part: str) -> _Value | None:
        if part not in self._known:
            try:
                self._known[part] = _build(part, "")
            except DocumentError:
                self._known[part] = None
        return self._known[part]


def _read(path: Path, name: str) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DocumentError("no such file", where=name) from None
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", where=name) from error
    if len(raw) > MAX_BYTES:
        raise DocumentError(f"larger than {MAX_BYTES // 2**20} MiB", where=name)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DocumentError("not UTF-8 text", where=f"{name}:{line}", remedy="Save it as UTF-8.") from None


def parse_yaml(text: str, *, name: str = "<text>") -> Document:
    """Parse YAML text. Raises `DocumentError` with place, for duplicate keys and alias bombs too."""
    root = _build(text, name)
    return Document(name, None, None, text) if root is None else Document(name, root.data, root.node, text)


def _build(text: str, name: str) -> "_Value | None":
    builder = _Builder(name)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # An unfinished file fails on the line after its last.
        line = min(mark.line, text.rstrip().count("\n")) + 1 if mark else 1
        where = f"{name}:{line}:{mark.column + 1}" if mark else name
        raise DocumentError(f"not valid YAML: {error.problem or error.context}", where=where) from None
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentError(f"not valid YAML: {error}", where=name) from None
    return builder.root


class _Open:
    """A list or mapping that is being filled."""

    __slots__ = ("anchor", "children", "data", "key", "line", "size")

    def __init__(self, event: yaml.CollectionStartEvent) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        self.line = _line(event)
        self.anchor: str | None = event.anchor
        self.data: Any = {} if mapping else []
        self.children: Any = {} if mapping else []
        self.key: str | None = None
        """The key whose value comes next; None when a key does, and always in a list."""
        self.size = 1


class _Builder:
    """Builds data and places from parse events, without recursion: PyYAML's own composer overflows the C stack
    on deep nesting, and its constructors know more types than JSON.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: list[_Open] = []
        self._anchors: dict[str, _Value] = {}
        self.root: _Value | None = None

    def take(self, event: yaml.Event) -> None:
        """Process the next event. Raises `DocumentError`."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._check_tag(event)
            self._expect_value(event)
            if len(self._open) >= MAX_DEPTH:
                raise self._too_large(event)
            self._open.append(_Open(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self._open.pop()
            value = _Value(done.data, _Node(done.line, False, done.children), done.size)
            self._add(value, done.anchor, event)
        elif isinstance(event, yaml.AliasEvent):
            self._expect_value(event)
            if event.anchor not in self._anchors:
                raise self._error(f"undefined alias {event.anchor!r}", event)
            self._add(self._anchors[event.anchor], None, event)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise self._error("not valid YAML: expected a single document", event)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._check_tag(event)
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.key is None and isinstance(parent.data, dict):
            if event.value in parent.data:
                first = parent.children[event.value].line + 1
                raise self._error(f"the key {event.value!r} stands twice (first on line {first})", event)
            parent.key = event.value
            return
        plain = event.implicit[0] and not event.style
        data = _plain(event.value) if plain else event.value
        node = _Node(_line(event), event.style in ("|", ">"))
        self._add(_Value(data, node, 1), event.anchor, event)

    def _add(self, value: _Value, anchor: str | None, event: yaml.Event) -> None:
        """Put a finished value where it belongs."""
        if anchor is not None:
            self._anchors[anchor] = value
        if not self._open:
            self.root = value
            return
        parent = self._open[-1]
        parent.size += value.size
        if parent.size > MAX_NODES:
            raise self._too_large(event)
        if parent.key is None:
            parent.data.append(value.data)
            parent.children.append(value.node)
        else:
            parent.data[parent.key] = value.data
            parent.children[parent.key] = value.node
            parent.key = None

    def _expect_value(self, event: yaml.Event) -> None:
        if self._open and self._open[-1].key is None and isinstance(self._open[-1].data, dict):
            raise self._error("a key must be text", event)

    def _check_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag not in _PLAIN_TAGS:
            tag = event.tag.replace(_TAG, "!!")
            raise self._error(f"the tag {tag} is not supported", event)

    def _too_large(self, event: yaml.Event) -> DocumentError:
        limits = f"over {MAX_NODES} values or {MAX_DEPTH} levels"
        return self._error(f"too large once aliases are expanded ({limits})", event)

    def _error(self, what: str, event: yaml.Event) -> DocumentError:
        return DocumentError(what, where=f"{self._name}:{_line(event) + 1}")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line if event.start_mark is not None else 0


def _plain(text: str) -> Any:
    """An unquoted scalar: null, boolean, number or, whatever else it is, text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "-+.0123456789":
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
    return text


def _child(node: _Node | None, step: str | int) -> _Node | None:
    children = node.children if node is not None else None
    if isinstance(children, dict):
        return children.get(str(step))
    if isinstance(children, list) and isinstance(step, int) and step < len(children):
        found: _Node = children[step]
        return found
    return None
