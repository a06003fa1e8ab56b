"""The exact cache keeps its contract, and its bounds."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.caching.answers import PIECE, compact, played, size_of
from moat.caching.exact import Entry, ExactCache, Memory
from moat.domain.calls import Call, Delta, Event, Finished, ToolCallDelta
from moat.domain.config import CacheConfig
from moat.domain.usage import Usage
from moat.pipeline.answers import Answer
from moat.testing.contracts import cache as contract
from moat.testing.contracts.cache import ANSWER, TTL, planned
from moat.testing.fakes import FakeClock, new_call

ALIASES = {"assistant": CacheConfig(ttl=TTL)}


def opened(clock: FakeClock | None = None, megabyte: float = 1.0, **aliases: CacheConfig) -> ExactCache:
    return ExactCache(aliases or ALIASES, Memory(round(megabyte * 2**20)), clock or FakeClock())


@pytest.mark.promise("gate-7")
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[contract.OpenCache], None]) -> None:
    check(opened)


def tell(cache: ExactCache, call: Call, *events: Event, cost: int = 1) -> None:
    key = cache.key(call)
    assert key is not None
    cache.keep(call, key, events, cost)


def ask(cache: ExactCache, call: Call) -> list[Event] | None:
    key = cache.key(call)
    found = cache.find(call, key) if key is not None else None
    return None if found is None else list(found.events)


def test_the_same_form_gets_the_providers_bytes_and_another_one_gets_none() -> None:
    cache = opened()
    call = planned(new_call("Hi"))
    whole = Delta(text="Hello there, you.", raw=b'{"choices": ["..."]}')
    tell(cache, call, whole, ANSWER[-1])
    assert ask(cache, call) == [whole, ANSWER[-1]]
    for other in (replace(call, stream=True), replace(call, wire="gemini")):
        assert ask(cache, other) == [Delta(text="Hello there, you."), ANSWER[-1]]


def test_a_stream_with_usage_is_another_form_than_one_without() -> None:
    cache = opened()
    call = planned(new_call("Hi", stream=True))
    tell(cache, call, Delta(text="Hello", raw=b"data: 1\n\n"), ANSWER[-1])
    wants = replace(call, params={"stream_options": {"include_usage": True}})
    assert ask(cache, wants) == [Delta(text="Hello"), ANSWER[-1]]
    assert ask(cache, replace(call, params={"stream_options": "nonsense"})) == ask(cache, call)


def test_a_long_answer_is_streamed_in_pieces() -> None:
    cache = opened()
    call = planned(new_call("Hi"))
    text = "  A sentence of some words, and another.\n\n" * 40
    tell(cache, call, Delta(text=text), ANSWER[-1])
    events = ask(cache, replace(call, stream=True))
    assert events is not None
    pieces = [event.text for event in events if isinstance(event, Delta)]
    assert "".join(pieces) == text
    assert len(pieces) > 20
    assert max(map(len, pieces)) <= PIECE + 20


def test_answers_that_call_tools_are_kept_where_moat_yaml_says_so() -> None:
    cache = opened(assistant=CacheConfig(ttl=1, tools=True))
    call = planned(new_call("Hi"))
    call = replace(call, messages=[*call.messages, {"role": "tool", "tool_call_id": "1", "content": "42"}])
    called = Delta(tool_calls=(ToolCallDelta(id="2", name="add", arguments="{}"),))
    tell(cache, call, called, Finished(reason="tool_calls"))
    assert ask(cache, call) == [called, Finished(reason="tool_calls")]


def test_what_the_provider_runs_is_not_cached_however_odd_the_request() -> None:
    cache = opened(assistant=CacheConfig(ttl=1, tools=True))
    for params in (
        {"tools": [{"type": "web_search"}]},
        {"tools": ["odd"]},
        {"modalities": 5},
        {"modalities": [{}]},
        {"n": [1]},
        {"n": "1"},
        {"store": True},
        {"web_search_options": {"a": 1}},
    ):
        assert cache.key(replace(planned(new_call("Hi")), params=params)) is None, params
    assert cache.key(replace(planned(new_call("Hi")), params={"tools": 5, "n": None, "modalities": ["text"]}))


def test_embeddings_are_given_again_as_they_came() -> None:
    cache = opened()
    call = replace(planned(new_call()), operation="embeddings", messages=[], params={"input": ["a"]})
    whole = Delta(raw=b'{"data": []}')
    tell(cache, call, whole, Finished(reason="stop", usage=Usage(input=1)))
    assert ask(cache, call) == [whole, Finished(reason="stop", usage=Usage(input=1))]
    assert ask(cache, replace(call, params={"input": ["b"]})) is None
    assert ask(cache, replace(call, params={"input": ["a"], "dimensions": 3})) is None
    cut = replace(call, params={"input": ["c"]})
    tell(cache, cut, whole, Finished(reason="length"))
    assert ask(cache, cut) is None


def test_a_shorter_time_in_moat_yaml_counts_for_what_is_there() -> None:
    clock, memory = FakeClock(), Memory(2**20)
    call = planned(new_call("Hi"))
    tell(ExactCache(ALIASES, memory, clock), call, *ANSWER)
    clock.advance(10)
    assert ask(ExactCache({"assistant": CacheConfig(ttl=11)}, memory, clock), call) is not None
    assert ask(ExactCache({"assistant": CacheConfig(ttl=9)}, memory, clock), call) is None
    assert (len(memory), memory.bytes) == (0, 0)
    assert ExactCache({}, memory, clock).find(call, b"") is None


def test_memory_is_bounded_and_what_nobody_asks_for_goes_first() -> None:
    memory = Memory(100)
    for number in range(10):
        memory.put(bytes([number]), Entry((), ("openai", False, False), 0, 1, 12))
        assert memory.get(b"\0", 0) is not None
        assert memory.bytes <= 100
    assert [number for number in range(10) if memory.get(bytes([number]), 0)] == [0, 3, 4, 5, 6, 7, 8, 9]
    memory.put(b"huge", Entry((), ("openai", False, False), 0, 1, 13))
    assert memory.get(b"huge", 0) is None
    assert len(memory) == 8
    memory.put(b"\5", Entry((), ("openai", False, False), 0, 1, 2))
    assert memory.bytes == 7 * 12 + 2
    memory.put(b"\5", Entry((), ("openai", False, False), 0, 1, 99))
    assert memory.get(b"\5", 0) is None, "what is too large now must not leave the old one behind"


deltas = st.builds(
    Delta,
    text=st.text(max_size=200),
    reasoning=st.sampled_from(["", "hm"]),
    tool_calls=st.sampled_from([(), (ToolCallDelta(index=0, id="1", name="f", arguments="{}"),)]),
    raw=st.one_of(st.none(), st.binary(max_size=9)),
)


@given(st.lists(deltas, max_size=12), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_form_changes_what_an_answer_says(pieces: list[Delta], stream: bool) -> None:
    events = [*pieces, Finished(reason="stop")]

    def said(events: "list[Event] | tuple[Event, ...]") -> tuple[object, ...]:
        answer = Answer()
        for event in events:
            answer.add(event)
        reasoning = "".join(event.reasoning for event in events if isinstance(event, Delta))
        return answer.text, answer.tool_calls, reasoning, events[-1]

    kept = compact(events)
    assert said(kept) == said(events)
    assert b"".join(e.raw or b"" for e in kept[:-1]) == b"".join(e.raw or b"" for e in pieces) or any(  # type: ignore[union-attr]
        piece.raw is None for piece in pieces
    )
    again = list(played(kept, stream=stream))
    assert said(again) == said(events)
    assert all(event.raw is None for event in again if isinstance(event, Delta))
    assert size_of(kept) >= sum(len(piece.text) for piece in pieces)
