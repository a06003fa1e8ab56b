"""A number of JSON that is redacted: what is left is JSON still."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.calls import Delta, Finished, ToolCallDelta
from moat.guards.edits import Edit, Edited
from moat.guards.json_numbers import fitting
from moat.testing.fakes import new_call
from tests.guards.test_engine import World, guards

CARD = 4111111111111111
WRITTEN = ["4111111111111111", "-4111111111111111", "4111111111111111e0", "-4111111111111111.0E+2"]
VALUES = st.recursive(
    st.integers(-99, 99) | st.text(max_size=8) | st.booleans() | st.none() | st.sampled_from(['a "[', "x\\", ", {"]),
    lambda inner: st.lists(inner | st.just(CARD), max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def replaced(text: str) -> str:
    """With the card number redacted, wherever it stands."""
    found = [fitting(text, Edit(*match.span(), "<CARD_1>")) for match in re.finditer(str(CARD), text)]
    return Edited(text, found).text


def with_placeholders(value: Any) -> Any:
    """As it should be afterwards."""
    if isinstance(value, dict):
        return {name: with_placeholders(item) for name, item in value.items()}
    if isinstance(value, list):
        return [with_placeholders(item) for item in value]
    return "<CARD_1>" if value == CARD and isinstance(value, int) else value


@given(VALUES, st.sampled_from([None, 1, 2, 4, 8, "\t" * 9]), st.sampled_from(WRITTEN))
def test_what_was_json_is_json(value: Any, indent: int | str | None, number: str) -> None:
    record = {"a": [CARD, value, CARD], "b": CARD, "c": value, "d": {"e": {"f": [[CARD]]}}, "g": CARD}
    written = json.dumps(record, indent=indent)
    assert json.loads(replaced(written.replace(str(CARD), number))) == with_placeholders(record)
    assert json.loads(replaced(f"[{written}, {number}]")) == [with_placeholders(record), "<CARD_1>"]
    compact = json.dumps(record, indent=indent, separators=(",", ":"))
    assert json.loads(replaced(compact)) == with_placeholders(record)


@given(VALUES, st.sampled_from([None, 2, 4]), st.integers(1, 2))
def test_and_json_in_its_strings_is_json(value: Any, indent: int | None, depth: int) -> None:
    record = {"list": [CARD, value, CARD], "b": CARD, "d": {"e": CARD}}
    written = json.dumps(record, indent=indent)
    for _ in range(depth):
        written = json.dumps({"id": 1, "body": written}, indent=indent)
    left: Any = json.loads(replaced(written))
    for _ in range(depth):
        left = json.loads(left["body"])
    assert left == with_placeholders(record)
    assert json.loads(json.loads(replaced(json.dumps({"body": f"[{CARD}, 1]"})))["body"]) == ["<CARD_1>", 1]


@pytest.mark.parametrize("depth", range(3))
def test_a_long_list_is_json_too(depth: int) -> None:
    written = json.dumps({"a": [CARD] * 99, "b": "x" * 999, "c": CARD})
    for _ in range(depth):
        written = json.dumps({"body": written})
    left: Any = json.loads(replaced(written))
    for _ in range(depth):
        left = json.loads(left["body"])
    assert left == {"a": ["<CARD_1>"] * 99, "b": "x" * 999, "c": "<CARD_1>"}


@given(st.integers(30, 70), st.sampled_from([None, 4]))
def test_so_it_is_in_a_text_that_is_seen_from_its_middle_on(missing: int, indent: int | None) -> None:
    said = [{"said": 'a "note", [1', "well": True, "card": CARD, "more": [5, "a", CARD, 7]}] * 9
    text = json.dumps(said, indent=indent)
    last = text.rindex(str(CARD))
    for start in (text.rindex(str(CARD), 0, last), last):
        offset = start - 12 - missing
        edit = fitting(text[offset:], Edit(start, start + 16, "<CARD_1>"), offset)
        assert json.loads(Edited(text, [edit]).text)


@pytest.mark.parametrize(
    "text",
    [
        "card: 4111111111111111, and more",
        "4111111111111111",
        "a 4111111111111111}",
        "the card, 4111111111111111, is",
        'He said: "card",4111111111111111, ok',
        'He said: "card",4111111111111111, 5 times',
        "See [1], 4111111111111111, 5 of them",
        "5, 4111111111111111, 7",
    ],
)
def test_elsewhere_it_stands_as_it_is(text: str) -> None:
    assert '"<' not in replaced(text)


def test_json_in_a_text_is_json_still() -> None:
    assert replaced(f'Here:\n```json\n{{"card": {CARD}}}\n```') == 'Here:\n```json\n{"card": "<CARD_1>"}\n```'


@pytest.mark.parametrize(
    "before",
    [
        'My 27" monitor order:\n',
        'He said "hi there and left. ',
        'A 27" screen, a 5" pipe and a 3" nail: [1], {x}. ',
        'Logs: level="info" user="a" ',
        'It said: "[ and so on. ',
    ],
)
@given(VALUES, st.sampled_from([None, 2]))
def test_quotation_marks_in_front_of_it_change_nothing(before: str, value: Any, indent: int | None) -> None:
    record = {"card": CARD, "b": [CARD, value, CARD], "c": {"d": 1}, "e": CARD, "body": json.dumps({"card": CARD})}
    for held in (record, [record, CARD]):
        left = replaced(before + json.dumps(held, indent=indent))
        assert left.startswith(before)
        found = json.loads(left[len(before) :])
        one = found if held is record else found[0]
        assert json.loads(one.pop("body")) == {"card": "<CARD_1>"}
        assert one == with_placeholders({name: item for name, item in record.items() if name != "body"})


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "None", "True", "False"])
def test_words_that_programs_write_for_values_are_values(word: str) -> None:
    text = f'x = {{"card": {CARD}, "y": {word}, "z": {CARD}, "list": [{CARD}, {word}, {CARD}]}}'
    assert replaced(text) == text.replace(str(CARD), '"<CARD_1>"')


@pytest.mark.parametrize("comment", ["// why not\n", "/* the number */", "# said twice\n"])
def test_comments_change_nothing(comment: str) -> None:
    text = f'{{"a": 1, {comment} "card": {CARD}, "list": [{CARD}, 5], {comment} "b": {CARD}\n}}'
    assert replaced(text) == text.replace(str(CARD), '"<CARD_1>"')


@pytest.mark.anyio
@pytest.mark.promise("guard-2")
@pytest.mark.parametrize("indent", [None, 2, 4, 8])
@pytest.mark.parametrize("number", ["1234567", "-1234567", "1234567e0", "-1234567.0E+2"])
async def test_arguments_of_a_tool_call_are_json_after_redaction(indent: int | None, number: str) -> None:
    record = {"note": "as asked " * 90, "customer": {"accounts": [1, 0], "main": 0}}
    arguments = re.sub(r"\b0\b", number, json.dumps(record, indent=indent))
    pieces = [arguments[at : at + 7] for at in range(0, len(arguments), 7)]
    steps = [Delta(tool_calls=(ToolCallDelta(index=0, id="c", name="f", arguments=piece),)) for piece in pieces]
    rule = {"use": "digits", "action": "redact", "on": ["output", "tool_arguments"]}
    world = World(guards(rule), [*steps, Finished(reason="tool_calls")])
    events = await world.events(new_call("hi", stream=True))
    got = "".join(piece.arguments for event in events if isinstance(event, Delta) for piece in event.tool_calls)
    assert json.loads(got)["customer"] == {"accounts": [1, "<NUMBER_1>"], "main": "<NUMBER_1>"}
