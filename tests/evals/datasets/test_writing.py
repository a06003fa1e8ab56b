"""Files are written whole or not at all."""

import errno
import json
import os

import pytest

from moat.domain.errors import ConflictError, DatasetError, StorageError
from moat.domain.scores import Case
from moat.evals.datasets import load_dataset, writing
from moat.evals.datasets.writing import append, create_text, export

ONE = Case(id="a", variables={"question": "x"}, tags=["t"])


def test_what_is_appended_stands_behind_what_was_there_byte_for_byte(tmp_path):
    path = tmp_path / "d.jsonl"
    append(path, [ONE])
    path.write_text('{"id":   "first"}')
    append(path, [ONE])
    assert path.read_text() == '{"id":   "first"}\n{"id":"a","variables":{"question":"x"},"tags":["t"]}\n'


@pytest.mark.parametrize(
    ("before", "what"), [('{"id": "a"}\n', "stands twice"), ('{"id": "b"}\noops\n', "not valid JSON")]
)
def test_nothing_is_appended_to_what_it_does_not_fit(tmp_path, before, what):
    path = tmp_path / "d.jsonl"
    path.write_text(before)
    with pytest.raises(DatasetError, match=what):
        append(path, [ONE])
    assert (path.read_text(), list(tmp_path.iterdir())) == (before, [path])


def test_cases_are_added_to_json_lines_only(tmp_path):
    with pytest.raises(DatasetError, match="only"):
        append(tmp_path / "d.csv", [ONE])


def test_an_export_replaces_nothing_unless_it_is_told_to(tmp_path):
    path = tmp_path / "d.csv"
    export([ONE], path)
    assert path.read_text() == "id,question,tags\na,x,t\n"
    with pytest.raises(ConflictError):
        export([ONE], path)
    export([Case(id="b")], path, replace=True)
    assert path.read_text() == "id\nb\n"
    with pytest.raises(DatasetError, match=r"are not written as \.xlsx"):
        export([ONE], tmp_path / "d.xlsx")
    with pytest.raises(ConflictError):
        create_text(path, "")


def test_a_name_that_appears_meanwhile_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "d.json"

    def race(cases, draft):
        draft.write_text('[{"id":"a","variables":{"question":"x"},"tags":["t"]}]')
        path.write_text("mine")

    monkeypatch.setitem(writing.WRITERS, ".json", race)
    with pytest.raises(ConflictError):
        export([ONE], path)
    assert path.read_text() == "mine"


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "d.jsonl"
    path.write_text('{"id": "first"}\n')

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        append(path, [ONE])
    assert (path.read_text(), list(tmp_path.iterdir())) == ('{"id": "first"}\n', [path])


def test_what_a_format_cannot_hold_is_refused_whole(tmp_path):
    deep = value = []
    for _ in range(200):
        value.append([])
        value = value[0]
    with pytest.raises(DatasetError, match="JSON Lines holds everything"):
        export([Case(id="a", expected=deep)], tmp_path / "d.yaml")
    assert list(tmp_path.iterdir()) == []


def test_a_table_names_types_where_text_is_not_enough(tmp_path):
    cases = [
        Case(id="a", variables={"n": 1, "id": "x", "q": 'é, "é"\nü'}, labels={"x": "14", "y": 14, "z": None}),
        Case(id="b", variables={"a.b": ""}, context=["one", "two"], expected="NaN", golden=True, split="dev"),
    ]
    export(cases, tmp_path / "d.csv")
    header = (tmp_path / "d.csv").read_text().splitlines()[0]
    assert header == (
        "id,n:json,variables.id,q,variables.a.b:json,labels.x,labels.y,labels.z,expected,context:json,golden,split"
    )
    assert list(load_dataset(tmp_path / "d.csv").cases) == cases


def test_yaml_is_for_people(tmp_path):
    export([Case(id="a", variables={"q": "two\nlines\n"}, golden=True), Case(id="b")], tmp_path / "d.yaml")
    text = (tmp_path / "d.yaml").read_text()
    assert text == "- id: a\n  variables:\n    q: |\n      two\n      lines\n  golden: true\n- id: b\n"


def test_a_list_has_a_case_a_line(tmp_path):
    export([Case(id="a"), Case(id="b")], tmp_path / "d.json")
    assert (tmp_path / "d.json").read_text() == '[\n{"id":"a"},\n{"id":"b"}\n]\n'
    assert json.loads((tmp_path / "d.json").read_text()) == [{"id": "a"}, {"id": "b"}]
