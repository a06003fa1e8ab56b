import json

import pytest

from moat.domain.errors import DatasetError
from moat.evals.datasets import load_dataset

CASES = [
    {"id": "a", "variables": {"question": "Äh?"}, "labels": {"intent": "refund", "n": 14}, "tags": ["x", "y"]},
    {"id": "b", "variables": {"question": "B"}, "labels": {"must_refuse": False}, "cluster": "c1"},
]


def test_the_same_cases_in_every_format_and_order_have_one_digest(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n\n".join(json.dumps(case) for case in reversed(CASES)))
    (tmp_path / "a.yaml").write_text(json.dumps(CASES, indent=3))
    (tmp_path / "a.csv").write_text(
        "id,question,labels.intent,labels.n,labels.must_refuse,tags,cluster\na,Äh?,refund,14,,x; y,\nb,B,,,false,,c1\n",
        encoding="utf-8-sig",
    )
    found = [load_dataset(tmp_path / f"a.{kind}") for kind in ("jsonl", "yaml", "csv")]
    assert len({dataset.digest for dataset in found}) == 1
    assert found[1].cases == found[2].cases
    assert found[0].cases[0].id == "b"


@pytest.mark.parametrize("change", [{"id": "c"}, {"expected": 0}, {"labels": {}}, {"messages": [{"role": "user"}]}])
def test_another_content_is_another_digest(tmp_path, change):
    (tmp_path / "a.yaml").write_text(json.dumps(CASES))
    (tmp_path / "b.yaml").write_text(json.dumps([{**CASES[0], **change}, CASES[1]]))
    assert load_dataset(tmp_path / "a.yaml").digest != load_dataset(tmp_path / "b.yaml").digest


@pytest.mark.parametrize(
    ("file", "content", "where", "what"),
    [
        ("a.jsonl", b'{"id": "a"}\n{"id": "b", "lables": {}}', "a.jsonl:2", "unknown key 'lables'"),
        ("a.jsonl", b'{"id": "a"}\n\n{"id": "a"}', "a.jsonl:3", "stands twice (first at a.jsonl:1)"),
        ("a.jsonl", b'{"id": 1}', "a.jsonl:1", "expected `str`"),
        ("a.jsonl", b'{"id": "a"}\n{oops', "a.jsonl:2", "not valid JSON"),
        ("a.jsonl", b'{"id": "\xff"}', "a.jsonl:1", "not UTF-8"),
        ("a.jsonl", b"\n", "a.jsonl", "no cases"),
        ("a.jsonl", b'{"id": " "}', "a.jsonl:1", "is no id"),
        ("a.jsonl", b'{"variables": {}}', "a.jsonl:1", "missing required field `id`"),
        ("a.yaml", b"- id: a\n- id: b\n  tags: x\n", "a.yaml:3", "expected `array`"),
        ("a.yaml", b"id: a\n", "a.yaml:1", "not a list"),
        ("a.csv", b"question\nx\n", "a.csv:1", "no column `id`"),
        ("a.csv", b"id,lables.x\n", "a.csv:1", "unknown column"),
        ("a.csv", b"id,x,x\n", "a.csv:1", "stands twice"),
        ("a.csv", b'id,x\na,"two\nlines"\nb\n', "a.csv:4", "1 cells in a table of 2"),
        ("a.csv", b'id,x\na,"b"c\n', "a.csv:2", "not valid CSV"),
        ("a.csv", b"id\n\xff\n", "a.csv", "not UTF-8"),
        ("a.txt", b"", "a.txt", "not read from .txt"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_place(tmp_path, file, content, where, what):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        load_dataset(tmp_path / file, name=file)
    assert caught.value.where == where
    assert what in caught.value.what


@pytest.mark.parametrize("file", ["a.jsonl", "a.yaml", "a.csv"])
def test_a_missing_or_unreadable_file_is_refused(tmp_path, file):
    with pytest.raises(DatasetError, match="no such file"):
        load_dataset(tmp_path / file)
    (tmp_path / file).mkdir()
    with pytest.raises(DatasetError, match="cannot be read"):
        load_dataset(tmp_path / file)
