"""Tool calls, trajectories, agents."""

import itertools
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.releases import PromptVersion
from moat.evals.scorers import Answered, Bench
from moat.evals.scorers.expected_calls import ExpectedCall, MadeCall, agreement
from tests.evals.scorers.worlds import call, made, score, unreachable


def steps(*names, **more):
    """A conversation in which each tool is called and answers."""
    messages = [{"role": "user", "content": "go"}]
    for number, name in enumerate(names):
        messages.append({"role": "assistant", "tool_calls": [call(name, id=str(number))]})
        messages.append({"role": "tool", "tool_call_id": str(number), "content": "ok", **more.get(f"_{number}", {})})
    return Answered("done", messages=[*messages, {"role": "assistant", "content": "done"}])


@pytest.mark.parametrize(
    ("options", "calls", "expected", "value"),
    [
        ({}, [call("a", '{"y": [1], "x": 1}')], [{"name": "a", "arguments": {"x": 1.0, "y": [1]}}], 1),
        ({}, [call("a", '{"x": 1}')], [{"name": "a", "arguments": {"x": True}}], 0),
        ({}, [call("b"), call("a")], ["a", "b"], 1),
        ({"ordered": True}, [call("b"), call("a")], ["a", "b"], 0),
        ({"ordered": True}, [call("a"), call("x"), call("b")], ["a", "b"], 0),
        ({"ordered": True, "extra": True}, [call("a"), call("x"), call("b")], ["a", "b"], 1),
        ({"ordered": True, "extra": True}, [call("b"), call("x"), call("a")], ["a", "b"], 0),
        ({"extra": True}, [call("b"), call("x"), call("a")], ["a", "b"], 1),
        ({}, [call("a"), call("a", '{"x": 1}')], ["a", {"name": "a", "arguments": {"x": 1}}], 1),
        ({}, [call("a")], [], 0),
        ({}, [], [], 1),
        ({}, [call("a", "{oops")], "a", 1),
        ({}, [call("a", "{oops")], {"name": "a", "arguments": {}}, 0),
        ({}, [call("a", '{"x": 1, "y": 2}')], {"name": "a", "arguments": {"x": 1}}, 0),
        ({"arguments": "subset"}, [call("a", '{"x": 1, "y": 2}')], {"name": "a", "arguments": {"x": 1}}, 1),
        ({"arguments": "ignore"}, [call("a", '{"x": 2}')], {"name": "a", "arguments": {"x": 1}}, 1),
        ({"partial": True}, [call("a"), call("x")], ["a", "b", "c", "d"], 0.25),
        ({"partial": True}, [], ["a"], 0),
        ({"must_not_call": ["delete"], "extra": True}, [call("delete")], [], 0),
        ({}, [], [{"nam": "a"}], None),
        ({}, [call("a")] * 301, ["a"], 0),
    ],
)
def test_tool_calls(options, calls, expected, value):
    options = {"kind": "tool_calls", "expected": "labels.tools", **options}
    got = score(options, Answered("", tool_calls=calls), labels={"tools": expected})
    assert got.value == value
    assert bool(got.reason) == (value != 1)


@pytest.mark.parametrize(
    ("wanted", "arguments", "value"),
    [
        ({"$any": True}, '{"x": [1]}', 1),
        ({"$regex": "(?i)^paris"}, '{"x": "Paris, France"}', 1),
        ({"$regex": "^paris"}, '{"x": 7}', 0),
        ({"$contains": "FRANCE"}, '{"x": "Paris, France"}', 1),
        ({"$one_of": [1, "b"]}, '{"x": 1.0}', 1),
        ({"$one_of": [1, "b"]}, '{"x": true}', 0),
        ({"$near": [10, 0.5]}, '{"x": 10.4}', 1),
        ({"$near": [10, 0.5]}, '{"x": "10"}', 0),
        ({"$type": "integer"}, '{"x": 3}', 1),
        ({"$type": "integer"}, '{"x": "3"}', 0),
        ([{"$any": True}, 2], '{"x": [1, 2]}', 1),
        ({"deep": {"$contains": "a"}}, '{"x": {"deep": "cab"}}', 1),
        ({"$ref": "x", "y": 1}, '{"x": {"$ref": "x", "y": 1}}', 1),
    ],
)
def test_a_matcher_says_what_an_argument_must_be_like(wanted, arguments, value):
    labels = {"tools": [{"name": "a", "arguments": {"x": wanted}}]}
    options = {"kind": "tool_calls", "expected": "labels.tools"}
    assert score(options, Answered("", tool_calls=[call("a", arguments)]), labels=labels).value == value


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"$regexp": "a"}, "unknown matcher '\\$regexp'"),
        ({"$regex": "("}, "does not take"),
        ({"$regex": 7}, "does not take"),
        ({"$near": [1]}, r"takes \[value, tolerance\]"),
        ({"$one_of": "a"}, "takes a list"),
        ({"$contains": 1}, "takes a text"),
        ({"$type": "strin"}, "does not take"),
        ([{"$type": "strin"}], "does not take"),
    ],
)
def test_a_matcher_that_makes_no_sense_is_not_run_and_says_why(wanted, reason):
    labels = {"tools": [{"name": "a", "arguments": {"x": wanted}}]}
    got = score({"kind": "tool_calls", "expected": "labels.tools"}, Answered("", tool_calls=[call("a")]), labels=labels)
    assert got.status == "not_run"
    assert re.search(reason, got.reason)


