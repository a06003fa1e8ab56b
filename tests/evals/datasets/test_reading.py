"""Datasets are read whole or refused with the file, the line and the reason."""

import gzip
import hashlib
import json
import tracemalloc

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.errors import DatasetError
from moat.domain.scores import Case
from moat.evals.datasets import dataset_digest, iter_cases, json_text, load_dataset, read_cases, text
from moat.evals.datasets.writing import export

CASES = [
    {"id": "a", "variables": {"question": "Äh?"}, "labels": {"intent": "refund", "n": 14}, "tags": ["x", "y"]},
    {"id": "b", "variables": {"question": "B"}, "labels": {"must_refuse": False}, "cluster": "c1"},
]


def loaded(tmp_path, name, content):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_dataset(tmp_path / name, name=name)


def refused(tmp_path, name, content):
    with pytest.raises(DatasetError) as caught:
        loaded(tmp_path, name, content)
    return caught.value


def test_the_same_cases_in_every_format_and_order_have_one_digest(tmp_path):
    lines = "\n\n".join(json.dumps(case) for case in reversed(CASES))
    table = (
        "id,question,labels.intent,labels.n,labels.must_refuse,tags,cluster\na,Äh?,refund,14,,x; y,\nb,B,,,false,,c1\n"
    )
    found = [
        loaded(tmp_path, "a.jsonl", lines),
        loaded(tmp_path, "a.json", json.dumps(CASES)),
        loaded(tmp_path, "a.yaml", json.dumps(CASES, indent=3)),
        loaded(tmp_path, "a.csv", table.encode("utf-8-sig")),
        loaded(tmp_path, "a.tsv", table.replace(",", "\t")),
    ]
    export(found[0].cases, tmp_path / "a.parquet")
    found.append(load_dataset(tmp_path / "a.parquet"))
    assert len({dataset.digest for dataset in found}) == 1
    assert found[1].cases == found[2].cases == found[3].cases
    assert found[0].cases[0].id == "b"


@pytest.mark.parametrize("change", [{"id": "c"}, {"expected": 0}, {"labels": {}}, {"messages": [{"role": "user"}]}])
def test_another_content_is_another_digest(tmp_path, change):
    one = loaded(tmp_path, "a.yaml", json.dumps(CASES))
    other = loaded(tmp_path, "b.yaml", json.dumps([{**CASES[0], **change}, CASES[1]]))
    assert one.digest != other.digest


def test_the_digest_is_that_of_all_cases_in_one_list():
    cases = (Case(id="b", golden=True), Case(id="a", variables={"y": 1, "x": None}))
    whole = b'[{"id":"a","variables":{"x":null,"y":1}},{"golden":true,"id":"b"}]'
    assert dataset_digest(cases) == f"sha256:{hashlib.sha256(whole).hexdigest()}"


def test_records_that_were_not_written_for_moat_are_understood(tmp_path):
    seeds = [
        {"input": "Explain Kubernetes", "expected": "Container orchestration platform"},
        {"question": "Who?", "response": "Me.", "context": "I did it."},
    ]
    first, second = loaded(tmp_path, "a.json", json.dumps(seeds)).cases
    assert (first.variables, first.expected) == ({"input": "Explain Kubernetes"}, "Container orchestration platform")
    assert (second.variables, second.context) == ({"question": "Who?", "response": "Me."}, ["I did it."])
    assert first.id.startswith("case-")
    assert first.id != second.id
    again = loaded(tmp_path, "b.jsonl", "\n".join(json.dumps(seed) for seed in reversed(seeds)))
    assert {case.id for case in again.cases} == {first.id, second.id}, "ids stay with what a case says"


def test_the_same_record_twice_without_an_id_is_one_case_too_many(tmp_path):
    error = refused(tmp_path, "a.jsonl", '{"q": "x"}\n{"q": "x"}\n')
    assert error.where == "a.jsonl:2"
    assert "stands twice (first at a.jsonl:1)" in error.what


UTF16 = '{"id": "a"}\n{"id": "b"}\n'

