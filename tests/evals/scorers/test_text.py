"""Scorers of text, labels, numbers, dates, code and length."""

import json
import time

import msgspec
import pytest

from moat.evals.scorers import Answered
from moat.evals.scorers.code import fenced
from moat.evals.scorers.patterns import Regex
from moat.guards.prose import count_sentences
from tests.evals.scorers.worlds import made, score

ABC = '{"intent": "Refund", "answer": "within 14 days", "items": [{"id": 7}], "n": 12.5}'
LONG = json.dumps({"items": ["Nothing to see here."] * 35 + ["We guarantee it, Zoë."], "n": 14.0})


@pytest.mark.parametrize(
    ("options", "answer", "case", "value"),
    [
        ({"kind": "equals"}, " yes ", {"expected": "yes"}, 1),
        ({"kind": "equals"}, "Yes", {"expected": "yes"}, 0),
        ({"kind": "equals", "ignore_case": True}, "Yes", {"expected": "yes"}, 1),
        ({"kind": "equals", "ignore_case": True}, "STRASSE", {"expected": "straße"}, 1),
        ({"kind": "equals"}, "a  b\n", {"expected": "a b"}, 0),
        ({"kind": "equals", "ignore_space": True}, "a  b\n", {"expected": "a b"}, 1),
        ({"kind": "equals", "ignore_punctuation": True}, "“Yes.”", {"expected": "Yes"}, 1),
        ({"kind": "equals", "ignore_form": True}, "ﬁve Ａ cafe\u0301", {"expected": "five A café"}, 1),
        ({"kind": "equals"}, "b", {"expected": ["a", "b"]}, 0),
        ({"kind": "equals", "any_of": True}, "b", {"expected": ["a", "b"]}, 1),
        ({"kind": "equals", "any_of": True}, "2", {"expected": [1, 2.0]}, 1),
        ({"kind": "equals"}, "1.0", {"expected": 1}, 1),
        ({"kind": "equals"}, "1", {"expected": True}, 0),
        ({"kind": "equals"}, '{"b": [2], "a": 1}', {"expected": {"a": 1, "b": [2.0]}}, 1),
        ({"kind": "equals"}, '{"b": [2]}', {"expected": {"b": [2, 3]}}, 0),
        ({"kind": "equals", "path": "items.0.id"}, ABC, {"expected": 7}, 1),
        ({"kind": "equals", "path": "items.1.id"}, ABC, {"expected": 7}, 0),
        ({"kind": "equals", "path": "a"}, "no json", {"expected": 7}, 0),
        ({"kind": "contains", "expected": "labels.f"}, "In 14 DAYS", {"labels": {"f": ["14 days", "in"]}}, 1),
        ({"kind": "contains", "expected": "labels.f"}, "In 14", {"labels": {"f": 14}}, 1),
        ({"kind": "contains", "expected": "labels.f"}, "14 weeks", {"labels": {"f": ["14 days"]}}, 0),
        ({"kind": "contains", "values": ["A"], "ignore_case": False}, "a", {}, 0),
        ({"kind": "contains", "values": ["Zoe\u0308"]}, "ZOË", {}, 1),
        ({"kind": "contains", "values": ["a", "b", "x", "y"], "partial": True}, "a b", {}, 0.5),
        ({"kind": "contains", "values": ["guarantee", "Zoë"], "path": "items"}, LONG, {}, 1),
        ({"kind": "contains_any", "values": ["x", "days"]}, "14 days", {}, 1),
        ({"kind": "contains_any", "values": ["x", "z"]}, "14 days", {}, 0),
        ({"kind": "not_contains", "values": ["lawyer"], "path": "answer"}, ABC, {}, 1),
        ({"kind": "not_contains", "values": ["DAYS"], "path": "answer"}, ABC, {}, 0),
        ({"kind": "not_contains", "values": ["guarantee"], "path": "items"}, LONG, {}, 0),
        ({"kind": "not_contains", "values": ["ass"], "words": True}, "first class", {}, 1),
        ({"kind": "not_contains", "values": ["ass"], "words": True}, "you ass!", {}, 0),
        ({"kind": "not_contains", "values": ["über"], "words": True}, "Darüber, ueber", {}, 1),
        ({"kind": "not_contains", "values": ["c++"], "words": True}, "we use C++.", {}, 0),
        ({"kind": "not_contains", "values": ["cafe"], "words": True}, "cafe\u0301s", {}, 1),
        ({"kind": "starts_with", "values": ["dear", "hello"]}, "  Hello, Zoë", {}, 1),
        ({"kind": "starts_with", "values": ["hell"], "words": True}, "Hello", {}, 0),
        ({"kind": "ends_with", "expected": "expected"}, "Best regards, Moat\n", {"expected": "moat"}, 1),
        ({"kind": "ends_with", "values": ["oat"], "words": True}, "Best regards, Moat", {}, 0),
        ({"kind": "ends_with", "values": ["moat"], "words": True}, "Best regards, Moat", {}, 1),
        ({"kind": "ends_with", "values": ["bye"]}, "x" * 300, {}, 0),
        ({"kind": "regex", "pattern": "guarantee", "path": "items", "absent": True}, LONG, {}, 0),
        ({"kind": "regex", "pattern": r"^14\.0$", "path": "n"}, LONG, {}, 1),
        ({"kind": "regex", "pattern": r"(?i)\bREFUND\b"}, ABC, {}, 1),
        ({"kind": "regex", "pattern": r"^\d+$"}, "12a", {}, 0),
        ({"kind": "regex", "pattern": r"\d+|x", "match": "full"}, " 12\n", {}, 1),
        ({"kind": "regex", "pattern": r"\d+|x", "match": "full"}, "12a", {}, 0),
        ({"kind": "regex", "pattern": "days", "absent": True}, ABC, {}, 0),
        ({"kind": "regex", "pattern": "(a+)+$"}, "a" * 50_000 + "\ud800", {}, 0),
        ({"kind": "regex", "pattern": r"Total: (\d+)", "expected": "expected"}, "Total: 12", {"expected": 12}, 1),
        ({"kind": "regex", "pattern": r"Total: (\d+)", "expected": "expected"}, "Total: 12", {"expected": ["3"]}, 0),
        ({"kind": "regex", "pattern": r"(\w+)@(\w+)", "group": 2, "expected": "expected"}, "a@b", {"expected": "b"}, 1),
        ({"kind": "regex", "pattern": r"\d+", "group": 0, "expected": "expected"}, "n 12", {"expected": "12"}, 1),
        ({"kind": "regex", "pattern": r"(\d+)", "expected": "expected"}, "none", {"expected": "12"}, 0),
        ({"kind": "regex", "pattern": r"(\d+)", "expected": "expected"}, "\0 1", {"expected": "1"}, 0),
        ({"kind": "label", "path": "intent"}, ABC, {"expected": "refund"}, 1),
        ({"kind": "label", "path": "intent"}, ABC, {"expected": ["other", "refund "]}, 1),
        ({"kind": "label", "path": "intent"}, ABC, {"expected": "order"}, 0),
        ({"kind": "label", "path": "n"}, '{"n": true}', {"expected": 1}, 0),
        ({"kind": "number", "path": "n"}, ABC, {"expected": 12.5}, 1),
        ({"kind": "number", "relative": 0.1}, "about 1,080.", {"expected": 1000}, 1),
        ({"kind": "number", "absolute": 0.5}, "3", {"expected": "2"}, 0),
        ({"kind": "number", "pick": "first"}, "3 of 4", {"expected": 3}, 1),
        ({"kind": "number", "decimal": ","}, "1.234,5 Euro", {"expected": 1234.5}, 1),
        ({"kind": "number"}, "none", {"expected": 2}, 0),
        ({"kind": "number"}, "version 1.2.3", {"expected": 2}, 0),
        ({"kind": "number", "path": "n"}, '{"n": true}', {"expected": 1}, 0),
        ({"kind": "date"}, "2026-11-21T10:00:00Z", {}, 1),
        ({"kind": "date"}, "2026-02-30", {}, 0),
        ({"kind": "date"}, "21.11.2026", {}, 0),
        ({"kind": "date"}, "9" * 100_000, {}, 0),
        ({"kind": "date", "formats": ["%d.%m.%Y", "%d %B %Y"]}, "21 November 2026", {}, 1),
        ({"kind": "date", "expected": "expected"}, "2026-11-21", {"expected": "2026-11-21T09:00"}, 1),
        ({"kind": "date", "expected": "expected", "days": 2}, "2026-11-23", {"expected": "2026-11-21"}, 1),
        ({"kind": "date", "expected": "expected", "days": 1}, "2026-11-23", {"expected": "2026-11-21"}, 0),
        ({"kind": "date", "after": "2026-01-01", "before": "2026-12-31"}, "2026-12-31", {}, 1),
        ({"kind": "date", "after": "2026-01-01"}, "2025-12-31", {}, 0),
        ({"kind": "length", "max": 3, "unit": "words"}, "one two three", {}, 1),
        ({"kind": "length", "max": 3}, "four", {}, 0),
        ({"kind": "length", "min": 3}, "ab", {}, 0),
        ({"kind": "length", "min": 3, "path": "n"}, ABC, {}, 0),
        ({"kind": "length", "max": 2, "unit": "lines"}, "a\n\nb\n", {}, 1),
        ({"kind": "length", "max": 1, "unit": "paragraphs"}, "a\n\nb\n", {}, 0),
        ({"kind": "length", "max": 2, "unit": "tokens"}, "12345678", {}, 1),
        ({"kind": "length", "max": 2, "unit": "sentences"}, "One. Two! Three?", {}, 0),
    ],
)
def test_values(options, answer, case, value):
    got = score(options, answer, **case)
    assert (got.value, got.status) == (value, "ok")
    assert bool(got.reason) == (value < 1)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("No mark", 1),
        ("Dr. Smith paid $3.50 to J. Doe. She left.", 2),
        ('What?! Yes... "So." (Fine.)', 4),
        ("これは文です。次の文です！", 2),
        ("One\n\nTwo", 2),
        ("e.g. this is one", 1),
    ],
)
def test_sentences_are_counted_roughly(text, count):
    assert count_sentences(text) == count


