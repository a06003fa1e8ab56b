"""Strict YAML: JSON's types only, nothing that explodes, and every error with its place."""

import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from moat.documents import parse_yaml, read_yaml
from moat.domain.errors import DocumentError

# Characters that YAML can carry; the float's range leaves out what its text form cannot.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn", "Co")), max_size=30)
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False), TEXT
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=20,
)


class Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


@given(JSON)
def test_json_data_survives_yaml(data: Any) -> None:
    assert parse_yaml(json.dumps(data, ensure_ascii=False)).data == data


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,6}", fullmatch=True),
        st.lists(st.text("abc -:#'\"\n{}[]%@!&*?|>", max_size=12), max_size=3),
    )
)
def test_block_style_texts_survive_yaml(data: dict[str, list[str]]) -> None:
    for style in (None, "'", '"', "|", ">"):
        assert parse_yaml(yaml.dump(data, Dumper=Dumper, default_style=style)).data == data


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: on\nb: no\nc: yes", {"a": "on", "b": "no", "c": "yes"}),
        ("- 1.0.0\n- 2026-01-01\n- 12:30\n- 0x1f\n- 1_000", ["1.0.0", "2026-01-01", "12:30", "0x1f", "1_000"]),
        ("- 1\n- -1\n- 1.5\n- 1e3\n- .5\n- true\n- ~\n-", [1, -1, 1.5, 1000.0, 0.5, True, None, None]),
        ("1: a\ntrue: b\nnull: c", {"1": "a", "true": "b", "null": "c"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("", None),
        ("# only a comment", None),
        ("- 007\n- 010\n- 1e999\n- !!str 7", [7, 10, "1e999", "7"]),
    ],
)
def test_scalars_are_those_of_json(text: str, data: Any) -> None:
    assert parse_yaml(text).data == data


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("a: 1\nb: [", "not valid YAML", "f.yaml:2"),
        ("a: 1\n\ta: 2", "not valid YAML", "f.yaml:2"),
        ("a: 1\nb: 2\na: 3", "'a' stands twice (first on line 1)", "f.yaml:3"),
        ("a:\n  x: 1\n  x: 1", "'x' stands twice (first on line 2)", "f.yaml:3"),
        ("a: 1\n[1]: 2", "a key must be text", "f.yaml:2"),
        ("a: 1\n---\nb: 2", "expected a single document", "f.yaml:2"),
        ("a: 1\n*a : 2", "a key must be text", "f.yaml:2"),
        ("a: *nope", "undefined alias", "f.yaml:1"),
        ("a: 1\nb: !!python/object/apply:os.system [id]", "python/object", "f.yaml:2"),
        ("a: 1\nb: !mine x", "!mine", "f.yaml:2"),
        ("a: 1\nb: !!int x", "", "f.yaml:2"),
        ("a: 1\nb: !!bool maybe", "", "f.yaml:2"),
        ("a: 1\nb: !!float x", "", "f.yaml:2"),
        ("a: 1\nb: !!timestamp x", "", "f.yaml:2"),
        ("a: 1\nb: !!binary x", "", "f.yaml:2"),
        ("a: 1\nb: !!set {x}", "", "f.yaml:2"),
        ("a: 1\nb: \0", "", "f.yaml"),
        ("a: &a [*a]", "undefined alias", "f.yaml:1"),
    ],
)
def test_an_error_has_its_place(text: str, what: str, where: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_yaml(text, name="f.yaml")
    assert what in caught.value.what
    assert f"{caught.value.where}:".startswith(f"{where}:")


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_parses_or_fails_with_a_place(text: str) -> None:
    assert failure(lambda: parse_yaml(text, name="f.yaml")).startswith("f.yaml")


@given(st.binary(max_size=60))
def test_any_bytes_read_or_fail_with_a_place(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "f.yaml"
    path.write_bytes(raw)
    assert failure(lambda: read_yaml(path, name="f.yaml")).startswith("f.yaml")


def test_an_integer_of_more_than_64_digits_is_text() -> None:
    assert parse_yaml("9" * 64).data == int("9" * 64)
    assert parse_yaml("9" * 1_000_000).data == "9" * 1_000_000


def failure(parse: Callable[[], Any]) -> str:
    """Where it failed; the file's name when it did not."""
    try:
        parse()
    except DocumentError as error:
        return error.where
    return "f.yaml"


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
BOMBS = {
    "aliases": LAUGHS,
    "depth of lists": "[" * 100_000,
    "depth of closed lists": "[" * 100_000 + "]" * 100_000,
    "depth of objects": '{"a":' * 100_000,
    "depth of blocks": "".join(" " * depth + "a:\n" for depth in range(1000)),
    "depth of dashes": "- " * 100_000,
    "a huge tagged integer": "a: !!int " + "9" * 1_000_000,
    "a huge tagged hexadecimal": "a: !!int 0x" + "f" * 1_000_000,
    "a tagged sexagesimal": "a: !!int " + "1:" * 50_000 + "1",
    "many values": "[" + "1," * 1_000_000 + "]",
    "many keys": "{" + ",".join(f"k{index}: 1" for index in range(300_000)) + "}",
    "merge keys": "a: &a {x: 1}\nb: {<<: *a}\nc: {<<: *a, <<: *a}",
    "a long line without sense": "a: " + "[]" * 500_000,
}


@pytest.mark.promise("inj-6")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_or_harmless(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.thread_time()
    with pytest.raises(DocumentError) as caught:
        parse_yaml(BOMBS[name], name="f.yaml")
    assert caught.value.where.startswith("f.yaml")
    assert time.thread_time() - began < 10  # CPU seconds, with all room for a busy machine
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600 * 1024  # KiB


def test_places_follow_the_path() -> None:
    document = parse_yaml('a:\n  - b: |\n      text\n      more\n    c: "x"\n  - >\n    folded\n', name="f.yaml")
    assert document.line(["a", 0, "b"]) == 2
    assert document.text_line(["a", 0, "b"]) == 3
    assert document.text_line(["a", 0, "c"]) == 5
    assert document.text_line(["a", 1]) == 7
    assert document.place(["a", 0, "c"]) == "f.yaml:5"
    assert document.line(["a", 7, "x"]) == 2
    assert document.line(["a", "b"]) == 2
    assert parse_yaml("").line(["a"]) == 1
    assert parse_yaml("x: 1").text_line(["a", "b"]) == 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name, raw, what, where in (
        ("latin.yaml", b"a: 1\nb: caf\xe9", "not UTF-8 text", "latin.yaml:2"),
        ("utf16.yaml", "a: 1".encode("utf-16"), "not UTF-8 text", "utf16.yaml:1"),
        ("large.yaml", b"#" * (8 * 2**20 + 1), "larger than 8 MiB", "large.yaml"),
    ):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(DocumentError) as caught:
            read_yaml(tmp_path / name, name=name)
        assert (caught.value.what, caught.value.where) == (what, where)
    with pytest.raises(DocumentError, match="no such file"):
        read_yaml(tmp_path / "nowhere.yaml")
    with pytest.raises(DocumentError, match="cannot be read"):
        read_yaml(tmp_path)
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_yaml(tmp_path / "bom.yaml").data == {"a": 1}
