"""Typed decoding and JSON Lines: exact places, suggestions, and bounds."""

import contextlib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.documents import decode, parse_yaml, read_jsonl
from moat.domain.config import Config
from moat.domain.errors import ConfigError, DocumentError


class Item(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    kind: Literal["a", "b"] = "a"


class World(msgspec.Struct, forbid_unknown_fields=True):
    items: list[Item] = []
    by_name: dict[str, Item] = {}
    maybe: Item | None = None
    pair: tuple[int, ...] = ()
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    some: Annotated[list[Item] | None, msgspec.Meta(description="x")] = None


@pytest.mark.parametrize(
    ("text", "what", "where", "remedy"),
    [
        ("items:\n  - nam: x", "unknown key 'nam' at $.items[0]", "f:2", "Did you mean 'name'?"),
        (
            "items:\n  - name: x\n  - zzzzz: x\n    name: y",
            "unknown key 'zzzzz' at $.items[1]",
            "f:3",
            "Known keys: kind, name.",
        ),
        ("by_name:\n  a: {name: x}\n  b:\n    name: 7", "at $.by_name.b.name (it is 7)", "f:4", ""),
        ("maybe:\n  name: x\n  kind: c", "invalid enum value 'c' at $.maybe.kind", "f:3", "One of: a, b."),
        ("count: 1\npair:\n  - 1\n  - x", "expected `int`, got `str` at $.pair[1] (it is 'x')", "f:4", ""),
        ("\ncount: 0", "expected `int` >= 1 at $.count (it is 0)", "f:2", ""),
        ("count: true", "expected `int`, got `bool` at $.count", "f:1", ""),
        ("some:\n- name: 1", "at $.some[0].name", "f:2", ""),
        ("items: {}", "expected `array`, got `object` at $.items", "f:1", ""),
        ("by_name: []", "expected `object`, got `array` at $.by_name", "f:1", ""),
        ("- 1", "expected `object`, got `array` at $", "f:1", ""),
        ("", "expected `object`, got `null` at $", "f:1", ""),
        ("item: []", "unknown key 'item' at $", "f:1", "Did you mean 'items'?"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(text: str, what: str, where: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode(parse_yaml(text, name="f"), World, error=ConfigError)
    assert what in caught.value.what
    assert (caught.value.where, caught.value.remedy) == (where, remedy)


def test_a_part_of_a_document_can_be_decoded() -> None:
    document = parse_yaml("x:\n  - {}\n  - name: q\n  - nme: q", name="f")
    assert decode(document, Item, at=["x", 1]) == Item("q")
    with pytest.raises(DocumentError) as caught:
        decode(document, Item, at=["x", 2])
    assert (caught.value.where, caught.value.remedy) == ("f:4", "Did you mean 'name'?")


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text("ab 1", max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["providers", "models", "use", "kind", "price", "a", "environments"]), inner),
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_data_decodes_or_fails_with_a_place(data: Any) -> None:
    document = parse_yaml(msgspec.json.encode(data).decode(), name="f")
    with contextlib.suppress(DocumentError):
        decode(document, Config)
        return
    with pytest.raises(DocumentError, match=r"^f:\d+: .*\$"):
        decode(document, Config)


def test_lines_are_numbered_and_blank_ones_skipped(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a": 1}\n\n   \r\n[2]\r\n"no newline at the end"')
    assert list(read_jsonl(path)) == [(1, {"a": 1}), (4, [2]), (5, "no newline at the end")]


@pytest.mark.promise("inj-6")
@pytest.mark.parametrize(
    ("raw", "what", "line"),
    [
        (b'{"a": 1}\n{"a": ', "not valid JSON", 2),
        (b'{"a": 1}\n\n{"a": 1} x', "not valid JSON", 3),
        (b'"\xff"', "", 1),
        (b"1\n" + b"[" * 100_000, "", 2),
        (b'{"a":' * 100_000, "", 1),
        (b"1\n" + b"9" * 100_000, "", 2),
        (b"1\nNaN", "", 2),
        (b"1\n" + b" " * (16 * 2**20) + b"1", "longer than 16 MiB", 2),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, raw: bytes, what: str, line: int) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(raw)
    with pytest.raises(DocumentError) as caught:
        list(read_jsonl(path, name="x.jsonl"))
    assert what in caught.value.what
    assert caught.value.where == f"x.jsonl:{line}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no such file"):
        list(read_jsonl(tmp_path / "x"))
    with pytest.raises(DocumentError, match="cannot be read"):
        list(read_jsonl(tmp_path))