@pytest.mark.parametrize(
    ("language", "answer", "value"),
    [
        ("python", "def f():\n    return 1", 1),
        ("python", "def f(:\n", 0),
        ("python", "Here:\n```python\nx = 1\n```\nand\n```py\ny = (\n```", 0),
        ("python", "Here:\n```\nx = '\\d'\n```", 1),
        ("python", "Here:\n```json\nnot python\n```\n```python\nx = 1", 1),
        ("python", "(" * 10_000, 0),
        ("python", "-" * 100_000 + "1", 0),
        ("python", "x = 1\0", 0),
        ("python", "x" * 300_000, 0),
        ("python", "```python\n```", 0),
        ("python", "x = '\ud800'", 0),
        ("json", "```json\n{}\n```", 1),
        ("json", "[" * 100_000, 0),
        ("yaml", "a: [1, 2]", 1),
        ("yaml", "a: [1", 0),
        ("yaml", "a: '\ud800'", 0),
        ("toml", "a = 1", 1),
        ("toml", "a =", 0),
        ("sql", "SELECT a, count(*) FROM t GROUP BY a", 1),
        ("sql", "```sql\nSELEC a\n```", 0),
        ("sql", "-- nothing", 0),
    ],
)
def test_code_parses_or_not(language, answer, value):
    got = score({"kind": "code", "language": language}, answer)
    assert (got.value, got.status) == (value, "ok")
    assert bool(got.reason) == (value == 0)


