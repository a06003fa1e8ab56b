"""The lexical embedder: spelling as a vector."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.caching.lexical import DIMENSIONS, MAX_CHARACTERS, LexicalEmbedder, lexical, likeness
from moat.testing.fakes import new_call

texts = st.text(max_size=300)


@given(texts)
@settings(max_examples=300, deadline=None)
def test_a_text_is_a_direction_or_nothing(text: str) -> None:
    vector = lexical(text)
    assert vector.shape == (DIMENSIONS,)
    length = float(np.linalg.norm(vector))
    assert length == pytest.approx(1, abs=1e-5) if text.strip() else length == 0
    assert np.array_equal(vector, lexical(f"  {text}\n")), "the same each time; white space around it is nothing"


@given(texts, texts)
@settings(max_examples=300, deadline=None)
def test_likeness_is_symmetric_and_bounded(one: str, other: str) -> None:
    found = likeness(one, other)
    assert 0 <= found <= 1.0001
    assert found == pytest.approx(likeness(other, one), abs=1e-6)


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("How long can I return things?", "how  long can I return THINGS?", 0.9999, 1.0001),
        ("How long can I return things?", "How long can I return things", 0.92, 0.999),
        ("How long can I return things?", "how long may I return things?", 0.7, 0.92),
        ("How long can I return things?", "What does shipping to Norway cost?", 0.0, 0.4),
        ("退货需要多长时间？", "退货需要多长时间", 0.6, 0.999),
        ("a", "b", 0.0, 0.3),
    ],
)
def test_near_is_what_is_spelt_alike(one: str, other: str, least: float, most: float) -> None:
    assert least <= likeness(one, other) <= most


def test_likeness_is_about_the_share_of_common_runs() -> None:
    """3 of the 9 runs in " abc " are in " abd ": " a", "ab" and " ab". The same on every machine."""
    assert likeness("abc", "abd") == pytest.approx(3 / 9, abs=1e-6)


def test_of_a_huge_text_the_beginning_counts() -> None:
    assert np.array_equal(lexical("x" * MAX_CHARACTERS), lexical("x" * MAX_CHARACTERS + "y" * 10**6))


@pytest.mark.anyio
async def test_the_embedder_says_what_it_is() -> None:
    embedder = LexicalEmbedder()
    found = await embedder.embed("Hi", new_call())
    assert (embedder.name, found.space, len(found.vector)) == ("lexical", "lexical", DIMENSIONS)
