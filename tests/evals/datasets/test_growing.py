"""Cases from recorded calls: what the caller said, where it comes from, and nothing that was not captured."""

import pytest

from moat.domain.errors import DatasetError
from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.domain.scores import Case
from moat.domain.spans import Span
from moat.evals.datasets.feedback import read_feedback
from moat.evals.datasets.growing import Feedback, corrected, grown, judged_case, recorded_case, redacted
from moat.evals.rerun import Unusable
from moat.prompts.templates import JinjaRenderer

PROMPT = PromptVersion(
    name="p",
    version="1.0.0",
    model="m",
    messages=(MessageTemplate("system", "Be kind."), MessageTemplate("user", "{{ question }}")),
    variables={"question": Variable()},
)
SYSTEM = {"role": "system", "content": "Be kind."}


def user(text):
    return {"role": "user", "content": text}


def call(messages, variables=None, **more):
    content = {"messages": messages, "params": {}, **({} if variables is None else {"variables": variables})}
    given = {"input": content, "output": {"text": "Sure."}, "prompt": "p", "version": "1.0.0", **more}
    return Span(
        span_id="s", trace_id="t1", kind="call", name="chat", started_ns=1, duration_ns=1, request_id="req_1", **given
    )


def case_of(span, prompt=PROMPT):
    return recorded_case(span, prompt, JinjaRenderer())


def test_a_call_becomes_what_the_caller_gave():
    case = case_of(call([SYSTEM, user("Hi?"), user("And?")], {"question": "Hi?"}, session="s1", user="ada"))
    assert (case.id, case.source) == ("req_1", "trace:req_1")
    assert (case.variables, case.messages, case.expected) == ({"question": "Hi?"}, [user("And?")], None)
    assert case.cluster.startswith("session-")
    assert "s1" not in case.cluster
    assert case_of(call([SYSTEM, user("Hi?")], {"question": "Hi?"}, user="ada")).cluster.startswith("user-")


def test_a_call_without_a_prompt_becomes_its_messages():
    case = case_of(call([SYSTEM, user("Hi?")], prompt="", version=""), None)
    assert (case.variables, case.messages, case.cluster) == ({}, [SYSTEM, user("Hi?")], "")


@pytest.mark.parametrize(
    ("span", "why"),
    [
        (call([], {}, input=None), "was not recorded"),
        (call([], {}, input={"truncated": 9, "text": "x"}), "was cut off"),
        (call([SYSTEM, user("Other")], {"question": "Hi?"}), "changed on the way"),
        (call([SYSTEM, user("1"), {"role": "assistant", "content": "2"}, user("Hi?")], {"question": "Hi?"}), "stands"),
    ],
)
def test_what_was_not_captured_whole_is_no_case(span, why):
    with pytest.raises(Unusable, match=why):
        case_of(span)


def test_a_prompt_that_asks_by_itself_says_nothing_of_users():
    fixed = PromptVersion(name="p", version="1.0.0", model="m", messages=(MessageTemplate("user", "Tell a joke."),))
    with pytest.raises(Unusable, match="not the prompt's own"):
        case_of(call([user("Tell a joke.")], {}), fixed)


def test_what_is_there_already_is_left_out():
    there = [Case(id="x", variables={"question": "Hi?"}), Case(id="y", source="trace:req_9")]
    new = [
        Case(id="1", variables={"question": "Hi?"}),
        Case(id="2", variables={"question": "New"}),
        Case(id="3", variables={"question": "New"}),
        Case(id="4", variables={"question": "Same call"}, source="trace:req_9"),
        Case(id="y", variables={"question": "Same id"}),
    ]
    found = grown(there, new, ["it is gone"])
    assert [case.id for case in found.cases] == ["2"]
    assert found.left_out == {"it is gone": 1, "is there already, or asks the same": 4}


def test_people_and_credentials_are_masked():
    secret = "sk-proj-" + "a1B2" * 12
    key = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----"
    case = Case(
        id="a",
        variables={"question": f"I am ada@corp.io, call +44 20 7946 0958. {secret}!", "n": 3, "deep": [{"k": key}]},
        messages=[user("Card 5105 1051 0510 5100")],
        expected={"to": "ada@corp.io"},
    )
    found = redacted(case)
    assert found.variables == {
        "question": "I am [email address], call [phone number]. [credential]!", "n": 3, "deep": [{"k": "[credential]"}],
    }  # fmt: skip
    assert (found.messages, found.expected) == ([user("Card [card number]")], {"to": "[email address]"})
    assert redacted(Case(id="a", variables={"q": "Order 4711, name@example.com"})).variables == {
        "q": "Order 4711, name@example.com"
    }


def test_feedback_brings_the_right_answer():
    case = judged_case(Case(id="a", expected=1), Feedback(trace="t", id="f7", correction={"x": 1}), "feedback")
    assert (case.expected, case.source) == ({"x": 1}, "feedback:f7")
    labelled = judged_case(Case(id="a", expected=1, labels={"k": 1}), Feedback(trace="t", labels={"i": 2}), "review")
    assert (labelled.expected, labelled.labels, labelled.source) == (1, {"k": 1, "i": 2}, "review:t")
    fixed = corrected([Case(id="a"), Case(id="b")], [Feedback(case="b", correction="yes")], "review")
    assert [(case.id, case.expected, case.source) for case in fixed] == [("a", None, ""), ("b", "yes", "review:b")]
    with pytest.raises(DatasetError, match="no case 'z'"):
        corrected([Case(id="a")], [Feedback(case="z")], "review")


def test_feedback_is_read_in_the_forms_that_it_comes_in(tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_text(
        '{"trace": "t1", "score": "down", "comment": "no"}\n{"trace": "t2", "score": true}\n'
        '{"case": "c", "score": 0.25, "correction": null}\n{"trace": "t3"}\n'
    )
    found = read_feedback(path)
    assert [(said.trace, said.score) for said in found.calls] == [("t1", 0.0), ("t2", 1.0), ("t3", None)]
    assert [(said.case, said.score) for said in found.cases] == [("c", 0.25)]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{}", "what it is about"),
        ('{"trace": "t", "case": "c"}', "a trace and a case"),
        ('{"trace": "t", "score": 7}', "not between 0 and 1"),
        ('{"trace": "t", "score": "so-so"}', "expected `float | null`"),
        ('{"trace": 1}', "expected `str`"),
        ("oops", "not valid JSON"),
        ("[]", "expected `object`"),
    ],
)
def test_broken_feedback_is_refused_with_its_line(tmp_path, line, what):
    path = tmp_path / "f.jsonl"
    path.write_text('{"trace": "t"}\n' + line)
    with pytest.raises(DatasetError, match=what) as caught:
        read_feedback(path)
    assert caught.value.where == f"{path}:2"
