"""Splits keep clusters together and cases in their place; held-out cases stay closed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.errors import AccessError, DatasetError
from moat.domain.scores import Case
from moat.evals.datasets import Dataset, dataset_digest, load_dataset, select
from moat.evals.datasets.card import Card, parse_shares, read_card, with_splits


def dataset(*cases):
    return Dataset(tuple(cases), dataset_digest(cases))


THREE = dataset(Case(id="a", split="dev"), Case(id="b", split="held-out"), Case(id="c"))


def test_without_a_split_everything_is_asked_but_what_is_held_out():
    assert [case.id for case in select(THREE).cases] == ["a", "c"]
    assert [case.id for case in select(THREE, open_held_out=True).cases] == ["a", "c"], "it is opened by its name"
    whole = dataset(Case(id="a"), Case(id="b"))
    assert select(whole) is whole


def test_held_out_cases_are_opened_for_releases_only():
    with pytest.raises(AccessError, match="for releases only"):
        select(THREE, "held-out")
    opened = select(THREE, "held-out", open_held_out=True)
    assert [case.id for case in opened.cases] == ["b"]
    assert opened.digest == dataset_digest([THREE.cases[1]])


def test_an_unknown_split_names_those_there_are():
    with pytest.raises(DatasetError, match=r"no case is in the split 'test'. Splits: dev, held-out"):
        select(THREE, "test")
    with pytest.raises(DatasetError, match="all cases are in the split"):
        select(dataset(Case(id="a", split="held-out")))


def test_a_card_gives_cases_the_split_that_they_do_not_name(tmp_path):
    (tmp_path / "d.jsonl").write_text("".join(f'{{"id": "c{i}", "cluster": "k{i // 4}"}}\n' for i in range(4000)))
    plain = load_dataset(tmp_path / "d.jsonl")
    (tmp_path / "d.card.yaml").write_text("description: Questions.\nsplits: {dev: 0.7, test: 0.2, held-out: 0.1}\n")
    found = load_dataset(tmp_path / "d.jsonl")
    counts = Counter(case.split for case in found.cases)
    assert abs(counts["dev"] - 2800) < 200
    assert abs(counts["held-out"] - 400) < 100
    assert all(len({case.split for case in found.cases[i : i + 4]}) == 1 for i in range(0, 4000, 4))
    assert found.digest != plain.digest, "moving cases between splits is a change of the dataset"


@given(st.lists(st.text(min_size=1, max_size=5), unique=True, min_size=2, max_size=30), st.data())
def test_a_case_stays_in_its_split_whatever_else_is_there(ids, data):
    card = Card(splits={"dev": 0.5, "test": 0.5})
    before = {id: card.split_of(Case(id=id)) for id in ids}
    grown = Card(splits={"dev": 0.8, "test": 0.2})
    moved = [id for id in ids if before[id] == "dev" and grown.split_of(Case(id=id)) != "dev"]
    assert moved == [], "a share that grows takes, and gives nothing away"
    assert card.split_of(Case(id=data.draw(st.sampled_from(ids)), split="mine")) == "mine"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("splits: {dev: 0.5}", "sum up to 0.5"),
        ("splits: {dev: 0, x: 1}", "expected `float` > 0"),
        ("spltis: {}", "unknown key"),
        ("[", "not valid YAML"),
    ],
)
def test_a_broken_card_is_refused_with_its_line(tmp_path, content, what):
    (tmp_path / "d.card.yaml").write_text(content)
    with pytest.raises(DatasetError, match=what) as caught:
        read_card(tmp_path / "d.jsonl", name="evals/d.jsonl")
    assert caught.value.where.startswith("evals/d.card.yaml:1")


def test_an_empty_card_says_nothing(tmp_path):
    (tmp_path / "d.card.yaml").write_text("# nothing yet\n")
    assert read_card(tmp_path / "d.jsonl") == Card()


def test_shares_are_read_and_written(tmp_path):
    shares = parse_shares(["dev=80%", "held-out=0.2"])
    (tmp_path / "d.card.yaml").write_text(with_splits("# mine\nowner: Ada", shares))
    assert read_card(tmp_path / "d.jsonl") == Card(owner="Ada", splits={"dev": 0.8, "held-out": 0.2})
    for wrong in (["dev"], ["dev=x"], ["=1"], ["dev=1.5"], ["a b=1"], ["dev=0.5", "test=0.6"], ["dev=nan"]):
        with pytest.raises(DatasetError):
            parse_shares(wrong)
