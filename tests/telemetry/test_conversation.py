"""What was asked and answered, in one form whatever the provider's was."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

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
                {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a parcel"}]},
            ],
            "params": {"temperature": 0},
            "variables": {"name": "Zoë"},
        },
        {"text": "A parcel.", "tool_calls": [CALL], "refusal": "No more."},
    )  # fmt: skip
    call = Part(kind="tool_call", name="find", text='{"id":7}', id="c1")
    assert [(said.role, said.parts) for said in found.asked] == [
        ("system", [Part(kind="text", text="Help.")]),
        (
            "user",
            [
                Part(kind="text", text="What is this?"),
                Part(kind="image", url="data:image/png;base64,AAAA"),
                Part(kind="audio", url="data:audio/mp3;base64,BBBB"),
                Part(kind="file", name="a.pdf", url="data:application/pdf;base64,CC"),
            ],
        ),
        ("assistant", [Part(kind="reasoning", text="Look it up."), call]),
        ("tool", [Part(kind="tool_result", text="a parcel", id="c1")]),
    ]
    said = [Part(kind="text", text="A parcel."), Part(kind="refusal", text="No more."), call]
    assert found.answered == [Said(role="assistant", name="", parts=said)]
    assert (found.params, found.variables) == ({"temperature": 0}, {"name": "Zoë"})
    assert found.recorded
    assert not found.cut


def test_what_was_not_kept_or_cut_off_is_said() -> None:
    assert not read().recorded
    found = read({"truncated": 900, "text": '{"messages": [{"ro'}, {"text": "Yes"})
    assert found.cut
    assert found.asked[0].parts == [Part(kind="data", text='{"messages": [{"ro')]


def test_a_step_of_an_application_is_shown_as_it_is() -> None:
    found = read({"query": "parcel"}, ["one", "two"])
    assert found.asked[0].parts == [Part(kind="data", text='{"query":"parcel"}')]
    assert found.answered[0].parts == [Part(kind="data", text='["one","two"]')]


def test_every_choice_is_an_answer() -> None:
    found = read(None, {"text": "a", "choices": [{"text": "a"}, {"text": "b"}]})
    assert [said.parts[0].text for said in found.answered] == ["a", "b"]


@given(JSON, JSON)
def test_whatever_applications_report_can_be_read(asked: Any, answered: Any) -> None:
    found = read(asked, answered)
    assert found.recorded == (asked is not None or answered is not None)
