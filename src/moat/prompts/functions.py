"""A tool from a typed Python function: its signature becomes the JSON Schema, its docstring the descriptions."""

import dataclasses
import datetime
import enum
import importlib
import importlib.util
import inspect
import re
import sys
import types
import typing
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from moat.domain.errors import DocumentError, NotFound, PromptError
from moat.prompts.tools import Tool
from moat.prompts.variables import nearest

_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    dict: {"type": "object"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    set: {"type": "array", "uniqueItems": True},
    datetime.date: {"type": "string", "format": "date"},
    datetime.datetime: {"type": "string", "format": "date-time"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    Any: {},
    object: {},
}
_LISTS = (list, Sequence, tuple, set, frozenset)
_DICTS = (dict, Mapping)
_UNIONS = (Union, types.UnionType)

T = TypeVar("T")

_GOOGLE = re.compile(r"^(?:Args|Arguments|Parameters):\s*$")
_NUMPY = re.compile(r"^Parameters\s*\n-{3,}\s*$", re.MULTILINE)
_FIELD = re.compile(r"^:param\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)$")
_SECTION = re.compile(r"^(?:[A-Z][A-Za-z ]+:\s*$|:\w+.*:)|^[A-Z][A-Za-z ]+\s*\n-{3,}\s*$", re.MULTILINE)
_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_NUMPY_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?::.*)?$")


class Described(NamedTuple):
    """What a docstring says."""

    summary: str
    """All before the first section, on one line."""
    parameters: dict[str, str]


def load_function(reference: str, folder: Path) -> Callable[..., Any]:
    """The function that `path/to/file.py:name` (from `folder`) or `package.module:name` means.

    Importing the module runs its code: only for modules of whoever asks. Raises `PromptError`, `NotFound`,
    `DocumentError`.
    """
    where, colon, name = reference.rpartition(":")
    if not colon or not where or not name:
        raise PromptError(
            f"{reference!r} names no function", remedy="Write it like tools.py:lookup or pkg.tools:lookup."
        )
    module = _module_at(folder / where, where) if where.endswith(".py") else _module(where, folder)
    function = getattr(module, name, None)
    if not inspect.isfunction(function):
        known = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise NotFound(f"there is no function {name!r}", where=where, remedy=nearest(name, known))
    return function


def tool_of(function: Callable[..., Any]) -> Tool:
    """The tool whose arguments are the function's parameters.

    Raises `PromptError` with file and line for what no tool can express: no docstring, a parameter without
    annotation, `*args`, `**kwargs`, positional-only parameters, and types without a JSON Schema.
    """
    place = f"{Path(function.__code__.co_filename).name}:{function.__code__.co_firstlineno}"
    described = read_docstring(inspect.getdoc(function) or "")
    if not described.summary:
        raise PromptError(
            f"{function.__name__}() has no docstring", where=place, remedy="Say in it what the tool does."
        )
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise PromptError(f"an annotation of {function.__name__}() cannot be read: {error}", where=place) from None
    properties: dict[str, Any] = {}
    required = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise PromptError(f"the parameter {parameter} of {function.__name__}() is not given by name", where=place)
        if name not in hints:
            raise PromptError(
                f"the parameter {name!r} of {function.__name__}() has no annotation",
                where=place,
                remedy=f"Write its type, such as `{name}: str`.",
            )
        try:
            schema = schema_of(hints[name])
        except TypeError as error:
            raise PromptError(f"the parameter {name!r} of {function.__name__}(): {error}", where=place) from None
        if name in described.parameters:
            schema = {**schema, "description": described.parameters[name]}
        properties[name] = _with_default(schema, parameter.default, parameter.empty)
        if parameter.default is parameter.empty:
            required.append(name)
    return Tool(description=described.summary, parameters=_object(properties, required))


def schema_of(kind: Any, _open: tuple[Any, ...] = ()) -> dict[str, Any]:
    """JSON Schema of a type. Raises `TypeError` for one that has none."""
    if isinstance(kind, typing.NewType):
        return schema_of(kind.__supertype__, _open)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return {**schema_of(arguments[0], _open), **_annotations(arguments[1:])}
    if origin in (typing.Required, typing.NotRequired):
        return schema_of(arguments[0], _open)
    if origin is Literal:
        return _enum(list(arguments))
    if origin in _UNIONS:
        return _union([schema_of(option, _open) for option in arguments])
    if origin in _LISTS:
        return _array(origin, arguments, _open)
    if origin in _DICTS:
        if arguments[0] is not str:
            raise TypeError("the keys of an object are text")
        return {"type": "object", "additionalProperties": schema_of(arguments[1], _open)}
    if kind in _open:
        raise TypeError(f"{kind.__name__} refers to itself")
    return _plain(kind, _open)


def read_docstring(text: str) -> Described:
    """Description and parameters of a Google, numpy or reST docstring, as `inspect.cleandoc` leaves it."""
    section = _SECTION.search(text)
    summary = " ".join((text[: section.start()] if section else text).split())
    lines = text.splitlines()
    found: dict[str, str] = {}
    if match := _NUMPY.search(text):
        body = text[match.end() :].lstrip("\n").splitlines()
        found |= _entries(body, _NUMPY_ENTRY)
    for index, line in enumerate(lines):
        if _GOOGLE.match(line):
            body = lines[index + 1 :]
            depth = len(body[0]) - len(body[0].lstrip()) if body else 0
            if depth:
                inner = [item[depth:] if item[:depth].isspace() else item and "\0" for item in body]
                found |= _entries(inner, _ENTRY)
    found |= _entries(lines, _FIELD)
    return Described(summary, found)


