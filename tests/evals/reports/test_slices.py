import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.errors import ConfigError
from moat.domain.scores import Case
from moat.evals.reports.slicing import FEW, MAX_SLICES, measure_slices
from moat.evals.slices import belongs, names, slices

VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=100), st.lists(st.text(max_size=5)))


def test_cases_are_sliced_by_what_they_say():
    cases = [
        Case(id="a", tags=["vip", "new"], labels={"intent": "refund", "n": 3}, golden=True, split="dev"),
        Case(id="b", tags=["vip"], labels={"intent": "other"}, cluster="doc-1"),
        Case(id="c", labels={"intent": "refund", "who": {"plan": "pro"}}, variables={"langs": ["de", "en"]}),
    ]
    assert slices(cases, ["tags"]) == {"tags=vip": ["a", "b"], "tags=new": ["a"]}
    assert slices(cases, ["labels.intent"]) == {"labels.intent=refund": ["a", "c"], "labels.intent=other": ["b"]}
    assert slices(cases, ["labels.who.plan", "labels.n"]) == {"labels.who.plan=pro": ["c"], "labels.n=3": ["a"]}
    assert slices(cases, ["golden", "split", "cluster"]) == {
        "golden": ["a"],
        "split=dev": ["a"],
        "cluster=doc-1": ["b"],
    }
    assert slices(cases, ["variables.langs"]) == {"variables.langs=de": ["c"], "variables.langs=en": ["c"]}
    assert belongs(cases[0], "tags=vip")
    assert belongs(cases[0], "tags.vip")
    assert not belongs(cases[2], "tags.vip")
    assert belongs(cases[0], "golden")


@pytest.mark.parametrize("path", ["tag", "tag.vip", "id", "messages", "", "split.x"])
def test_a_path_that_leads_nowhere_is_refused(path):
    with pytest.raises(ConfigError, match="no path to slice by"):
        slices([Case(id="a")], [path])
    with pytest.raises(ConfigError):
        belongs(Case(id="a"), path)


@given(st.lists(st.tuples(VALUES, st.lists(st.text(min_size=1, max_size=9), max_size=3)), min_size=1, max_size=20))
def test_a_case_belongs_to_exactly_the_slices_it_is_listed_in(rows):
    cases = [Case(id=str(i), labels={"x": label}, tags=tags) for i, (label, tags) in enumerate(rows)]
    found = slices(cases, ["labels.x", "tags"])
    for name, ids in found.items():
        assert ids == [case.id for case in cases if belongs(case, name)]
        assert ids
    for case in cases:
        assert all(case.id in found[name] for path in ("labels.x", "tags") for name in names(case, path))


def test_only_the_slice_that_moved_is_marked():
    chance = random.Random(0)
    cases = [Case(id=str(i), labels={"kind": f"k{i % 20}"}) for i in range(2000)]
    old = {case.id: float(chance.random() < 0.8) for case in cases}
    new = {
        c.id: 0.0 if c.labels["kind"] == "k7" and chance.random() < 0.5 else float(chance.random() < 0.8) for c in cases
    }
    found = measure_slices(cases, ["labels.kind"], {"facts": new}, {"facts": old})
    assert [one.name for one in found if one.moved] == ["labels.kind=k7"]
    (moved,) = (one for one in found if one.moved)
    assert moved.n == 100
    assert moved.difference_high < 0
    assert moved.difference == pytest.approx(moved.mean - moved.baseline)


def test_slices_of_equal_systems_are_rarely_marked():
    chance, marked = random.Random(1), 0
    cases = [Case(id=str(i), tags=[f"t{i % 15}"]) for i in range(300)]
    for _ in range(60):
        new, old = ({c.id: float(chance.random() < 0.7) for c in cases} for _ in range(2))
        marked += any(one.moved for one in measure_slices(cases, ["tags"], {"s": new}, {"s": old}))
    assert marked <= 6


def test_few_cases_are_marked_and_many_slices_bounded():
    cases = [Case(id=str(i), tags=["rare"] if i < FEW - 1 else ["common"], labels={"id": i}) for i in range(400)]
    values = {case.id: 0.5 for case in cases}
    found = measure_slices(cases, ["tags", "labels.id"], {"s": values})
    assert {one.name: one.few for one in found if one.name.startswith("tags")} == {
        "tags=rare": True,
        "tags=common": False,
    }
    assert len(found) == MAX_SLICES
    assert found[0].baseline is None
