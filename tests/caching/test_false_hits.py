"""What is measured of a semantic cache, and when it is proof."""

from math import comb
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.adapters.sqlite import SqliteFalseHits, SqliteState
from moat.caching.exact import Memory
from moat.caching.false_hits import MAX_EXAMPLES, Book, is_proven, may_serve, wilson
from moat.caching.report import cache_states
from moat.domain.config import CacheConfig, SemanticConfig
from moat.domain.false_hits import Example, FalseHits, Subject
from moat.evals.statistics.intervals import wilson as reference

SUBJECT = Subject(alias="assistant", embedder="lexical", threshold=0.92, agreement=0.9, release="rel_1")


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_interval_is_wilsons(one: int, other: int) -> None:
    false, n = min(one, other), max(one, other)
    low, high = wilson(false, n)
    assert 0 <= low <= high <= 1
    if n:
        assert low <= false / n <= high
        assert (low, high) == pytest.approx(tuple(reference(false, n)), abs=1e-9)


@pytest.mark.parametrize("n", [50, 200, 1000])
def test_the_interval_covers_the_true_rate(n: int) -> None:
    """The chance, over all samples, that the true rate lies in it: 95 % on average (Brown, Cai & DasGupta 2001)."""
    rates = [step / 200 for step in range(1, 41)]
    covered = []
    for rate in rates:
        inside = [k for k in range(n + 1) if wilson(k, n).low <= rate <= wilson(k, n).high]
        covered.append(sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in inside))
    assert 0.94 < sum(covered) / len(covered) < 0.97
    assert min(covered) > 0.83


def test_proof_takes_enough_and_few_enough() -> None:
    config = SemanticConfig(mode="serve")

    def proven(false: int, compared: int) -> bool:
        return is_proven(FalseHits(subject=SUBJECT, compared=compared, false=false), config)

    assert [proven(0, 199), proven(0, 200), proven(1, 200), proven(1, 300), proven(20, 1000)] == [
        False,
        True,
        False,
        True,
        False,
    ]
    unknown = FalseHits(subject=SUBJECT)
    assert not may_serve(unknown, config)
    assert may_serve(unknown, replace(config, unproven=True))
    assert not may_serve(unknown, replace(config, unproven=True, mode="shadow"))


def test_the_book_keeps_the_newest_examples_and_knows_what_to_save() -> None:
    book = Book()
    for number in range(30):
        example = Example(asked=str(number), similar="", similarity=1, answered="", cached="", at_ns=number)
        book.add(SUBJECT, number, false=True, example=example)
    book.add(SUBJECT, 99, false=False)
    (found,) = book.unsaved()
    assert (found.compared, found.false, found.changed_ns) == (31, 30, 99)
    assert [example.asked for example in found.examples] == [str(n) for n in range(30 - MAX_EXAMPLES, 30)]
    book.add(SUBJECT, 100, false=False)
    book.saved([found])
    (newer,) = book.unsaved()
    assert newer.compared == 32
    book.saved([newer])
    assert book.unsaved() == []


def test_it_is_stored_by_subject(tmp_path: Path) -> None:
    example = Example(asked="aé", similar="b", similarity=0.95, answered="c", cached="d", at_ns=5)
    one = FalseHits(subject=SUBJECT, compared=3, false=1, examples=(example,), changed_ns=7)
    other = replace(one, subject=replace(SUBJECT, release=""), changed_ns=9)
    state = SqliteState.open(tmp_path / "state.db")
    try:
        store = SqliteFalseHits(state)
        store.save([])
        assert store.false_hits() == []
        store.save([one, other])
        assert store.false_hits() == [other, one]
        more = replace(one, compared=4, changed_ns=11)
        store.save([more])
        assert store.false_hits() == [more, other]
        assert Book(store.false_hits()).about(SUBJECT) == more
    finally:
        state.close()


def test_what_is_told_of_it() -> None:
    book = Book([FalseHits(subject=SUBJECT, compared=200, false=0, changed_ns=2)])
    book.add(replace(SUBJECT, threshold=0.8), 1, false=True)
    book.add(replace(SUBJECT, release="rel_2"), 3, false=False)
    book.add(replace(SUBJECT, alias="gone"), 4, false=False)

    def told(semantic: SemanticConfig | None) -> list[tuple[str, str]]:
        aliases = {"assistant": CacheConfig(ttl=1, semantic=semantic)}
        (state,) = cache_states(aliases, {"assistant": "lexical" if semantic else ""}, Memory(1), book)
        return [(one.release + f"@{one.threshold}", one.state) for one in state.measured]

    names = ["rel_2@0.92", "rel_1@0.92", "rel_1@0.8"]
    assert told(SemanticConfig(mode="serve")) == list(zip(names, ["unproven", "serving", "former"], strict=True))
    assert told(SemanticConfig()) == list(zip(names, ["shadow", "shadow", "former"], strict=True))
    assert told(None) == list(zip(names, ["former"] * 3, strict=True))