def test_only_fences_of_the_language_are_code():
    assert fenced("```js\n1\n```\n~~~\n```\nplain\n```", "python") == ["plain\n"]
    assert fenced("no fence", "python") == []


def test_a_broken_block_is_named_with_its_line():
    got = score({"kind": "code", "language": "python"}, "```python\nx = 1\n```\n```python\ny = 1\nif\n```")
    assert got.reason.startswith("block 2: not python: line 2: ")


def test_what_a_group_caught_is_told():
    got = score({"kind": "regex", "pattern": r"is (\d+)", "expected": "expected"}, "it is 41", expected="42")
    assert got.reason == r"expected '42' in 'is (\\d+)', got '41'"


@pytest.mark.parametrize("pattern", [r"\(a\)", "[(]a", r"[^])(]", r"(?:a)"])
def test_parentheses_that_catch_nothing_are_no_groups(pattern):
    with pytest.raises(msgspec.ValidationError, match="no group 1"):
        made({"kind": "regex", "pattern": pattern, "expected": "expected"})


@pytest.mark.parametrize("pattern", ["(a)", r"[)](a)", r"(?P<n>a)", r"(?:(a))"])
def test_parentheses_that_catch_are_groups(pattern):
    assert isinstance(made({"kind": "regex", "pattern": pattern, "expected": "expected"}), Regex)


