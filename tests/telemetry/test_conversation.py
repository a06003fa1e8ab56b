"""What was asked and answered, in one form whatever the provider's was."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.guards import Finding, Verdict
from moat.domain.spans import Span
from moat.telemetry.conversation import Conversation, Part, Said, conversation

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"id":7}'}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["messages", "role", "content", "text", "type", "image_url", "tool_calls", "function", "name", "choices",
             "truncated", "params", "file", "input_audio", "refusal"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


def read(asked: Any = None, answered: Any = None) -> Conversation:
    return conversation(
        Span(
            span_id="s", trace_id="t", kind="call", name="x", started_ns=0, duration_ns=1, input=asked, output=answered
        )
    )


def test_a_chat_with_a_tool_is_told_part_by_part() -> None:
    found = read(
        {
            "messages": [
                {"role": "system", "content": "Help."},
                {"role": "user", "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CC"}},
                ]},
                {"role": "assistant", "content": None, "reasoning_content": "Look it up.", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "c1", "content": [
                    {"type": "text", "text": "a parcel"},
                    {"type": "image_url", "image_url": "https://example.com/p.png"},
                ]},
                {"role": "tool", "tool_call_id": "c2", "content": "lost"},
                {"role": "tool", "tool_call_id": "c3", "content": None},
            ],
            "params": {"temperature": 0},
            "variables": {"name": "Zoë"},
        },
        {"text": "A parcel.", "tool_calls": [CALL], "refusal": "No more."},
    )  # fmt: skip
    call = Part(kind="tool_call", name="find", text='{"id":7}', id="c1", path="messages.2.tool_calls.0.arguments")
    assert [(said.role, said.parts) for said in found.asked] == [
        ("system", [Part(kind="text", text="Help.", path="messages.0.content")]),
        (
            "user",
            [
                Part(kind="text", text="What is this?", path="messages.1.content.0.text"),
                Part(kind="image", url="data:image/png;base64,AAAA"),
                Part(kind="audio", url="data:audio/mp3;base64,BBBB"),
                Part(kind="file", name="a.pdf", url="data:application/pdf;base64,CC"),
            ],
        ),
        ("assistant", [Part(kind="reasoning", text="Look it up."), call]),
        (
            "tool",
            [
                Part(kind="tool_result", text="a parcel", id="c1", path="messages.3.content.0.text"),
                Part(kind="image", url="https://example.com/p.png"),
            ],
        ),
        ("tool", [Part(kind="tool_result", text="lost", id="c2", path="messages.4.content")]),
        ("tool", [Part(kind="tool_result", id="c3")]),
    ]
    said = [
        Part(kind="text", text="A parcel.", path="text"),
        Part(kind="refusal", text="No more.", path="refusal"),
        msgspec.structs.replace(call, path="tool_calls.0.arguments"),
    ]
    assert found.answered == [Said(role="assistant", name="", parts=said)]
    assert (found.params, found.variables) == ({"temperature": 0}, {"name": "Zoë"})
    assert found.recorded
    assert not found.cut


def test_what_was_not_kept_or_cut_off_is_said() -> None:
    assert not read().recorded
    found = read({"truncated": 900, "text": '{"messages": [{"ro'}, {"text": "Yes"})
    assert found.cut
    assert found.asked[0].parts == [Part(kind="data", text='{"messages": [{"ro', characters=900)]


def test_a_step_of_an_application_is_shown_as_it_is() -> None:
    found = read({"query": "parcel"}, ["one", "two"])
    assert found.asked[0].parts == [Part(kind="data", text='{"query":"parcel"}')]
    assert found.answered[0].parts == [Part(kind="data", text='["one","two"]')]


def test_what_guards_found_names_the_part_it_is_about() -> None:
    finding = Finding(guard="pii", kind="email", place="input", path="messages.0.content", start=3, end=8, score=1.0)
    verdicts = msgspec.to_builtins([Verdict(guard="pii", action="flag", findings=(finding,)), Verdict(guard="length")])
    asked = {"messages": [{"role": "user", "content": "to a@b.c"}]}
    one = Span(
        span_id="s", trace_id="t", kind="call", name="x", started_ns=0, duration_ns=1, input=asked,
        attributes={"moat.guards": verdicts},
    )  # fmt: skip
    found = conversation(one)
    assert found.findings == [finding]
    assert [part.path for said in found.asked for part in said.parts] == [finding.path]
    assert conversation(msgspec.structs.replace(one, attributes={"moat.guards": "none"})).findings == []


def test_an_answer_of_several_messages_is_told_message_by_message() -> None:
    found = read(None, {"messages": [{"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "content": "sent"}]})
    assert [(said.role, [part.kind for part in said.parts]) for said in found.answered] == [
        ("assistant", ["tool_call"]),
        ("tool", ["tool_result"]),
    ]


def test_what_a_prompt_was_asked_with_is_told_though_it_never_became_messages() -> None:
    found = read({"messages": [], "prompt": "support/answer", "variables": {"question": "My key is <API_KEY_1>"}})
    assert (found.asked, found.variables) == ([], {"question": "My key is <API_KEY_1>"})


def test_every_choice_is_an_answer() -> None:
    found = read(None, {"text": "a", "choices": [{"text": "a"}, {"text": "b"}]})
    assert [said.parts[0].text for said in found.answered] == ["a", "b"]


@given(JSON, JSON)
def test_whatever_applications_report_can_be_read(asked: Any, answered: Any) -> None:
    found = read(asked, answered)
    assert found.recorded == (asked is not None or answered is not None)
