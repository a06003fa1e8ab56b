"""YAML, strictly: JSON-like scalars (YAML 1.2 core schema), no duplicate keys, aliases bounded, places known."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from moat.domain.errors import DocumentError

MAX_BYTES = 8 * 2**20
MAX_NODES = 200_000
"""Nodes after alias expansion: a "billion laughs" file is refused before it is built."""
MAX_DEPTH = 100

JsonPath = Sequence[str | int]


class _Loader(yaml.CSafeLoader):
    """`on` and `no` are words, 1.0.0 and 2026-01-01 are text: only JSON's types exist."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as the base class declares it


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]{1,64}$", list("-+0123456789")),
    (
        "float",
        r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


class Document:
    """A parsed file that remembers where everything stood."""

    def __init__(self, name: str, data: Any, root: yaml.Node | None, source: str = "") -> None:
        self.name = name
        """Path or other name for messages."""
        self.data = data
        self.source = source
        self._root = root

    def with_data(self, data: Any) -> "Document":
        """The same file with its values replaced; places stay where they were."""
        return Document(self.name, data, self._root, self.source)

    def line(self, path: JsonPath) -> int:
        """1-based line of the value at a path, or of its nearest existing parent."""
        node = self._root
        for step in path:
            child = _child(node, step)
            if child is None:
                break
            node = child
        return node.start_mark.line + 1 if node is not None else 1

    def text_line(self, path: JsonPath) -> int:
        """1-based line where the first line of a text stands: below the `|` or `>` of a block, if it is one."""
        node = self._root
        for step in path:
            node = _child(node, step)
        block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
        return self.line(path) + block

    def place(self, path: JsonPath) -> str:
        """`file:line` of a value."""
        return f"{self.name}:{self.line(path)}"


def read_yaml(path: Path, *, name: str = "") -> Document:
    """Read a YAML file. Raises `DocumentError` with file and line."""
    name = name or str(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DocumentError("no such file", where=name) from None
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", where=name) from error
    if len(raw) > MAX_BYTES:
        raise DocumentError(f"larger than {MAX_BYTES // 2**20} MiB", where=name)
    try:
        return parse_yaml(raw.decode("utf-8"), name=name)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DocumentError("not UTF-8 text", where=f"{name}:{line}", remedy="Save it as UTF-8.") from None


def parse_yaml(text: str, *, name: str = "<text>") -> Document:
    """Parse YAML text. Raises `DocumentError` with place, for duplicate keys and alias bombs too."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return Document(name, None, None, text)
        _check(root, name)
        return Document(name, loader.construct_document(root), root, text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise DocumentError(f"not valid YAML: {error.problem or error.context}", where=where) from None
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentError(f"not valid YAML: {error}", where=name) from None
    finally:
        loader.dispose()


def _check(root: yaml.Node, name: str) -> None:
    """Bound the expanded size and depth, and refuse duplicate keys, merge keys and keys that are not text."""
    budget = MAX_NODES
    stack: list[tuple[yaml.Node, int]] = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        budget -= 1
        if budget < 0 or depth > MAX_DEPTH:
            raise DocumentError(
                f"too large once aliases are expanded (over {MAX_NODES} values or {MAX_DEPTH} levels)",
                where=name,
            )
        if isinstance(node, yaml.SequenceNode):
            stack.extend((child, depth + 1) for child in node.value)
        elif isinstance(node, yaml.MappingNode):
            _check_keys(node, name)
            stack.extend((value, depth + 1) for _, value in node.value)


def _check_keys(node: yaml.MappingNode, name: str) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise DocumentError("a key must be text", where=f"{name}:{line}")
        if key.value in seen:
            raise DocumentError(
                f"the key {key.value!r} stands twice (first on line {seen[key.value]})",
                where=f"{name}:{line}",
            )
        seen[key.value] = line
        key.tag = "tag:yaml.org,2002:str"


def _child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        found: yaml.Node = node.value[step]
        return found
    return None
