"""What `ResponseCache` promises."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from moat.domain.calls import Call, Delta, Deployment, Event, Finished, Journal, Plan, ToolCallDelta
from moat.domain.releases import PromptVersion, Release
from moat.domain.usage import Usage
from moat.ports.cache import ResponseCache
from moat.testing.fakes import FakeClock, new_call

TTL = 60.0
"""Seconds for which the cache under test keeps answers of the alias `assistant`, and of no other."""

OpenCache = Callable[[FakeClock], ResponseCache]

ANSWER: tuple[Event, ...] = (
    Delta(text="Paris, "),
    Delta(text="in France."),
    Finished(reason="stop", usage=Usage(input=9, output=4), model="large"),
)


def planned(call: Call, *deployments: Deployment, alias: str = "assistant") -> Call:
    """The call with a plan."""
    return replace(call, plan=Plan(alias=alias, deployments=deployments or (Deployment("fake", "large"),)))


def _ask(cache: ResponseCache, call: Call) -> Sequence[Event] | None:
    key = cache.key(call)
    found = None if key is None else cache.find(call, key)
    return None if found is None else found.events


def _tell(cache: ResponseCache, call: Call, events: Sequence[Event] = ANSWER, cost: int = 7) -> None:
    key = cache.key(call)
    assert key is not None
    cache.keep(call, key, events, cost)


def _text(events: Sequence[Event] | None) -> str:
    return "".join(event.text for event in events or () if isinstance(event, Delta))


def an_answer_is_found_with_what_it_cost(open_cache: OpenCache) -> None:
    """By the same question, and by no other."""
    cache = open_cache(FakeClock())
    call = planned(new_call("Capital?"))
    key = cache.key(call)
    assert key is not None
    assert cache.find(call, key) is None
    cache.keep(call, key, ANSWER, 7)
    found = cache.find(call, key)
    assert found is not None
    assert (_text(found.events), found.events[-1], found.cost) == ("Paris, in France.", ANSWER[-1], 7)
    assert _ask(cache, planned(new_call("Capital, please?"))) is None


def what_an_answer_depends_on_parts_the_answers(open_cache: OpenCache) -> None:
    """Above all whose it is: no tenant sees another's, and no release is answered by another's."""
    cache = open_cache(FakeClock())
    call = planned(new_call("Capital?", temperature=0.5))
    _tell(cache, call)
    caller = call.caller
    others = [
        replace(call, caller=replace(caller, tenant="globex")),
        replace(call, caller=replace(caller, environment="staging")),
        replace(call, messages=[{"role": "system", "content": "Be brief."}, *call.messages]),
        replace(call, params={"temperature": 0.6}),
        replace(call, params={"temperature": 0.5, "tools": [{"type": "function", "function": {"name": "f"}}]}),
        replace(call, repeat=1),
        replace(call, operation="completions"),
        planned(call, Deployment("fake", "small")),
        replace(call, journal=_released("rel_1")),
        replace(call, journal=_released("rel_2")),
    ]
    for other in others:
        assert _ask(cache, other) is None
        _tell(cache, other, (Delta(text=f"for {others.index(other)}"), ANSWER[-1]))
    for position, other in enumerate(others):
        assert _text(_ask(cache, other)) == f"for {position}"
    assert _text(_ask(cache, call)) == "Paris, in France."


def what_it_does_not_depend_on_does_not(open_cache: OpenCache) -> None:
    """Who asks within the tenant, streamed or not, in which wire format and order of members."""
    cache = open_cache(FakeClock())
    call = planned(new_call("Capital?", temperature=0.5, max_tokens=9))
    _tell(cache, call)
    same = [
        replace(call, stream=True),
        replace(call, wire="anthropic"),
        replace(call, caller=replace(call.caller, user="ada", key="key_2", feature="search", session="s")),
        replace(call, messages=[{"content": "Capital?", "role": "user"}]),
        replace(call, params={"max_tokens": 9, "temperature": 0.5, "user": "ada", "metadata": {"a": "b"}}),
        planned(call, Deployment("fake", "large"), alias="assistant"),
    ]
    assert [_text(_ask(cache, other)) for other in same] == ["Paris, in France."] * len(same)


def it_ends(open_cache: OpenCache) -> None:
    """After its time, however the wall clock jumps meanwhile."""
    clock = FakeClock()
    cache = open_cache(clock)
    call = planned(new_call("Capital?"))
    _tell(cache, call)
    clock.jump(-7200)
    clock.advance(TTL - 1)
    assert _ask(cache, call) is not None
    clock.advance(1)
    assert _ask(cache, call) is None


def only_complete_answers_without_effects_are_kept(open_cache: OpenCache) -> None:
    """No errors, nothing cut short, no refusal, no tool calls."""
    cache = open_cache(FakeClock())
    call = planned(new_call("Capital?"))
    said = Delta(text="Par")
    for events in (
        (),
        (said,),
        (Finished(reason="stop"),),
        (said, Finished(reason="length")),
        (said, Finished(reason="content_filter")),
        (Delta(refusal="I can't."), Finished(reason="stop")),
        (Delta(tool_calls=(ToolCallDelta(id="1", name="pay", arguments="{}"),)), Finished(reason="tool_calls")),
    ):
        _tell(cache, call, events)
        assert _ask(cache, call) is None, events


def some_questions_are_never_asked_of_it(open_cache: OpenCache) -> None:
    """Another alias, several answers at once, tool results, tools of the provider, pictures, uploads."""
    cache = open_cache(FakeClock())
    call = planned(new_call("Capital?"))
    search: dict[str, Any] = {"tools": [{"type": "web_search"}]}
    for other in (
        planned(call, alias="other"),
        replace(call, params={"n": 2}),
        replace(call, params={"logprobs": True}),
        replace(call, params={"modalities": ["text", "audio"]}),
        replace(call, params=search),
        replace(call, messages=[*call.messages, {"role": "tool", "tool_call_id": "1", "content": "42"}]),
        replace(call, operation="images"),
        replace(call, operation="transcription", upload=b"RIFF"),
    ):
        assert cache.key(other) is None, other


def _released(id: str) -> Journal:
    content = PromptVersion(name="p", version="1.0.0", messages=(), model="assistant")
    return Journal(release=Release(id=id, content=content, prompt_digest="d"), prompt=content)


CHECKS: tuple[Callable[[OpenCache], None], ...] = (
    an_answer_is_found_with_what_it_cost,
    what_an_answer_depends_on_parts_the_answers,
    what_it_does_not_depend_on_does_not,
    it_ends,
    only_complete_answers_without_effects_are_kept,
    some_questions_are_never_asked_of_it,
)