def test_calls_are_assigned_so_that_most_fit():
    labels = {"tools": [{"name": "a", "arguments": {"x": {"$any": 1}}}, {"name": "a", "arguments": {"x": 1}}]}
    calls = [call("a", '{"x": 1}'), call("a", '{"x": 2}')]
    got = score({"kind": "tool_calls", "expected": "labels.tools"}, Answered("", tool_calls=calls), labels=labels)
    assert got.value == 1


def test_forbidden_tools_need_no_expectation():
    options = {"kind": "tool_calls", "must_not_call": ["delete"]}
    assert score(options, Answered("", tool_calls=[call("look")])).value == 1


@pytest.mark.parametrize(
    ("order", "names", "value", "share"),
    [
        ("exact", "ab", 1, 1),
        ("exact", "axb", 0, 2 / 3),
        ("exact", "ba", 0, 1 / 2),
        ("in_order", "axb", 1, 1),
        ("in_order", "bxa", 0, 1 / 2),
        ("any_order", "ba", 1, 1),
        ("any_order", "bax", 0, 2 / 3),
        ("superset", "bxxa", 1, 1),
        ("superset", "bx", 0, 1 / 2),
        ("subset", "b", 1, 1),
        ("subset", "", 1, 1),
        ("subset", "bxx", 0, 1 / 3),
    ],
)
def test_trajectories(order, names, value, share):
    options = {"kind": "trajectory", "expected": "labels.steps", "order": order}
    case = {"labels": {"steps": ["a", "b"]}}
    got = score(options, steps(*names), **case)
    assert got.value == value
    assert bool(got.reason) == (value == 0)
    assert score({**options, "partial": True}, steps(*names), **case).value == pytest.approx(share)


CALLS = st.lists(st.sampled_from("abc"), max_size=5)


@given(CALLS, CALLS)
def test_agreement_is_that_of_the_definitions(expected, names):
    wanted, calls = [ExpectedCall(name) for name in expected], [MadeCall(name, {}) for name in names]

    def share(order):
        return agreement(wanted, calls, order, loose=False).value

    common = max(
        len(one)
        for size in range(len(expected) + 1)
        for one in itertools.combinations(expected, size)
        if any(one == other for other in itertools.combinations(names, size))
    )
    paired = sum(min(expected.count(name), names.count(name)) for name in "abc")
    most = max(len(expected), len(names))
    assert share("exact") == pytest.approx(common / most if most else 1)
    assert share("any_order") == pytest.approx(paired / most if most else 1)
    assert share("in_order") == pytest.approx(common / len(expected) if expected else 1)
    assert share("superset") == pytest.approx(paired / len(expected) if expected else 1)
    assert share("subset") == pytest.approx(paired / len(names) if names else 1)


TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "required": ["id"]}}}


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [("find", '{"id": 1}', 1), ("find", "{}", 0), ("find", "{", 0), ("lose", "{}", 0)],
)
def test_calls_fit_the_prompts_tools(name, arguments, value):
    prompt = PromptVersion(name="p", version="1.0.0", messages=(), model="m", tool_definitions=(TOOL,))
    answer = Answered("", tool_calls=[call(name, arguments)])
    bench = Bench(ask=unreachable, prompt=prompt)
    got = score({"kind": "tool_schema"}, answer, bench=bench)
    assert got.value == value
    assert bool(got.reason) == (value == 0)
    assert score({"kind": "tool_schema", "tools": [TOOL]}, answer).value == value
    assert score({"kind": "tool_schema"}, answer).status == "not_run"


@pytest.mark.parametrize(
    ("options", "answer", "reason"),
    [
        ({"max_calls": 2}, steps("a", "b"), ""),
        ({"max_calls": 1}, steps("a", "b"), "2 tool calls, at most 1 wanted"),
        ({"max_calls": 0}, Answered("", tool_calls=[call("a")]), "1 tool calls, at most 0 wanted"),
        ({"max_turns": 3}, steps("a", "b"), ""),
        ({"max_turns": 2}, steps("a", "b"), "3 turns, at most 2 wanted"),
        ({"max_turns": 1}, Answered("one answer"), ""),
        ({"max_repeats": 1}, steps("a", "b", "a"), "called a({}) 2 times, at most 1 wanted"),
        ({"max_repeats": 2}, steps("a", "b", "a"), ""),
        ({"recover": True}, steps("a", "a", _0={"is_error": True}), ""),
        (
            {"recover": True},
            steps("a", "b", _0={"is_error": True}),
            "a failed and was not called successfully afterwards",
        ),
    ],
)
def test_agents(options, answer, reason):
    got = score({"kind": "agent", **options}, answer)
    assert (got.value, got.reason) == (float(not reason), reason)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "tool_calls"},
        {"kind": "tool_calls", "expected": "somewhere"},
        {"kind": "trajectory", "expected": "labels.x", "order": "loose"},
        {"kind": "tool_schema", "tools": [{"name": "find"}]},
        {"kind": "tool_schema", "tools": [{"function": {"name": "f", "parameters": {"type": "strin"}}}]},
        {"kind": "agent"},
        {"kind": "agent", "max_calls": -1},
        {"kind": "agent", "max_repeats": 0},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(msgspec.ValidationError):
        made(options)
