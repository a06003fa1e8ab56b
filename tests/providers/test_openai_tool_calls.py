"""Tool calls of servers that number them in ways of their own: each call is there, whole, once."""

import itertools
import json
import tracemalloc
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.adapters.providers.openai_stream import ChatStream
from moat.adapters.providers.openai_tool_calls import StreamedCalls
from moat.adapters.providers.openai_wire import Message
from moat.domain.calls import ToolCallDelta
from moat.testing.fakes import new_call

F = {"name": "f", "arguments": '{"a":1}'}
G = {"name": "g", "arguments": '{"b":2}'}


def read(*chunks: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Ids, names and arguments of the calls that come of such pieces."""
    calls = StreamedCalls()
    found: dict[int, list[str]] = {}
    for chunk in chunks:
        message = msgspec.convert({"tool_calls": list(chunk)}, Message)
        for piece in calls.read(message):
            told = found.setdefault(piece.index, ["", "", ""])
            told[0] = told[0] or piece.id
            told[1] = told[1] or piece.name
            told[2] += piece.arguments
    return [(told[0], told[1], told[2]) for _, told in sorted(found.items())]


@pytest.mark.parametrize(
    "pieces",
    [
        ({"id": "c1", "function": F}, {"id": "c2", "function": G}),
        ({"index": 0, "id": "c1", "function": F}, {"index": 0, "id": "c2", "function": G}),
        ({"index": 3, "id": "c1", "function": F}, {"index": 1, "id": "c2", "function": G}),
        ({"index": 0, "id": "c1", "function": F}, {"index": 1, "id": "c2", "function": G}),
    ],
)
def test_two_calls_are_two_however_they_are_numbered(pieces: tuple[dict, dict]) -> None:
    assert sorted(read([pieces[0]], [pieces[1]])) == [("c1", "f", '{"a":1}'), ("c2", "g", '{"b":2}')]
    assert sorted(read(pieces)) == [("c1", "f", '{"a":1}'), ("c2", "g", '{"b":2}')]


@pytest.mark.parametrize("index", [{}, {"index": 0}])
def test_without_ids_a_name_behind_whole_arguments_begins_a_call(index: dict[str, int]) -> None:
    assert read([{**index, "function": F}], [{**index, "function": G}]) == [("", "f", '{"a":1}'), ("", "g", '{"b":2}')]
    assert read([{**index, "function": F}], [{**index, "function": F}]) == [("", "f", '{"a":1}')] * 2


@pytest.mark.parametrize("index", [{}, {"index": 0}])
@pytest.mark.parametrize("other", [G, {"name": "f", "arguments": '{"a":9}'}, {"name": "", "arguments": '{"a":9}'}])
def test_two_calls_with_one_id_are_two(index: dict[str, int], other: dict[str, str]) -> None:
    pieces = [{**index, "id": "f", "function": F}, {**index, "id": "f", "function": other}]
    expected = [("f", "f", F["arguments"]), ("f", other["name"], other["arguments"])]
    assert read([pieces[0]], [pieces[1]]) == expected
    assert read(pieces) == expected


def test_a_server_that_names_each_piece_anew_makes_one_call() -> None:
    halves = [
        {"index": 0, "id": f"r{n}", "function": {"name": "f", "arguments": half}} for n, half in enumerate('{"a":1}')
    ]
    assert read(*([half] for half in halves)) == [("r0", "f", '{"a":1}')]


@pytest.mark.parametrize("index", [{}, {"index": 0}])
@pytest.mark.parametrize("said", [{"id": "c1"}, {}])
def test_a_server_that_says_name_and_id_with_each_piece_makes_one_call(
    index: dict[str, int], said: dict[str, str]
) -> None:
    pieces = ['{"a":', '{"b":"}', '"}', "}", ""]
    chunks = [[{**index, **said, "function": {"name": "f", "arguments": piece}}] for piece in pieces]
    assert read(*chunks) == [(said.get("id", ""), "f", '{"a":{"b":"}"}}')]


def test_calls_at_one_place_that_come_by_turns_stay_two() -> None:
    def piece(id: str, name: str, arguments: str) -> list[dict[str, Any]]:
        return [{"index": 0, "id": id, "function": {"name": name, "arguments": arguments}}]

    whole = [piece("c1", "f", '{"a":1}'), piece("c2", "g", '{"b":'), piece("c1", "f", ""), piece("c2", "g", "2}")]
    assert read(*whole) == [("c1", "f", '{"a":1}'), ("c2", "g", '{"b":2}')]


def test_several_pieces_that_say_nothing_else_have_the_places_they_stand_at() -> None:
    begun = [{"id": "c1", "function": {"name": "f", "arguments": ""}}, {"id": "c2", "function": {"name": "g"}}]
    pieces = [[{"function": {"arguments": part}} for part in parts] for parts in (('{"a"', '{"b"'), (":1}", ":2}"))]
    assert read(begun, *pieces) == [("c1", "f", '{"a":1}'), ("c2", "g", '{"b":2}')]


ODD = st.text(st.sampled_from(['"', "\\", "{", "}", "[", "]", "a", "\n"]), max_size=9)


@given(st.lists(st.dictionaries(ODD, ODD | st.lists(ODD, max_size=2), max_size=3), min_size=1, max_size=3), st.data())
def test_a_call_ends_where_its_json_does_however_it_is_cut(calls: list[dict[str, Any]], data: st.DataObject) -> None:
    """The server says a new id and the name with each piece: nothing else tells where a call ends."""
    told = [json.dumps(call) for call in calls]
    pieces: list[str] = []
    for arguments in told:
        cuts = sorted(data.draw(st.sets(st.integers(1, len(arguments) - 1), max_size=4)))
        pieces += [arguments[at:to] for at, to in itertools.pairwise([0, *cuts, len(arguments)])]
    named = [[{"index": 0, "id": f"r{n}", "function": {"name": "f", "arguments": p}}] for n, p in enumerate(pieces)]
    assert [arguments for _, _, arguments in read(*named)] == told


def test_long_arguments_are_not_kept_and_gone_through_again() -> None:
    pieces = ['{"a":"', *["text }" * 200] * 1000, '"}']
    chunks = [
        msgspec.convert(
            {"tool_calls": [{"index": 0, "id": f"r{n}", "function": {"name": "f", "arguments": piece}}]}, Message
        )
        for n, piece in enumerate(pieces)
    ]
    calls = StreamedCalls()
    tracemalloc.start()
    try:
        for chunk in chunks:
            calls.read(chunk)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < len("".join(pieces)) // 10


def test_pieces_without_a_number_go_on_with_their_own_call() -> None:
    begun = [{"id": "c1", "function": {"name": "f", "arguments": ""}}, {"id": "c2", "function": {"name": "g"}}]
    found = read(
        begun, [{"function": {"arguments": G["arguments"]}}], [{"id": "c1", "function": {"arguments": F["arguments"]}}]
    )
    assert found == [("c1", "f", '{"a":1}'), ("c2", "g", '{"b":2}')]


NAMES = st.sampled_from(["look", "book", "pay"])
ARGUMENTS = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=9), max_size=3).map(json.dumps)


@given(
    st.lists(st.tuples(NAMES, ARGUMENTS), min_size=1, max_size=5), st.sampled_from(["own", "zero", "none"]), st.data()
)
def test_calls_one_after_the_other_are_found_again(
    calls: list[tuple[str, str]], numbered: str, data: st.DataObject
) -> None:
    chunks: list[list[dict[str, Any]]] = []
    for number, (name, arguments) in enumerate(calls):
        index = {"own": {"index": number}, "zero": {"index": 0}, "none": {}}[numbered]
        chunks.append([{**index, "id": f"c{number}", "function": {"name": name, "arguments": ""}}])
        at = data.draw(st.integers(0, len(arguments)))
        chunks += [[{**index, "function": {"arguments": part}}] for part in (arguments[:at], arguments[at:]) if part]
    assert read(*chunks) == [(f"c{number}", *call) for number, call in enumerate(calls)]


def test_arguments_that_are_an_object_are_its_json() -> None:
    body = {
        "choices": [
            {"index": 0, "delta": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]}}
        ]
    }
    delta = ChatStream(new_call(stream=True), "here").feed(b"data: " + msgspec.json.encode(body) + b"\n\n")
    assert delta is not None
    assert delta.tool_calls == (ToolCallDelta(id="c", name="f", arguments='{"a":1}'),)