def _entries(lines: list[str], pattern: re.Pattern[str]) -> dict[str, str]:
    """Entries that begin at the margin, with the deeper lines below them; ends at the next section."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for index, line in enumerate(lines):
        if line == "\0" or (index + 1 < len(lines) and re.fullmatch(r"-{3,}\s*", lines[index + 1])):
            break
        if line[:1].isspace() and current is not None:
            current.append(line.strip())
        elif line:
            match = pattern.match(line)
            current = found.setdefault(match[1], [*match.groups()[1:]]) if match else None
    return {name: text for name, pieces in found.items() if (text := " ".join(filter(None, pieces)).strip())}


def _module_at(file: Path, shown: str) -> types.ModuleType:
    if not file.is_file():
        raise DocumentError("no such file", where=shown)
    name = f"moat_tools_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, "a .py file always has a loader"
    loader = spec.loader
    assert loader is not None, "a .py file always has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    with _importable(file.parent):
        _run(lambda: loader.exec_module(module), shown)
    return module


def _module(name: str, folder: Path) -> types.ModuleType:
    with _importable(folder):
        return _run(lambda: importlib.import_module(name), name)


def _run(load: Callable[[], T], shown: str) -> T:
    try:
        return load()
    except (ImportError, SyntaxError) as error:
        raise DocumentError(f"cannot be imported: {error}", where=shown) from None


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _plain(kind: Any, above: tuple[Any, ...]) -> dict[str, Any]:
    """Types without arguments."""
    inner = (*above, kind)
    try:
        if kind in _SIMPLE:
            return dict(_SIMPLE[kind])
    except TypeError:
        raise TypeError(f"{kind!r} is not a type") from None
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _enum([member.value for member in kind])
    if hasattr(kind, "model_json_schema"):  # pydantic's
        schema: dict[str, Any] = kind.model_json_schema()
        if "$defs" in schema:
            raise TypeError(f"{kind.__name__} refers to other models; write them as dataclasses")
        return schema
    if typing.is_typeddict(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        fields = {name: schema_of(hint, inner) for name, hint in hints.items()}
        return _object(fields, sorted(kind.__required_keys__, key=list(hints).index))
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        given = [field for field in dataclasses.fields(kind) if field.init]
        missing = dataclasses.MISSING
        return _object(
            {field.name: _with_default(schema_of(hints[field.name], inner), field.default, missing) for field in given},
            [field.name for field in given if field.default is missing and field.default_factory is missing],
        )
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        own = msgspec.structs.fields(kind)
        return _object(
            {f.encode_name: _with_default(schema_of(f.type, inner), f.default, msgspec.NODEFAULT) for f in own},
            [field.encode_name for field in own if field.required],
        )
    raise TypeError(f"{getattr(kind, '__name__', kind)} has no JSON Schema")


def _array(origin: Any, arguments: tuple[Any, ...], above: tuple[Any, ...]) -> dict[str, Any]:
    if origin is tuple and arguments[-1] is not Ellipsis:
        items = [schema_of(item, above) for item in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    unique = {"uniqueItems": True} if origin in (set, frozenset) else {}
    return {"type": "array", "items": schema_of(arguments[0], above), **unique}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        **({"required": required} if required else {}),
        "properties": properties,
    }


def _enum(values: list[Any]) -> dict[str, Any]:
    for value in values:
        if not isinstance(value, str | int | float | bool | None):
            raise TypeError(f"the value {value!r} is not JSON")
    kinds = {type(value) for value in values}
    known = _SIMPLE[kinds.pop()] if len(kinds) == 1 else {}
    return {**known, "enum": values}


def _union(options: list[dict[str, Any]]) -> dict[str, Any]:
    if all(option.keys() == {"type"} for option in options):
        return {"type": [option["type"] for option in options]}
    return {"anyOf": options}


def _annotations(extras: tuple[Any, ...]) -> dict[str, Any]:
    """A description: a text, or what has one, such as `msgspec.Meta` and pydantic's `Field`; and limits of `Meta`."""
    found: dict[str, Any] = {}
    limits = {
        "ge": "minimum",
        "le": "maximum",
        "gt": "exclusiveMinimum",
        "lt": "exclusiveMaximum",
        "pattern": "pattern",
    }
    for extra in extras:
        if isinstance(extra, str):
            found["description"] = extra
        elif isinstance(text := getattr(extra, "description", None), str):
            found["description"] = text
        found |= {limits[key]: value for key in limits if (value := getattr(extra, key, None)) is not None}
    return found


def _with_default(schema: dict[str, Any], default: Any, missing: Any) -> dict[str, Any]:
    """The schema with its default, when there is one that is worth saying."""
    if default is missing or default is None:
        return schema
    value = default.value if isinstance(default, enum.Enum) else default
    return {**schema, "default": value} if isinstance(value, str | int | float | bool) else schema
