"""Retrieval, citations, links."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.evals.scorers import Answered
from moat.evals.scorers.citations import links_in
from moat.evals.scorers.retrieval import average_precision, ndcg, reciprocal_rank
from tests.evals.scorers.worlds import made, score

GRADES = {"a": 3, "b": 2, "c": 1, "d": 0}


@pytest.mark.parametrize(
    ("options", "found", "wanted", "value"),
    [
        ({}, ["a", "b", "c"], GRADES, 1),
        # by hand: (1/log2(2) + 3/log2(3) + 2/log2(5)) / (3/log2(2) + 2/log2(3) + 1/log2(4))
        ({}, ["c", "a", "x", "b"], GRADES, (1 + 3 / math.log2(3) + 2 / math.log2(5)) / (3 + 2 / math.log2(3) + 0.5)),
        ({"k": 1}, ["b"], GRADES, 2 / 3),
        ({}, ["a", "a", "a"], ["a", "b"], 1 / (1 + 1 / math.log2(3))),
        ({"metric": "mrr"}, ["x", "d", "c", "a"], GRADES, 1 / 3),
        ({"metric": "mrr", "k": 2}, ["x", "d", "c", "a"], GRADES, 0),
        ({"metric": "recall"}, ["a", "x"], ["a", "b"], 0.5),
        ({"metric": "recall", "k": 1}, ["x", "a"], ["a", "b"], 0),
        ({"metric": "precision", "k": 4}, ["a", "x"], ["a", "b"], 0.25),
        ({"metric": "precision", "k": 0}, ["a", "x"], ["a", "b"], 0.5),
        ({"metric": "hit"}, ["x", "b"], ["a", "b"], 1),
        ({"metric": "map"}, ["a", "x", "b"], ["a", "b", "c"], (1 + 2 / 3) / 3),
        ({"metric": "hit"}, [], ["a"], 0),
        ({"metric": "hit"}, ["  two\n words "], "two words", 1),
        ({"metric": "hit"}, ["a long text with words"], "with words", 0),
        ({"metric": "hit", "match": "contains"}, ["a long text with words"], "with words", 1),
        ({"metric": "recall", "match": "contains"}, ["one and two", "x"], ["one", "two", "three"], 2 / 3),
    ],
)
def test_rankings(options, found, wanted, value):
    got = score(
        {"kind": "retrieval", "expected": "labels.docs", **options},
        Answered("", context=found),
        labels={"docs": wanted},
    )
    assert got.value == pytest.approx(value)


def test_a_ranking_may_stand_in_the_answer():
    options = {"kind": "retrieval", "metric": "recall", "path": "ids"}
    assert score(options, '{"ids": [7, "b"]}', expected=[7, "c"]).value == 0.5
    assert score(options, '{"ids": "b"}', expected=["b"]).value == 0
    assert score(options, "{}", expected=["b"]).value == 0


@pytest.mark.parametrize("wanted", [[], {"a": 0}, {"a": True}, {"a": "much"}, {"a": -1}])
def test_a_case_without_relevant_documents_is_not_run(wanted):
    got = score({"kind": "retrieval"}, Answered("", context=["a"]), expected=wanted)
    assert got.status == "not_run"


RANKING = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), max_size=8)


@given(RANKING)
def test_measures_of_rankings_keep_their_definitions(found):
    ideal = sorted((grade for grade in found if grade), reverse=True)
    assert 0 <= ndcg(found, ideal) <= 1 + 1e-12
    assert ndcg(ideal, ideal) == (pytest.approx(1) if ideal else 0)
    precisions = [sum(g > 0 for g in found[:n]) / n for n in range(1, len(found) + 1) if found[n - 1] > 0]
    assert average_precision(found, len(ideal)) == pytest.approx(sum(precisions) / len(ideal) if ideal else 0)
    first = next((n for n, grade in enumerate(found, 1) if grade), None)
    assert reciprocal_rank(found) == (1 / first if first else 0)


DOCUMENTS = ["Returns are free within 30 days of delivery.", "Refunds take five business days to arrive."]


@pytest.mark.parametrize(
    ("options", "text", "value"),
    [
        ({}, "Returns are free [1]. Refunds take five days [2].", 1),
        ({}, "Returns are free [1, 2].", 1),
        ({}, "Returns are free [1-2].", 1),
        ({}, "Returns are free [3].", 0),
        ({}, "Returns are free [0].", 0),
        ({}, "Returns are free.", 0),
        ({"required": False}, "Returns are free.", 1),
        ({}, "See [1](https://example.com).", 0),
        ({}, 'It says "free within 30 days" [1].', 1),
        ({}, "It says “RETURNS are free … days of delivery” [1].", 1),
        ({}, 'It says "days of delivery … Returns are free" [1].', 0),
        ({}, 'It says "free within 90 days" [1].', 0),
        ({"quote_words": 0}, 'It says "free within 90 days" [1].', 1),
        ({}, 'The "big one" [1].', 1),
        ({"every_sentence": True}, "Returns are free [1]. Refunds take days. [2]", 1),
        ({"every_sentence": True}, "Returns are free [1]. Refunds take days.", 0),
        ({"partial": True}, "Free [1]. Quick [2]. Nice [7]. Good [8].", 0.5),
        ({"sources": "labels.sources"}, "Free [faq-1]; quick [faq-2, faq-1].", 1),
        ({"sources": "labels.sources"}, "Free [faq-3].", 0),
        ({"path": "answer"}, "no json", 0),
    ],
)
def test_citations(options, text, value):
    labels = {"sources": ["faq-1", "faq-2"]}
    got = score({"kind": "citations", **options}, Answered(text, context=DOCUMENTS), labels=labels)
    assert (got.value, got.status) == (value, "ok")
    assert bool(got.reason) == (value < 1)
    assert score({"kind": "citations", **options}, text, labels=labels, context=DOCUMENTS).value == value


def test_citations_need_something_to_cite():
    assert score({"kind": "citations"}, "Free [1].").status == "not_run"


@pytest.mark.parametrize(
    ("options", "text", "value"),
    [
        ({"hosts": ["example.com"]}, "See https://example.com/a_(b).", 1),
        ({"hosts": ["example.com"]}, "See http://EXAMPLE.com.", 1),
        ({"hosts": ["example.com"]}, "See https://docs.example.com.", 0),
        ({"hosts": ["*.example.com"]}, "See https://docs.example.com and https://a.b.example.com/x?y#z", 1),
        ({"hosts": ["*.example.com"]}, "See https://notexample.com", 0),
        ({"hosts": ["example.com"]}, "See https://example.com@evil.test/", 0),
        ({"hosts": ["example.com"]}, "See https://evil.test\\@example.com/", 0),
        ({"hosts": ["example.com"]}, "See https://example.com.evil.test/", 0),
        ({"hosts": ["example.com"]}, "See ftp://example.com/", 0),
        ({"hosts": ["example.com"]}, "See [it](//evil.test/x)", 0),
        ({"hosts": ["example.com"]}, "See www.evil.test", 0),
        ({"hosts": ["www.example.com"]}, "See www.example.com!", 1),
        ({"hosts": ["example.com"]}, "See http://[broken", 0),
        ({"hosts": ["example.com"]}, "// a comment, and no link", 1),
        ({"hosts": ["example.com"], "required": True}, "none", 0),
        ({}, "See https://known.test/page.", 1),
        ({}, "See https://known.test/other", 0),
        ({"hosts": ["example.com"], "from_context": True}, "https://example.com/ https://known.test/page", 1),
    ],
)
def test_links(options, text, value):
    got = score({"kind": "urls", **options}, text, context=["More at https://known.test/page"])
    assert (got.value, got.status) == (value, "ok")
    assert bool(got.reason) == (value == 0)


def test_links_are_found_once_without_the_marks_around_them():
    assert links_in("(https://a.test/x), **https://a.test/x** <www.b.test>") == ["https://a.test/x", "//www.b.test"]


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "retrieval", "k": -1},
        {"kind": "citations", "sources": "elsewhere"},
        {"kind": "citations", "quote_words": -1},
        {"kind": "urls", "hosts": ["https://example.com"]},
        {"kind": "urls", "hosts": ["*."]},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(msgspec.ValidationError):
        made(options)
