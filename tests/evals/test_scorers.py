import asyncio
import json
from collections.abc import AsyncGenerator

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moat.domain.calls import Call, Event
from moat.domain.errors import PromptError, Unavailable
from moat.domain.releases import PromptVersion
from moat.domain.scores import Case
from moat.evals.scorers import KINDS, Answered, Bench, Scorer, scorer
from moat.evals.scorers.refusal import refuses
from moat.evals.scorers.rouge import rouge_l

ABC = '{"intent": "Refund", "answer": "within 14 days", "items": [{"id": 7}], "n": 12.5}'
LONG = json.dumps({"items": ["Nothing to see here."] * 35 + ["We guarantee it, Zoë."], "n": 14.0})


async def unreachable(call: Call) -> AsyncGenerator[Event, None]:
    raise AssertionError("asks no model")
    yield


def score(options, answer, **case):
    made = msgspec.convert(options, KINDS[options["kind"]])
    view = answer if isinstance(answer, Answered) else Answered(answer)
    return asyncio.run(made.score(Case(id="a", **case), view))


@pytest.mark.parametrize(
    ("options", "answer", "case", "value"),
    [
        ({"kind": "equals"}, " yes ", {"expected": "yes"}, 1),
        ({"kind": "equals"}, "Yes", {"expected": "yes"}, 0),
        ({"kind": "equals", "ignore_case": True}, "Yes", {"expected": "yes"}, 1),
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
        ({"kind": "not_contains", "values": ["lawyer"], "path": "answer"}, ABC, {}, 1),
        ({"kind": "not_contains", "values": ["DAYS"], "path": "answer"}, ABC, {}, 0),
        ({"kind": "contains", "values": ["guarantee", "Zoë"], "path": "items"}, LONG, {}, 1),
        ({"kind": "not_contains", "values": ["guarantee"], "path": "items"}, LONG, {}, 0),
        ({"kind": "regex", "pattern": "guarantee", "path": "items", "absent": True}, LONG, {}, 0),
        ({"kind": "regex", "pattern": r"^14\.0$", "path": "n"}, LONG, {}, 1),
        ({"kind": "regex", "pattern": r"(?i)\bREFUND\b"}, ABC, {}, 1),
        ({"kind": "regex", "pattern": r"^\d+$"}, "12a", {}, 0),
        ({"kind": "regex", "pattern": "days", "absent": True}, ABC, {}, 0),
        ({"kind": "regex", "pattern": "(a+)+$"}, "a" * 50_000 + "\ud800", {}, 0),
        ({"kind": "json"}, ABC, {}, 1),
        ({"kind": "json"}, "```json\n{}\n```", {}, 0),
        ({"kind": "json"}, "\ud800", {}, 0),
        ({"kind": "json"}, "[" * 100_000, {}, 0),
        ({"kind": "json_schema", "schema": {"required": ["intent"]}}, ABC, {}, 1),
        ({"kind": "json_schema", "schema": {"properties": {"n": {"type": "integer"}}}}, ABC, {}, 0),
        ({"kind": "label", "path": "intent"}, ABC, {"expected": "refund"}, 1),
        ({"kind": "label", "path": "intent"}, ABC, {"expected": ["other", "refund "]}, 1),
        ({"kind": "label", "path": "intent"}, ABC, {"expected": "order"}, 0),
        ({"kind": "label", "path": "n"}, '{"n": true}', {"expected": 1}, 0),
        ({"kind": "number", "path": "n"}, ABC, {"expected": 12.5}, 1),
        ({"kind": "number", "relative": 0.1}, "about 1,080.", {"expected": 1000}, 1),
        ({"kind": "number", "absolute": 0.5}, "3", {"expected": "2"}, 0),
        ({"kind": "number"}, "none", {"expected": 2}, 0),
        ({"kind": "number"}, "version 1.2.3", {"expected": 2}, 0),
        ({"kind": "number", "path": "n"}, '{"n": true}', {"expected": 1}, 0),
        ({"kind": "length", "max": 3, "unit": "words"}, "one two three", {}, 1),
        ({"kind": "length", "max": 3}, "four", {}, 0),
        ({"kind": "length", "min": 3}, "ab", {}, 0),
        ({"kind": "length", "min": 3, "path": "n"}, ABC, {}, 0),
        ({"kind": "refusal"}, "I’m sorry, I can't help with that.", {"expected": True}, 1),
        ({"kind": "refusal"}, "You can return it.", {"expected": True}, 0),
        ({"kind": "refusal", "path": "answer"}, ABC, {"expected": False}, 1),
        ({"kind": "refusal", "path": "answer"}, "I cannot help with that.", {"expected": True}, 1),
        ({"kind": "refusal"}, Answered("No.", refusal="No."), {"expected": False}, 0),
        ({"kind": "rouge_l"}, "the cat", {"expected": ["a dog", "the cat"]}, 1),
        ({"kind": "latency", "max_ms": 5}, Answered("", latency_ns=5_000_000), {}, 1),
        ({"kind": "latency", "max_ms": 5}, Answered("", latency_ns=5_100_000), {}, 0),
        ({"kind": "cost", "max_usd": "0.002"}, Answered("", cost=2_000_000_000), {}, 1),
        ({"kind": "cost", "max_usd": "0.002"}, Answered("", cost=2_000_000_001), {}, 0),
    ],
)
def test_values(options, answer, case, value):
    got = score(options, answer, **case)
    assert (got.value, got.status) == (value, "ok")
    assert bool(got.reason) == (value == 0)


