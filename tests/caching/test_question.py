"""When two calls ask the same."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.caching.question import fingerprint
from moat.domain.calls import Call
from moat.testing.contracts.cache import planned
from moat.testing.fakes import new_call

scalars = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=4))


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3))


values = st.recursive(scalars, nested)
parts = st.lists(st.dictionaries(st.sampled_from(["type", "text", "x"]), values), max_size=2)
contents = st.one_of(st.text(max_size=9), parts)
roles = st.sampled_from(["user", "assistant"])
messages = st.lists(st.fixed_dictionaries({"role": roles, "content": contents}), max_size=3)
params = st.dictionaries(st.sampled_from(["temperature", "stop", "tools", "seed", "anthropic"]), values, max_size=4)


def ask(messages: list[Any], params: dict[str, Any]) -> bytes:
    call: Call = replace(planned(new_call()), messages=messages, params=params)
    return fingerprint(call)


def turned(value: Any) -> Any:
    """The same JSON with the members of every object in another order."""
    if isinstance(value, dict):
        return {name: turned(item) for name, item in reversed(value.items())}
    return [turned(item) for item in value] if isinstance(value, list) else value


@given(messages, params)
@settings(max_examples=200, deadline=None)
def test_the_order_of_members_is_no_part_of_it(messages: list[Any], params: dict[str, Any]) -> None:
    assert ask(messages, params) == ask(turned(messages), turned(params))


@given(messages, messages, params, params)
@settings(max_examples=300, deadline=None)
def test_what_differs_is_another_question(one: Any, two: Any, these: dict[str, Any], those: dict[str, Any]) -> None:
    if plain(one) != plain(two) or shaping(these) != shaping(those):
        assert ask(one, these) != ask(two, those)


def plain(messages: list[Any]) -> str:
    return repr(turned_in_order([{**m, "content": text_of(m["content"])} for m in messages]))


def text_of(content: Any) -> Any:
    if isinstance(content, list) and len(content) == 1 and content[0].keys() == {"type", "text"}:
        part = content[0]
        return part["text"] if part["type"] == "text" and isinstance(part["text"], str) else content
    return content


def shaping(params: dict[str, Any]) -> str:
    return repr(turned_in_order({k: v for k, v in params.items() if (k, v) != ("anthropic", {})}))


def turned_in_order(value: Any) -> Any:
    """Members in the order of their names."""
    if isinstance(value, dict):
        return {name: turned_in_order(value[name]) for name in sorted(value)}
    return [turned_in_order(item) for item in value] if isinstance(value, list) else value


def test_two_names_of_one_thing_are_one_thing() -> None:
    asked: Any = [{"role": "user", "content": "Hi"}]
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    marked: Any = [
        {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}
    ]
    assert ask(asked, {"max_tokens": 5}) == ask(parts, {"max_completion_tokens": 5})
    assert ask(asked, {}) == ask(asked, {"anthropic": {"anthropic_version": "2023-06-01"}})
    assert ask(asked, {}) != ask(asked, {"anthropic": {"thinking": {"type": "adaptive"}}})
    assert ask(asked, {}) != ask(marked, {})
