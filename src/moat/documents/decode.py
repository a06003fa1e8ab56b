"""Data -> typed struct, with the exact place of what does not fit and a suggestion for a typo."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from moat.documents.yaml import Document, JsonPath
from moat.domain.errors import DocumentError, InputError

T = TypeVar("T")

_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.+?)`")
_PATH_SUFFIX = re.compile(r" - at `.*`$")


def decode(
    document: Document,
    type: type[T],
    *,
    at: JsonPath = (),
    error: type[InputError] = DocumentError,
) -> T:
    """The value at path `at` of a document as `type`.

    Raises `error` whose `where` is `file:line` and whose text holds the JSON path of the culprit.
    """
    data = _dig(document.data, at)
    try:
        return msgspec.convert(data, type, strict=True)
    except msgspec.ValidationError as problem:
        path, text = _culprit(data, type, str(problem))
        full = [*at, *path]
        what, remedy = _explain(text, _dig(document.data, full), _fields_at(type, path), full)
        shown = full if not (unknown := _UNKNOWN_FIELD.match(text)) else [*full, unknown[1]]
        raise error(what, where=document.place(shown), remedy=remedy) from None


def _dig(data: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        data = data[step]
    return data


def _culprit(data: Any, kind: Any, text: str) -> tuple[list[str | int], str]:
    """Descend to the deepest value that does not fit: msgspec's own paths leave out the keys of mappings."""
    if not isinstance(data, dict | list):
        return [], _PATH_SUFFIX.sub("", text)
    items = data.items() if isinstance(data, dict) else enumerate(data)
    children = _child_types(kind, data)
    for step, value in items:
        child = children(step)
        if child is None:
            continue
        try:
            msgspec.convert(value, child, strict=True)
        except msgspec.ValidationError as problem:
            path, found = _culprit(value, child, str(problem))
            return [step, *path], found
    return [], _PATH_SUFFIX.sub("", text)


def _child_types(kind: Any, data: Any) -> Any:
    """A function from key or index to the type msgspec expects there, None when unknown."""
    for option in _options(kind):
        match option:
            case msgspec.inspect.StructType() if isinstance(data, dict):
                fields = {f.encode_name: _python_type(option.cls, f.name) for f in option.fields}
                return fields.get
            case msgspec.inspect.DictType() if isinstance(data, dict):
                value = _argument(kind, 1)
                return lambda _step: value
            case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType() if isinstance(data, list):
                item = _argument(kind, 0)
                return lambda _step: item
    return lambda _step: None


def _options(kind: Any) -> list[msgspec.inspect.Type]:
    """What a type allows: the members of a union, without annotations that only describe."""
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    return list(info.types) if isinstance(info, msgspec.inspect.UnionType) else [info]


def _python_type(cls: Any, name: str) -> Any:
    from typing import get_type_hints

    return get_type_hints(cls, include_extras=True)[name]


def _argument(kind: Any, position: int) -> Any:
    """Type argument of `dict[K, V]`, `list[T]` or `tuple[T, ...]`, through Optional and Annotated."""
    from types import UnionType
    from typing import Annotated, Union, get_args, get_origin

    if get_origin(kind) is Annotated:
        return _argument(get_args(kind)[0], position)
    if get_origin(kind) in (Union, UnionType):
        inner = [a for a in get_args(kind) if get_origin(a) is not None]
        return _argument(inner[0], position) if inner else None
    arguments = get_args(kind)
    return arguments[position] if len(arguments) > position else None


def _fields_at(kind: Any, path: Sequence[str | int]) -> list[str]:
    """Field names of the struct at a path, for suggestions."""
    for step in path:
        found = _child_types(kind, {} if isinstance(step, str) else [])(step)
        if found is None:
            return []
        kind = found
    return [f.encode_name for o in _options(kind) if isinstance(o, msgspec.inspect.StructType) for f in o.fields]


def _explain(text: str, value: Any, fields: list[str], path: Sequence[str | int]) -> tuple[str, str]:
    shown = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    if unknown := _UNKNOWN_FIELD.match(text):
        close = difflib.get_close_matches(unknown[1], fields, n=1, cutoff=0.6)
        remedy = f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(sorted(fields))}."
        return f"unknown key {unknown[1]!r} at {shown}", remedy
    text = text[0].lower() + text[1:]
    got = f" (it is {value!r})" if isinstance(value, str | int | float | bool) and len(repr(value)) < 60 else ""
    return f"{text} at {shown}{got}", ""
