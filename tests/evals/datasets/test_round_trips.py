"""What is written in one format reads back the same in every other, or is refused whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.domain.errors import DatasetError
from moat.domain.scores import Case, SimulatedUser
from moat.evals.datasets import dataset_digest, load_dataset
from moat.evals.datasets.writing import export

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
IDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6)
CASES = st.builds(
    Case,
    id=IDS,
    variables=st.dictionaries(TEXT, JSON, max_size=3),
    messages=st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": TEXT}), max_size=2),
    expected=JSON,
    labels=st.dictionaries(TEXT, JSON, max_size=2),
    tags=st.lists(TEXT, max_size=2),
    cluster=TEXT,
    context=st.lists(TEXT, max_size=2),
    turns=st.lists(TEXT, max_size=2),
    user=st.none() | st.builds(SimulatedUser, goal=TEXT, persona=TEXT),
    golden=st.booleans(),
    split=TEXT,
    source=TEXT,
)


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".yaml"])
def test_any_cases_survive_every_format(tmp_path_factory, suffix):
    @settings(max_examples=40)
    @given(st.lists(CASES, min_size=1, max_size=3, unique_by=lambda case: case.id))
    def survives(cases):
        folder = tmp_path_factory.mktemp("d")
        try:
            export(cases, folder / f"a{suffix}")
        except DatasetError:
            assert list(folder.iterdir()) == [], "what cannot be held is refused whole"
            assert suffix == ".yaml"
            return
        found = load_dataset(folder / f"a{suffix}")
        assert found.digest == dataset_digest(cases)
        assert [case.id for case in found.cases] == [case.id for case in cases]

    survives()


def test_any_cases_survive_parquet(tmp_path_factory):
    @settings(max_examples=12)
    @given(st.lists(CASES, min_size=1, max_size=3, unique_by=lambda case: case.id))
    def survives(cases):
        path = tmp_path_factory.mktemp("d") / "a.parquet"
        try:
            export(cases, path)
        except DatasetError:
            assert list(path.parent.iterdir()) == []
            return
        assert load_dataset(path).digest == dataset_digest(cases)

    survives()