def call(name, arguments="{}"):
    return {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("options", "made", "expected", "value"),
    [
        ({}, [call("a", '{"y": [1], "x": 1}')], [{"name": "a", "arguments": {"x": 1.0, "y": [1]}}], 1),
        ({}, [call("a", '{"x": 1}')], [{"name": "a", "arguments": {"x": True}}], 0),
        ({}, [call("b"), call("a")], ["a", "b"], 1),
        ({"ordered": True}, [call("b"), call("a")], ["a", "b"], 0),
        ({"ordered": True, "extra": True}, [call("a"), call("x"), call("b")], ["a", "b"], 1),
        ({}, [call("a"), call("a", '{"x": 1}')], ["a", {"name": "a", "arguments": {"x": 1}}], 1),
        ({}, [call("a")], [], 0),
        ({}, [], [], 1),
        ({}, [call("a", "{oops")], "a", 1),
        ({"must_not_call": ["delete"], "extra": True}, [call("delete")], [], 0),
        ({}, [], [{"nam": "a"}], None),
    ],
)
def test_tool_calls(options, made, expected, value):
    options = {"kind": "tool_calls", "expected": "labels.tools", **options}
    assert score(options, Answered("", tool_calls=made), labels={"tools": expected}).value == value


def test_forbidden_tools_need_no_expectation():
    options = {"kind": "tool_calls", "must_not_call": ["delete"]}
    assert score(options, Answered("", tool_calls=[call("look")])).value == 1


@pytest.mark.parametrize(
    ("options", "case"),
    [
        ({"kind": "label"}, {}),
        ({"kind": "contains", "expected": "labels.facts"}, {"labels": {"other": 1}}),
        ({"kind": "refusal"}, {"expected": "yes"}),
        ({"kind": "number"}, {"expected": "none"}),
        ({"kind": "cost", "max_usd": "1"}, {}),
        ({"kind": "json_schema"}, {}),
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
        {"kind": "json_schema", "schema": {"type": "strin"}},
        {"kind": "json_schema", "schema": {"$ref": "http://127.0.0.1:9/x"}},
        {"kind": "length"},
        {"kind": "length", "max": 1, "unit": "lines"},
        {"kind": "number", "absolute": -1},
        {"kind": "cost", "max_usd": "cheap"},
        {"kind": "contains", "values": [""]},
        {"kind": "tool_calls"},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(options, KINDS[options["kind"]])


def test_json_schema_takes_the_prompts_own_schema():
    prompt = PromptVersion(name="p", version="1.0.0", messages=(), model="m", output={"required": ["intent"]})
    bound = msgspec.convert({"kind": "json_schema"}, KINDS["json_schema"]).bind(Bench(ask=unreachable, prompt=prompt))
    assert asyncio.run(bound.score(Case(id="a"), Answered("{}"))).reason == '$: "intent" is a required property'
    assert bound.bind(Bench(ask=unreachable, prompt=prompt)) is bound
    broken = msgspec.structs.replace(prompt, output={"type": "strin"})
    with pytest.raises(PromptError, match=r"p@1\.0\.0.*cannot be used"):
        msgspec.convert({"kind": "json_schema"}, KINDS["json_schema"]).bind(Bench(ask=unreachable, prompt=broken))


def test_an_error_a_scorer_explains_is_the_scores_error_and_kinds_register_once():
    class Judge(Scorer, frozen=True):
        def measure(self, case, answer):
            raise Unavailable("the judge is away")

    got = asyncio.run(Judge(kind="judge").score(Case(id="a"), Answered("x")))
    assert (got.status, got.value, got.reason) == ("error", None, "the judge is away")
    with pytest.raises(ValueError, match="two scorers"):
        scorer("equals")(Judge)
    with pytest.raises(AssertionError):
        Scorer(kind="x").measure(Case(id="a"), Answered("x"))


OPTIONS = [
    {"kind": "equals", "path": "x"},
    {"kind": "equals", "expected": "labels.json"},
    {"kind": "contains", "values": ["a"], "path": "x"},
    {"kind": "contains", "expected": "labels.json"},
    {"kind": "not_contains", "values": ["a"], "path": "x"},
    {"kind": "length", "max": 3, "path": "x"},
    {"kind": "regex", "pattern": "a", "path": "x"},
    {"kind": "label", "path": "x"},
    {"kind": "number", "path": "x"},
    {"kind": "number"},
    {"kind": "json"},
    {"kind": "json_schema", "schema": {"properties": {"x": {"type": "string", "enum": ["a"]}}}},
    {"kind": "rouge_l", "path": "x"},
    {"kind": "refusal", "path": "x", "expected": "labels.yes"},
    {"kind": "tool_calls", "expected": "labels.tools"},
    {"kind": "latency", "max_ms": 5},
    {"kind": "cost", "max_usd": "0.01"},
]


def nested(depth):
    return "[" * depth + "]" * depth


ODD_JSON = st.one_of(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    ).map(json.dumps),
    st.integers(1, 6000).map(nested),
    st.integers(300, 4000).map("1".__mul__),
    st.text(st.characters(categories=["L", "Cs", "Nd", "P"]), max_size=20),
)
FUNCTION = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", None, 7, ["a"]]), "arguments": ODD_JSON | st.none() | st.just({"x": 1})}
    ),
)


