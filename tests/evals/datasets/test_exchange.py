"""Cases of other tools, in the forms that their documentation shows."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.errors import DatasetError
from moat.domain.scores import Case
from moat.evals.datasets.exchange import import_cases

PROMPTFOO = """\
prompts: [a.txt]
tests:
  - description: refund
    vars: {question: Can I return it?}
    assert:
      - {type: icontains, value: 30 days}
      - {type: contains-all, value: [free, return]}
      - {type: javascript, value: output.length}
  - vars: {question: "2 + 2"}
    assert: [{type: equals, value: "4"}]
"""
QUESTION = [{"role": "user", "content": "Hi?"}]


def imported(tmp_path, *records):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    return import_cases(path)


def test_cases_of_moat_itself_come_back_as_they_were(tmp_path):
    asked = {"id": "req_1", "messages": QUESTION, "expected": "Yes.", "tags": ["live"], "source": "trace:req_1"}
    found = imported(tmp_path, asked)
    assert (found.tool, found.left_out) == ("Moat", {})
    assert found.cases == [Case(**asked)]


def test_promptfoo(tmp_path):
    (tmp_path / "promptfooconfig.yaml").write_text(PROMPTFOO)
    found = import_cases(tmp_path / "promptfooconfig.yaml")
    first, second = found.cases
    assert (found.tool, found.left_out) == ("promptfoo", {"assert javascript": 1})
    assert (first.variables, first.tags) == ({"question": "Can I return it?"}, ["refund"])
    assert first.labels == {"facts": ["30 days", "free", "return"]}
    assert (second.expected, second.id.startswith("case-")) == ("4", True)


@pytest.mark.parametrize(
    ("record", "tool", "wanted"),
    [
        (
            {"id": "1", "inputs": {"q": "x"}, "outputs": {"a": "y"}, "metadata": {"dataset_split": ["dev"], "k": 1}},
            "LangSmith",
            {"id": "1", "variables": {"q": "x"}, "expected": "y", "split": "dev", "labels": {"k": 1}},
        ),
        ({"inputs": {"messages": QUESTION}, "outputs": {"a": 1, "b": 2}}, "LangSmith",
         {"messages": QUESTION, "expected": {"a": 1, "b": 2}}),
        (
            {"id": "i", "input": {"q": "x"}, "expectedOutput": "y", "metadata": {"k": 1}, "sourceTraceId": "t"},
            "Langfuse",
            {"id": "i", "variables": {"q": "x"}, "expected": "y", "labels": {"k": 1}, "source": "trace:t"},
        ),
        ({"input": "x", "expectedOutput": None, "metadata": "m"}, "Langfuse", {"variables": {"input": "x"}}),
        ({"input": QUESTION, "ideal": "y"}, "OpenAI evals", {"messages": QUESTION, "expected": "y"}),
        ({"item": {"input": QUESTION, "ideal": "y"}}, "OpenAI evals", {"messages": QUESTION, "expected": "y"}),
        ({"item": {"q": "x", "expected": "y"}}, "OpenAI evals", {"variables": {"q": "x"}, "expected": "y"}),
        ({"messages": [*QUESTION, {"role": "assistant", "content": "y"}]}, "OpenAI fine-tuning",
         {"messages": QUESTION, "expected": "y"}),
        ({"messages": QUESTION, "tools": []}, "OpenAI fine-tuning", {"messages": QUESTION}),
        ({"input": "x", "target": ["a", "b"], "id": 7, "choices": ["a", "b"], "metadata": {"k": 1}}, "Inspect",
         {"id": "7", "variables": {"input": "x", "choices": ["a", "b"]}, "expected": ["a", "b"], "labels": {"k": 1}}),
        ({"input": "x", "expected_output": "y", "context": ["d"], "actual_output": "z"}, "DeepEval",
         {"variables": {"input": "x"}, "expected": "y", "context": ["d"]}),
        ({"user_input": "x", "reference": "y", "reference_contexts": ["d"], "response": "z"}, "Ragas",
         {"variables": {"input": "x"}, "expected": "y", "context": ["d"], "labels": {"contexts": ["d"]}}),
    ],
)  # fmt: skip
def test_records_of_other_tools(tmp_path, record, tool, wanted):
    found = imported(tmp_path, record)
    (case,) = found.cases
    assert found.tool == tool
    assert {name: getattr(case, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        ('{"inputs": {}, "outputs": {}, "id": "a"}\n{"q": 1}', ":2", "is no record of LangSmith"),
        ('{"q": 1}', ":1", "of no tool that is known"),
        ("[]", ":1", "of no tool that is known"),
        ('{"messages": []}', ":1", "has no messages"),
        ('{"messages": "x"}', ":1", "has no messages"),
        ('{"vars": "file://x"}', ":1", "expected `object`"),
        ('{"vars": {}, "assert": "x"}', ":1", "`assert` is no list"),
    ],
)
def test_what_is_of_no_tool_is_refused_with_its_line(tmp_path, content, where, what):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(DatasetError, match=what) as caught:
        import_cases(path)
    assert caught.value.where == f"{path}{where}"


@pytest.mark.parametrize(("name", "content"), [("a.yaml", "prompts: []"), ("a.yaml", "["), ("a.csv", "a\n")])
def test_files_without_tests_are_refused(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(DatasetError):
        import_cases(tmp_path / name)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", "user", "assistant"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["role", "content", "k"]), inner),
    max_leaves=6,
)
MEMBERS = "vars assert inputs outputs input expectedOutput ideal item messages target user_input reference metadata id"


@given(st.dictionaries(st.sampled_from(MEMBERS.split()), ANYTHING, max_size=4))
def test_whatever_a_record_holds_it_is_a_case_or_refused(tmp_path_factory, record):
    with suppress(DatasetError):
        assert len(imported(tmp_path_factory.mktemp("d"), record).cases) == 1