@pytest.mark.parametrize(
    ("options", "case"),
    [
        ({"kind": "label"}, {}),
        ({"kind": "contains", "expected": "labels.facts"}, {"labels": {"other": 1}}),
        ({"kind": "number"}, {"expected": "none"}),
        ({"kind": "date", "expected": "expected"}, {"expected": "soon"}),
        ({"kind": "regex", "pattern": "(a)", "expected": "expected"}, {}),
    ],
)
def test_a_case_that_says_nothing_is_not_run_with_a_reason(options, case):
    got = score(options, "text", **case)
    assert (got.status, got.value) == ("not_run", None)
    assert got.reason


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "regex", "pattern": "("},
        {"kind": "regex", "pattern": r"(a)\1"},
        {"kind": "regex", "pattern": "(a)", "expected": "expected", "absent": True},
        {"kind": "regex", "pattern": "(a)", "expected": "expected", "group": -1},
        {"kind": "regex", "pattern": "(a)", "expected": "expected", "group": 2},
        {"kind": "regex", "pattern": "(a)", "expected": "other"},
        {"kind": "length"},
        {"kind": "length", "max": 1, "unit": "bytes"},
        {"kind": "length", "min": 2, "max": 1},
        {"kind": "number", "absolute": -1},
        {"kind": "number", "relative": float("nan")},
        {"kind": "contains", "values": [""]},
        {"kind": "contains"},
        {"kind": "contains", "values": ["a"], "expected": "expected"},
        {"kind": "date", "after": "soon"},
        {"kind": "date", "days": 1},
        {"kind": "date", "formats": ["%Q"]},
        {"kind": "code", "language": "javascript"},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(msgspec.ValidationError):
        made(options)


def test_a_forbidden_word_is_named_and_stands_as_evidence():
    got = score({"kind": "not_contains", "values": [f"w{i}" for i in range(20)]}, " ".join(f"w{i}" for i in range(20)))
    assert got.reason.startswith("must not say: 'w0'")
    assert got.reason.endswith("and 10 more")
    assert got.evidence["said"][:2] == ["w0", "w1"]


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "length", "max": 5, "unit": "sentences"},
        {"kind": "contains", "values": ["x y"], "words": True},
        {"kind": "code", "language": "python"},
        {"kind": "json", "anywhere": True},
        {"kind": "number"},
        {"kind": "equals", "ignore_punctuation": True, "ignore_form": True},
    ],
)
@pytest.mark.parametrize("unit", ["a. ", "```\n", "[{", "1,", "x y", "\n \n"])
def test_hostile_texts_take_bounded_time(options, unit):
    began = time.perf_counter()
    got = score(options, Answered(unit * (100_000 // len(unit))), expected="1")
    assert got.status in ("ok", "error")
    assert time.perf_counter() - began < 5