BROKEN = [
    ("a.jsonl", '{"id": "a"}\n{"id": "b", "lables": {}}', "a.jsonl:2", "unknown key 'lables'"),
    ("a.jsonl", '{"id": "a", "variables": {}, "question": "x"}', "a.jsonl:1", "unknown key 'question'"),
    ("a.jsonl", '{"id": "a"}\n\n{"id": "a"}', "a.jsonl:3", "stands twice (first at a.jsonl:1)"),
    ("a.jsonl", '{"id": 1}', "a.jsonl:1", "expected `str`"),
    ("a.jsonl", '{"id": "a", "tags": "x"}', "a.jsonl:1", "expected `array`"),
    ("a.jsonl", "[1, 2]", "a.jsonl:1", "expected `object`"),
    ("a.jsonl", '{"id": "a"}\n{oops', "a.jsonl:2", "not valid JSON"),
    ("a.jsonl", '{"id": "a"}\n{"id": "b", "expected": "cut o', "a.jsonl:2", "not valid JSON: Unterminated string"),
    ("a.jsonl", '{"id": "a", "expected": NaN}', "a.jsonl:1", "JSON has no NaN"),
    ("a.jsonl", '{"id": "a", "expected": -Infinity}', "a.jsonl:1", "JSON has no -Infinity"),
    ("a.jsonl", '{"id": "a", "expected": 1e999}', "a.jsonl:1", "out of range"),
    ("a.jsonl", '{"id": "a", "expected": "\\ud800"}', "a.jsonl:1", "half of a surrogate pair, \\ud800"),
    ("a.jsonl", '{"id": "a", "id": "b"}', "a.jsonl:1", "the key 'id' stands twice"),
    ("a.jsonl", '{"id": "a", "labels": {"x": 1, "x": 2}}', "a.jsonl:1", "the key 'x' stands twice"),
    ("a.jsonl", '{"id": "a", "expected": ' + "[" * 99_999, "a.jsonl:1", "nested too deep"),
    ("a.jsonl", b'{"id": "a"}\n{"id": "\xff"}', "a.jsonl:2", "looks like Latin-1 (byte 20 is 0xff)"),
    ("a.jsonl", '{"id": "a", "q": "caf\xe9"}'.encode("latin-1"), "a.jsonl:1", "looks like Latin-1 (byte 21 is 0xe9)"),
    ("a.jsonl", '{"id": "a", "q": "“x”"}'.encode("cp1252"), "a.jsonl:1", "looks like Windows-1252"),
    ("a.jsonl", '{"id": "a", "q": "ÄÖÜÄÜÜ"}'.encode().replace(b"\x96", b"\xff"), "a.jsonl:1", "a broken character"),
    ("a.jsonl", UTF16.encode("utf-16"), "a.jsonl:1", "looks like UTF-16 (little endian) (byte 0)"),
    ("a.jsonl", UTF16.encode("utf-16-le"), "a.jsonl:1", "looks like UTF-16 (little endian) without its mark"),
    ("a.jsonl", UTF16.encode("utf-16-be"), "a.jsonl:1", "looks like UTF-16 (big endian) without its mark"),
    ("a.jsonl", UTF16.encode("utf-32"), "a.jsonl:1", "looks like UTF-32"),
    ("a.jsonl", b'{"id": "a"}\n{"id": "b\x00"}\n', "a.jsonl:2", "holds a NUL byte (byte 21)"),
    ("a.jsonl", gzip.compress(b'{"id": "a"}', mtime=0), "a.jsonl:1", "it is gzip"),
    ("a.csv", b"PK\x03\x04...", "a.csv:1", "an Excel workbook"),
    ("a.jsonl", "\n", "a.jsonl", "no cases"),
    ("a.jsonl", "", "a.jsonl", "no cases"),
    ("a.jsonl", '{"id": " "}', "a.jsonl:1", "is no id"),
    ("a.jsonl", '{"id": "a\\u0000b"}', "a.jsonl:1", "is no id"),
    ("a.jsonl", "{}", "a.jsonl:1", "missing required field `id`"),
    ("a.json", '{"cases": []}', "a.json:1", "not a list of cases"),
    ("a.json", "", "a.json:1", "not a list of cases"),
    ("a.json", "[]", "a.json", "no cases"),
    ("a.json", "[1]", "a.json:1", "expected an object"),
    ("a.json", '[\n{"id": "a"},\n{"id": "b"', "a.json:3", "not valid JSON"),
    ("a.json", '[\n{"id": "a"}\n', "a.json:3", "the list does not end"),
    ("a.json", '[\n{"id": "a"}\n{"id": "b"}]', "a.json:3", "expected `,` or `]`"),
    ("a.json", '[{"id": "a"},\n]', "a.json:2", "expected an object"),
    ("a.json", '[{"id": "a"}]\n[]', "a.json:2", "something follows the list"),
    ("a.json", '[{"id": "a"},\n{"id": "b",\n "expected": NaN}]', "a.json:2", "JSON has no NaN"),
    ("a.json", '[{"id": "a"},\n{"id": "b",\n oops}]', "a.json:3", "not valid JSON"),
    ("a.json", '[{"id": "a", "x": ' + "[" * 99_999, "a.json:1", "nested too deep"),
    ("a.json", '[{"id": "a"},\n{"id": "b\xe9"}]'.encode("latin-1"), "a.json:2", "Latin-1"),
    ("a.json", b'[{"id": "a"},\n{"id": "\x00"}]', "a.json:2", "NUL byte (byte 22)"),
    ("a.json", '[{"id": "ä'.encode()[:-1], "a.json:1", "looks like Latin-1"),
    ("a.yaml", "- id: a\n- id: b\n  tags: x\n", "a.yaml:3", "expected `array`"),
    ("a.yaml", "id: a\n", "a.yaml:1", "not a list"),
    ("a.yaml", "- id: a\n  id: b\n", "a.yaml:2", "stands twice"),
    ("a.yaml", "- id: a\n- {id: b\n", "a.yaml:2:1", "not valid YAML"),
    ("a.yaml", "- id: a\n  question: ä\n".encode("latin-1"), "a.yaml:2", "Latin-1"),
    ("a.csv", "id;question\nx;y\n", "a.csv:1", "divided by ';'"),
    ("a.csv", "", "a.csv:1", "no columns"),
    ("a.csv", "id,lables.x\n", "a.csv:1", "unknown column"),
    ("a.csv", "id,lables\na,b\n", "a.csv:1", "unknown key 'lables'"),
    ("a.csv", "id,,x\n", "a.csv:1", "unknown column ''"),
    ("a.csv", "id,x,x\n", "a.csv:1", "stands twice"),
    ("a.csv", "id,x,variables.x\n", "a.csv:1", "stands twice"),
    ("a.csv", 'id,x\na,"two\nlines"\nb\n', "a.csv:4", "1 cells in a table of 2"),
    ("a.csv", "id,x\na,b,c\n", "a.csv:2", "3 cells in a table of 2"),
    ("a.csv", 'id,x\na,"b"c\n', "a.csv:2", "not valid CSV"),
    ("a.csv", 'id,x\na,b\nc,"never ends\n', "a.csv:3", "not valid CSV"),
    ("a.csv", b"id\n\xff\n", "a.csv:2", "not UTF-8"),
    ("a.csv", "id,expected\na,NaN\n", "a.csv:2", "NaN in the column 'expected'"),
    ("a.csv", "id,user:json\na,{goal}\n", "a.csv:2", "not JSON in the column 'user:json'"),
    ("a.csv", "id,golden\na,perhaps\n", "a.csv:2", "expected `bool`"),
    ("a.txt", "", "a.txt", "not read from .txt"),
    ("a.jsonl.gz", gzip.compress(b"{}", mtime=0), "a.jsonl.gz", "not read from .gz"),
    ("noname", "", "noname", "files without an extension"),
    ("a.parquet", "id\n", "a.parquet", "not readable as Parquet"),
]


