"""Tools from typed Python functions."""

import dataclasses
import datetime
import enum
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict

import msgspec
import pytest

from moat.domain.errors import DocumentError, NotFound, PromptError
from moat.prompts.functions import load_function, read_docstring, schema_of, tool_of
from moat.prompts.tools import schema_flaw


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Filter(TypedDict):
    field: str
    value: NotRequired[int]


@dataclasses.dataclass
class Place:
    street: str
    floor: int = 0
    tags: list[str] = dataclasses.field(default_factory=list)


class Item(msgspec.Struct):
    sku: str
    count: Annotated[int, msgspec.Meta(ge=1, description="How many.")] = 1


@dataclasses.dataclass
class Node:
    below: "Node | None"


class Model:
    """As pydantic's models describe themselves."""

    @staticmethod
    def model_json_schema() -> dict[str, Any]:
        return {"type": "object", "title": "Model"}


class Nested:
    @staticmethod
    def model_json_schema() -> dict[str, Any]:
        return {"$defs": {}}


Name = NewType("Name", str)


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (str, {"type": "string"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (Any, {}),
        (Name, {"type": "string"}),
        (datetime.date, {"type": "string", "format": "date"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (
            tuple[int, str],
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
        ),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Colour, {"type": "string", "enum": ["red", "blue"]}),
        (Optional[int], {"type": ["integer", "null"]}),  # noqa: UP045  both spellings are tried
        (int | None, {"type": ["integer", "null"]}),
        (list[int] | None, {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]}),
        (Annotated[int, "How many."], {"type": "integer", "description": "How many."}),
        (Model, {"type": "object", "title": "Model"}),
        (
            Filter,
            {
                "type": "object", "additionalProperties": False, "required": ["field"],
                "properties": {"field": {"type": "string"}, "value": {"type": "integer"}},
            },
        ),
        (
            Place,
            {
                "type": "object", "additionalProperties": False, "required": ["street"],
                "properties": {
                    "street": {"type": "string"}, "floor": {"type": "integer", "default": 0},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
            },
        ),
        (
            Item,
            {
                "type": "object", "additionalProperties": False, "required": ["sku"],
                "properties": {
                    "sku": {"type": "string"},
                    "count": {"type": "integer", "minimum": 1, "description": "How many.", "default": 1},
                },
            },
        ),
    ],
)  # fmt: skip
def test_types_and_their_schemas(kind: Any, schema: dict[str, Any]) -> None:
    assert schema_of(kind) == schema
    assert schema_flaw(schema) == ""


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (bytes, "bytes has no JSON Schema"),
        (dict[int, str], "keys of an object"),
        (Node, "Node refers to itself"),
        (Nested, "refers to other models"),
        (Literal[b"x"], "is not JSON"),
        ([], "is not a type"),
        (Callable[[], int], "no JSON Schema"),
    ],
)
def test_types_without_a_schema(kind: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        schema_of(kind)


def google(order: str, limit: int = 5, colour: Colour = Colour.RED, note: str | None = None) -> str:  # noqa: D417
    """Finds orders
    of a customer.

    Args:
        order (str): Its number,
            as printed.
        limit: At most this many.

    Returns:
        limit: not this one.
    """
    return f"{order}{limit}{colour}{note}"


def test_a_function_becomes_a_tool() -> None:
    tool = tool_of(google)
    assert tool.description == "Finds orders of a customer."
    assert tool.parameters == {
        "type": "object",
        "additionalProperties": False,
        "required": ["order"],
        "properties": {
            "order": {"type": "string", "description": "Its number, as printed."},
            "limit": {"type": "integer", "description": "At most this many.", "default": 5},
            "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "note": {"type": ["string", "null"]},
        },
    }


@pytest.mark.parametrize(
    "text",
    [
        "Does it.\n\nArgs:\n    a (int): First\n        one.\n    b: Second: one.\n\nRaises:\n    c: no",
        "Does it.\n\nParameters\n----------\na : int\n    First\n    one.\nb\n    Second: one.\n\nReturns\n---\nc : no",
        "Does it.\n\n:param int a: First\n    one.\n:param b: Second: one.\n:returns: c",
    ],
    ids=["google", "numpy", "reST"],
)  # fmt: skip
def test_docstrings(text: str) -> None:
    found = read_docstring(text)
    assert found.summary == "Does it."
    assert found.parameters == {"a": "First one.", "b": "Second: one."}


def test_a_docstring_without_sections() -> None:
    assert read_docstring("Does\nit.\n\nAnd more.") == ("Does it. And more.", {})
    assert read_docstring("Args:") == ("", {})


SOURCE = '''
import dataclasses

@dataclasses.dataclass
class Point:
    x: int

def good(p: Point) -> None:
    """Fine."""

def bare(a) -> None:
    """No annotation."""

def silent(a: int) -> None: ...

def many(*a: int) -> None:
    """Stars."""

def words(**a: int) -> None:
    """Stars."""

def first(a: int, /) -> None:
    """By position."""

def raw(a: bytes) -> None:
    """Bytes."""

def lost(a: "Nowhere") -> None:
    """No such type."""

thing = 3
'''


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("bare", 11, "no annotation"),
        ("silent", 14, "no docstring"),
        ("many", 16, "not given by name"),
        ("words", 19, "not given by name"),
        ("first", 22, "not given by name"),
        ("raw", 25, "bytes has no JSON Schema"),
        ("lost", 28, "Nowhere"),
    ],
)
def test_what_is_no_tool_says_where(tmp_path: Path, name: str, line: int, said: str) -> None:
    (tmp_path / "mine.py").write_text(SOURCE)
    with pytest.raises(PromptError, match=said) as caught:
        tool_of(load_function(f"mine.py:{name}", tmp_path))
    assert caught.value.where == f"mine.py:{line}"


def test_functions_are_found_in_files_and_modules(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "moat_test_package.py").write_text(SOURCE)
    for reference in ("mine.py:good", "moat_test_package:good"):
        assert "p" in tool_of(load_function(reference, tmp_path)).parameters["properties"]
    assert str(tmp_path) not in sys.path
    (tmp_path / "broken.py").write_text("def (")
    for reference, error in (
        ("mine.py", PromptError),
        ("mine.py:", PromptError),
        (":good", PromptError),
        ("gone.py:good", DocumentError),
        ("moat_no_such_module:good", DocumentError),
        ("broken.py:good", DocumentError),
        ("mine.py:thing", NotFound),
        ("mine.py:goood", NotFound),
    ):
        with pytest.raises(error):
            load_function(reference, tmp_path)
