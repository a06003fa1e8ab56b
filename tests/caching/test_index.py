"""The vector index finds what a plain search finds, and stays within its bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.caching import index as index_module
from moat.caching.index import BLOCK, SKETCH, VectorIndex, unit


def rows(count: int, dimensions: int = 32, seed: int = 1) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    found = np.random.default_rng(seed).standard_normal((count, dimensions), np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)  # type: ignore[no-any-return]


steps = st.lists(st.tuples(st.sampled_from(["put", "put", "put", "drop"]), st.integers(0, 40)), max_size=120)


@given(steps, st.integers(0, 39))
@settings(max_examples=100, deadline=None)
def test_it_finds_what_a_plain_search_finds(done: list[tuple[str, int]], asked: int) -> None:
    index, known = VectorIndex(2**30), dict[int, int]()
    vectors = rows(41, 4)
    for what, number in done:
        key = number.to_bytes(2, "big")
        if what == "put":
            index.put(b"p", key, f"text {number}", vectors[number])
            known[number] = number
        else:
            index.drop(key)
            known.pop(number, None)
    assert len(index) == len(known)
    found = index.near(b"p", vectors[asked], 0.8)
    similar = {n: float(vectors[n] @ vectors[asked]) for n in known}
    assert {int.from_bytes(m.key, "big") for m in found} == {n for n, s in similar.items() if s >= 0.8}
    assert [m.similarity for m in found] == sorted((m.similarity for m in found), reverse=True)
    assert all(m.text == f"text {int.from_bytes(m.key, 'big')}" for m in found)
    for number in list(known):
        index.drop(number.to_bytes(2, "big"))
    assert (len(index), index.bytes, index.near(b"p", vectors[asked], 0.8)) == (0, 0, [])


@pytest.mark.parametrize("threshold", [0.7, 0.92, 0.99])
def test_sketches_lose_nothing_that_matters(threshold: float) -> None:
    """Pairs just above the threshold, which is where a sketch could miss them."""
    index = VectorIndex(2**30)
    base, noise = rows(3 * BLOCK + 5, 128), rows(3 * BLOCK + 5, 128, seed=2)
    for number, vector in enumerate(base):
        index.put(b"p", number.to_bytes(4, "big"), "", vector)
    asked = range(0, len(base), 23)
    found = 0
    for number in asked:
        aside = noise[number] - (noise[number] @ base[number]) * base[number]
        cosine = threshold + 0.001
        near = cosine * base[number] + (1 - cosine**2) ** 0.5 * aside / np.linalg.norm(aside)
        matches = index.near(b"p", near.astype(np.float32), threshold)
        found += any(match.key == number.to_bytes(4, "big") for match in matches)
    assert found == len(asked)


def test_partitions_and_dimensions_are_apart() -> None:
    index = VectorIndex(2**20)
    one, other = unit([1.0, 0.0]), unit([1.0, 0.0, 0.0])
    assert one is not None
    assert other is not None
    index.put(b"p", b"k", "text", one)
    assert index.near(b"q", one, 0.1) == []
    assert index.near(b"p", other, 0.1) == []
    assert [match.key for match in index.near(b"p", one, 1.0)] == [b"k"]
    index.put(b"q", b"k", "text", other)
    assert index.near(b"p", one, 0.1) == [], "a key stands in one place"
    assert len(index) == 1


def test_what_is_of_no_use_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MAX_ENTRIES", 10)
    index = VectorIndex(2**30)
    for number, vector in enumerate(rows(30)):
        index.put(bytes([number % 3]), b"%d" % number, "", vector)
        index.touch(b"0")
        index.touch(b"nobody")
        assert len(index) <= 10
    assert index.near(bytes([0]), rows(30)[0], 0.99)[0].key == b"0"


def test_bytes_are_counted_and_bounded() -> None:
    index = VectorIndex(200_000)
    for number, vector in enumerate(rows(2_000, 16)):
        index.put(b"%d" % (number % 50), b"%d" % number, "x" * 50, vector)
        assert 0 <= index.bytes <= 200_000
    assert len(index) > 100
    for number in range(2_000):
        index.drop(b"%d" % number)
    assert (len(index), index.bytes) == (0, 0)


def test_one_that_is_larger_than_all_is_not_taken() -> None:
    index = VectorIndex(100)
    index.put(b"p", b"k", "", rows(1)[0])
    assert (len(index), index.bytes) == (0, 0)


def test_of_many_candidates_the_best_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MAX_CANDIDATES", 4)
    index = VectorIndex(2**20)
    for number in range(50):
        vector = unit([1.0, number / 50])
        assert vector is not None
        index.put(b"p", b"%d" % number, "", vector)
    asked = unit([1.0, 0.0])
    assert asked is not None
    found = index.near(b"p", asked, 0.5)
    assert [match.key for match in found] == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize("values", [[], [0.0], [float("nan")], [float("inf")], [[1.0]], 5.0])
def test_what_has_no_direction_is_no_vector(values: object) -> None:
    assert unit(values) is None


def test_a_sketch_is_smaller_than_a_vector() -> None:
    assert SKETCH < 384