@pytest.mark.parametrize(("file", "content", "where", "what"), BROKEN)
def test_a_file_that_does_not_fit_is_refused_with_its_place(tmp_path, file, content, where, what):
    error = refused(tmp_path, file, content)
    assert (error.where, what in error.what) == (where, True), error
    raw = content if isinstance(content, bytes) else content.encode()
    assert (tmp_path / file).read_bytes() == raw, "reading changes nothing"


@pytest.mark.parametrize("file", ["a.jsonl", "a.json", "a.yaml", "a.csv", "a.parquet"])
def test_a_missing_or_unreadable_file_is_refused(tmp_path, file):
    with pytest.raises(DatasetError, match="no such file"):
        load_dataset(tmp_path / file)
    (tmp_path / file).mkdir()
    with pytest.raises(DatasetError, match=r"cannot be read|not readable"):
        load_dataset(tmp_path / file)


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "yaml"])
def test_a_line_of_100_mb_is_refused_in_bounded_memory(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    heads = {"jsonl": '{"id": "a"}\n{"id": "b", "q": "', "json": '[{"id": "a"},\n{"id": "b", "q": "'}
    with path.open("wb") as file:
        file.write(heads.get(kind, "id,q\na,").encode() if kind != "yaml" else b"- id: a\n- id: ")
        for _ in range(100):
            file.write(b"x" * 2**20)
    tracemalloc.start()
    with pytest.raises(DatasetError) as caught:
        load_dataset(path, name=path.name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "MiB" in caught.value.what
    assert caught.value.where == (path.name if kind == "yaml" else f"{path.name}:2")
    assert peak < 150 * 2**20


def test_every_broken_line_is_found_and_the_others_are_kept(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a"}\n{"id": 7}\n{"id": "b"}\n{"id": "a"}\n{"id": "c", "tags": 1}\n')
    entries = list(read_cases(path, name="a.jsonl"))
    assert [entry.case.id for entry in entries if entry.case] == ["a", "b"]
    assert [entry.place for entry in entries if entry.error] == ["a.jsonl:2", "a.jsonl:4", "a.jsonl:5"]


def test_cases_come_one_by_one(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a"}\n{"id": "b"}\noops\n')
    cases = iter_cases(path)
    assert [next(cases).id, next(cases).id] == ["a", "b"]
    with pytest.raises(DatasetError, match=":3"):
        next(cases)


@given(
    cases=st.lists(st.dictionaries(st.text(max_size=3), st.text() | st.integers() | st.none(), min_size=1), max_size=6),
    indent=st.sampled_from([None, 1]),
    chunk=st.integers(1, 40),
)
def test_a_list_reads_the_same_however_it_is_cut(tmp_path_factory, cases, indent, chunk):
    path = tmp_path_factory.mktemp("d") / "a.json"
    raw = json.dumps(cases, indent=indent, ensure_ascii=False).encode("utf-8", "replace")
    path.write_bytes(raw)
    before, text.CHUNK = text.CHUNK, chunk
    try:
        values = list(json_text.read_list(path, "a"))
    finally:
        text.CHUNK = before
    assert [value.data for value in values] == json.loads(raw)
    lines = raw.decode().split("\n") if indent else []
    assert all(not indent or lines[value.line - 1].lstrip().startswith("{") for value in values)


def test_parquet_of_other_tools_is_understood(tmp_path):
    rows = tmp_path / "rows.json"
    rows.write_text('{"id":"a","question":"x","n":1,"tags":["t"],"when":"2026-01-02"}\n{"id":"b","question":"y"}\n')
    kinds = {"id": "VARCHAR", "question": "VARCHAR", "n": "DECIMAL(9,2)", "tags": "VARCHAR[]", "when": "DATE"}
    with duckdb.connect() as db:
        db.read_json(str(rows), format="newline_delimited", columns=kinds).write_parquet(str(tmp_path / "a[1].parquet"))
    first, second = load_dataset(tmp_path / "a[1].parquet").cases
    assert first.variables == {"question": "x", "n": 1, "when": "2026-01-02"}
    assert (first.tags, second.variables) == (["t"], {"question": "y"})


def test_nan_in_parquet_is_refused_with_its_row(tmp_path):
    rows = tmp_path / "rows.json"
    rows.write_text('{"id":"a","x":1.5}\n{"id":"b","x":"nan"}\n')
    with duckdb.connect() as db:
        found = db.read_json(str(rows), format="newline_delimited", columns={"id": "VARCHAR", "x": "DOUBLE"})
        found.write_parquet(str(tmp_path / "a.parquet"))
    with pytest.raises(DatasetError, match="NaN in the column 'x'") as caught:
        load_dataset(tmp_path / "a.parquet", name="a.parquet")
    assert caught.value.where == "a.parquet:2"