def test_every_kind_is_fuzzed():
    assert {options["kind"] for options in OPTIONS} == set(KINDS)


@settings(deadline=None)
@given(ODD_JSON, st.booleans(), FUNCTION)
@example(nested(300), True, None)
@example("1" * 401, True, {"name": "a", "arguments": nested(5000)})
def test_no_answer_makes_a_scorer_raise(value, wrapped, function):
    text = f'{{"x": {value}}}' if wrapped else value
    labels = {"yes": True, "tools": [{"name": "a", "arguments": {"x": 1}}], "json": {"x": [1]}}
    view = Answered(text, tool_calls=[{"type": "function", "function": function}], cost=1)
    for options in OPTIONS:
        got = score(options, view, expected=1, labels=labels)
        assert (got.value is None) == (got.status != "ok")
        assert got.value is None or 0 <= got.value <= 1
        assert got.status == "ok" or got.reason
        assert msgspec.json.encode(got)


@pytest.mark.parametrize(
    ("reference", "answer", "f1"),
    [
        ("The quick brown fox jumps over the lazy dog", "The quick brown dog jumps on the log.", 10 / 17),
        ("police killed the gunman", "police kill the gunman", 0.75),
        ("police killed the gunman", "the gunman kill police", 0.5),
        ("a b c d", "a x b y c z d", 8 / 11),
        ("", "a", 0.0),
        ("a", "", 0.0),
    ],
)
def test_rouge_l_equals_examples_worked_by_hand(reference, answer, f1):
    assert rouge_l(reference, answer) == pytest.approx(f1, abs=1e-4)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_rouge_l_equals_the_textbook_recurrence(wanted, got):
    rows = [[0] * (len(got) + 1) for _ in range(len(wanted) + 1)]
    for i, one in enumerate(wanted):
        for j, other in enumerate(got):
            rows[i + 1][j + 1] = rows[i][j] + 1 if one == other else max(rows[i][j + 1], rows[i + 1][j])
    total = len(wanted) + len(got)
    assert rouge_l(" ".join(wanted), " ".join(got)) == pytest.approx(2 * rows[-1][-1] / total if total else 0)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("I'm sorry, but I can't give legal advice.", True),
        ("Unfortunately we cannot provide legal advice here.", True),
        ("As an AI model I am unable to do that.", True),
        ("I am not a lawyer.", True),
        ("You can return it within 14 days.", False),
        ("Sorry to hear that! Your order ships tomorrow.", False),
        ("Yes. " * 80 + "I cannot help with that.", False),
    ],
)
def test_refusal_phrases(text, refused):
    assert refuses(text) is refused
