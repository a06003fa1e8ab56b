"""Data -> typed struct, with the exact place of what does not fit and a suggestion for a typo."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from moat.documents.yaml import Document, JsonPath
from moat.domain.errors import DocumentError, InputError
from moat.domain.struct_types import describe

T = TypeVar("T")

_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.+?)`")
_MISSING_FIELD = re.compile(r"object missing required field `(.+?)`")
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
    describe(type)
    try:
        return msgspec.convert(data, type, strict=True)
    except msgspec.ValidationError as problem:
        path, what, remedy = explained(data, type, problem, at=at)
        raise error(what, where=document.place([*at, *path]), remedy=remedy) from None


def explained(
    data: Any, type: Any, problem: msgspec.ValidationError, *, at: JsonPath = ()
) -> tuple[list[str | int], str, str]:
    """Where in `data` it does not fit, what is wrong, and what to do. `at`: where `data` stands, for the text."""
    path, text = _culprit(data, type, str(problem))
    what, remedy = _explain(text, _dig(data, path), _type_at(type, path), [*at, *path])
    unknown = _UNKNOWN_FIELD.match(text)
    return [*path, unknown[1]] if unknown else path, what, remedy


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


def _type_at(kind: Any, path: Sequence[str | int]) -> list[msgspec.inspect.Type]:
    """What is allowed at a path, for suggestions; empty when that is unknown."""
    for step in path:
        found = _child_types(kind, {} if isinstance(step, str) else [])(step)
        if found is None:
            return []
        kind = found
    return _options(kind)


def _explain(
    text: str, value: Any, allowed: Sequence[msgspec.inspect.Type], path: Sequence[str | int]
) -> tuple[str, str]:
    shown = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    if unknown := _UNKNOWN_FIELD.match(text):
        fields = [f.encode_name for o in allowed if isinstance(o, msgspec.inspect.StructType) for f in o.fields]
        close = difflib.get_close_matches(unknown[1], fields, n=1, cutoff=0.6)
        remedy = f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(sorted(fields))}."
        return f"unknown key {unknown[1]!r} at {shown}", remedy
    text = text[0].lower() + text[1:]
    if missing := _MISSING_FIELD.match(text):
        structs = (option for option in allowed if isinstance(option, msgspec.inspect.StructType))
        choices = _choices(f.type for struct in structs for f in struct.fields if f.encode_name == missing[1])
        return f"{text} at {shown}", f"One of: {', '.join(choices)}." if choices else ""
    got = f" (it is {value!r})" if isinstance(value, str | int | float | bool) and len(repr(value)) < 60 else ""
    choices = _choices(allowed)
    if isinstance(value, str) and choices:
        close = difflib.get_close_matches(value, choices, n=1, cutoff=0.6)
        return f"{text} at {shown}{got}", f"Did you mean {close[0]!r}?" if close else f"One of: {', '.join(choices)}."
    return f"{text} at {shown}{got}", ""


def _choices(allowed: Iterable[msgspec.inspect.Type]) -> list[str]:
    return [str(v) for option in allowed if isinstance(option, msgspec.inspect.LiteralType) for v in option.values if v]
