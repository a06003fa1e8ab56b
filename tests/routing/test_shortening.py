"""Shorter conversations: which turns go, and what never does."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from moat.pipeline.estimates import message_tokens
from moat.routing.shortening import INSTRUCTIONS, shorten

TEXT = "x" * 40  # ten tokens


def said(role: str, mark: str = "", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": mark + TEXT, **more}


def asked(*ids: str) -> dict[str, Any]:
    calls = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in ids]
    return said("assistant", "calls ", tool_calls=calls)


def result(id: str) -> dict[str, Any]:
    return said("tool", f"result {id} ", tool_call_id=id)


def test_the_oldest_turns_go_first_and_whole() -> None:
    talk = [said("system"), said("user", "1"), said("assistant", "1"), said("user", "2"), said("assistant", "2"),
            said("user", "3")]  # fmt: skip
    once = shorten(talk, 1)
    assert once.messages == [talk[0], *talk[3:]]
    assert (once.turns, once.tokens) == (1, 22)
    assert shorten(talk, 1000).messages == [talk[0], talk[5]]
    assert shorten(talk, 0).messages == talk


def test_an_agents_steps_after_the_question_go_one_by_one() -> None:
    steps = [asked("a", "b"), result("a"), result("b"), asked("c"), result("c"), asked("d"), result("d")]
    talk = [said("developer"), said("user", "question"), *steps]
    once = shorten(talk, 1)
    assert once.messages == [*talk[:2], *steps[3:]]
    assert shorten(talk, 1000).messages == [*talk[:2], *steps[5:]]


def test_a_result_that_comes_late_keeps_its_call() -> None:
    talk = [said("user", "1"), asked("a"), said("user", "meanwhile"), said("assistant"), result("a"), said("user", "2")]
    assert shorten(talk, 1).messages == [talk[5]]
    late = [said("user", "1"), asked("a"), said("user", "2"), result("a")]
    assert shorten(late, 1000).messages == late, "the last question cannot go, nor what belongs to it"


def test_what_is_alone_cannot_be_shortened() -> None:
    for talk in ([], [said("user")], [said("system"), said("user")], [said("system")], [said("assistant")]):
        assert shorten(talk, 1000) == (talk, 0, 0)
    assert shorten([{"role": "user"}, {"role": "assistant", "tool_calls": 7}], 9).turns == 0


messages = st.lists(
    st.one_of(
        st.sampled_from(["system", "developer", "user", "assistant"]).map(said),
        st.lists(st.sampled_from("abcd"), min_size=1, max_size=2).map(lambda ids: asked(*ids)),
        st.sampled_from("abcd").map(result),
    ),
    max_size=14,
)


@given(messages, st.integers(0, 300))
def test_a_shortened_conversation_is_still_one(talk: list[dict[str, Any]], tokens: int) -> None:
    talk = [{**message, "content": f"{index} {message['content']}"} for index, message in enumerate(talk)]
    found = shorten(talk, tokens)
    kept = {id(message) for message in found.messages}
    assert [message for message in talk if id(message) in kept] == found.messages, "order and content stay"
    assert all(id(message) in kept for message in talk if message["role"] in INSTRUCTIONS)
    users = [message for message in talk if message["role"] == "user"]
    assert not users or id(users[-1]) in kept
    assert found.tokens == sum(message_tokens(message) for message in talk if id(message) not in kept)
    assert (found.turns == 0) == (len(found.messages) == len(talk))
    made: dict[str, dict[str, Any]] = {}
    for message in talk:
        if message["role"] == "tool" and (call := made.get(message["tool_call_id"])) is not None:
            assert (id(call) in kept) == (id(message) in kept), "a call and its result go together"
        made |= {call["id"]: message for call in message.get("tool_calls", ())}
