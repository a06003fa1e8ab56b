"""Files taken apart at their top-level keys: the same values, places and errors as when read whole."""

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from moat.documents import Document, Parts, parse_yaml
from moat.domain.errors import DocumentError


def outcome(read: Any, text: str) -> Any:
    try:
        document: Document = read(text)
    except DocumentError as error:
        return error.what, error.where
    places = [[]]
    data = document.data
    if isinstance(data, dict):
        places += [[key] for key in data]
        places += [[key, inner] for key, value in data.items() if isinstance(value, dict) for inner in value]
        places += [[key, 0] for key, value in data.items() if isinstance(value, list)]
    return data, [(document.line(place), document.text_line(place)) for place in places]


LINES = st.sampled_from(
    ["a: 1", "b:", "c: |", "  text", "d: >+", "", "- x", "  - {k: v}", "# note", "b: &x [1]", "c: *x", "e: {",
     "}", "f: 'x",
     "b: '", "---", "...", "? g", ": 7", "a: {k: [1, 2]}", "  k: v", "\ttab", "h: \"x", "z: y\"", "%YAML 1.1",
     "a:\r", "i: !!str"]
)  # fmt: skip


@given(st.lists(LINES, max_size=9).map("\n".join))
@example("a: &x [1]\nb: *x\n")
@example("a: 1\n...\nb: 2\n")
@example("a: 'x\nb: '\n")
@example("\n# note\na: |+\n  x\n\n\nb: 2")
def test_parts_are_read_as_the_whole(text: str) -> None:
    parts = Parts()
    for _ in range(2):  # the second time from what is known
        assert outcome(parts.parse, text) == outcome(parse_yaml, text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab: -#|'\"{\n&*", max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner,
    max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["model", "messages", "tools", "x_1"]), VALUES), st.booleans())
def test_written_data_is_read_back(data: dict[str, Any], flow: bool) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow, sort_keys=False)
    parts = Parts()
    assert outcome(parts.parse, text) == outcome(parse_yaml, text)
    assert parts.parse(text).data == data


def test_equal_parts_are_parsed_once() -> None:
    parts = Parts()
    first = parts.parse("a: {b: [1]}\nc: 1\n")
    second = parts.parse("# moved\n\nc: 2\na: {b: [1]}\n")
    assert second.data == {"c": 2, "a": {"b": [1]}}
    assert second.data["a"] is first.data["a"]
    assert (first.line(["a", "b"]), second.line(["a", "b"]), second.line(["a", "b", 0])) == (1, 4, 4)


def test_limits_hold_over_all_parts() -> None:
    many = "\n".join(f"k{number}: [{'1,' * 70_000}]" for number in range(3))
    with pytest.raises(DocumentError, match="too large"):
        Parts().parse(many)
