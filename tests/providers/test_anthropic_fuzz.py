"""Whatever comes from a client or a server, only errors of ours come out."""

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.providers.anthropic_answer import Stream, error_in_answer, whole
from moat.adapters.providers.anthropic_request import Style, ask
from moat.adapters.providers.anthropic_schema import strict_schema
from moat.adapters.providers.openai_foreign import in_openai_terms
from moat.domain.calls import Delta, Finished
from moat.domain.errors import ProviderError, Unsupported
from moat.testing.fakes import new_call
from tests.refusing import unless_refused

pytestmark = pytest.mark.no_cover  # what these take through the code, the other tests do as well; tracing is slow

words = st.sampled_from(
    ["text", "thinking", "tool_use", "type", "message", "index", "usage", "error", "data:image/png;base64,AA", "x", ""]
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=6,
)


def shaped(*names: str, **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object whose members are likely the right ones, with any values."""
    return st.fixed_dictionaries(fixed, optional=dict.fromkeys(names, values))


blocks = shaped(
    "text", "thinking", "signature", "data", "id", "name", "input", "source", "image_url", "file", "cache_control",
    type=st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use", "image_url", "file", "new"]),
)  # fmt: skip
deltas = shaped(
    "text", "thinking", "signature", "partial_json", "stop_reason", "stop_details",
    type=st.sampled_from(["text_delta", "thinking_delta", "signature_delta", "input_json_delta", "new"]),
)  # fmt: skip
events = shaped(
    "usage", "error", "message",
    type=st.sampled_from(
        ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "ping"]
    ),
    index=st.integers(0, 3) | values,
    delta=deltas | values,
    content_block=blocks | values,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(events, max_size=5), st.sampled_from(["openai", "anthropic"]), st.sampled_from(["", "x"]))
def test_any_stream(found: list[dict[str, Any]], wire: Any, tool: str) -> None:
    sound: list[dict[str, Any]] = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "said"}},
    ]
    for said in (found, sound):
        stream = Stream(msgspec.structs.replace(new_call(stream=True), wire=wire), tool, where="x")
        sent = [*said, {"type": "message_stop"}]
        body = b"".join(b"event: x\ndata: " + json.dumps(event).encode() + b"\n\n" for event in sent)
        deltas = unless_refused(partial(stream.feed, body), ProviderError, is_sound=said is sound)
        end = unless_refused(stream.finish, ProviderError, is_sound=said is sound)
        assert deltas is None or (stream.done and end is not None), "what was read to its end has one"
        assert end is None or isinstance(end[-1], Finished)
        assert said is not sound or "".join(delta.text for delta in deltas or ()) == "said"


@settings(max_examples=200, deadline=None)
@given(
    shaped("usage", "stop_reason", "stop_details", "error", type=st.just("message"), content=st.lists(blocks) | values)
)
def test_any_answer(body: dict[str, Any]) -> None:
    sound = {"type": "message", "content": [{"type": "text", "text": "said"}]}
    for said in (body, sound):
        found = unless_refused(
            partial(whole, new_call(), json.dumps(said).encode(), "", where="x"), ProviderError, is_sound=said is sound
        )
        assert found is None or isinstance(found[-1], Finished)
        assert said is not sound or (found and isinstance(found[0], Delta) and found[0].text == "said")


@settings(max_examples=100, deadline=None)
@given(values, st.integers(300, 599))
def test_any_error(body: Any, status: int) -> None:
    for content in (body, {"error": body}):
        found = error_in_answer(status, {}, json.dumps(content).encode(), where="x")
        assert found is None or 400 <= found.status < 600


messages = shaped(
    "tool_calls", "tool_call_id", "thinking_blocks", "is_error", "extra_content", "cache_control", "refusal", "name",
    role=st.sampled_from(["system", "user", "assistant", "tool", "owner"]),
    content=st.none() | words | st.lists(blocks | values, max_size=3),
)  # fmt: skip
params = shaped(
    "tools", "tool_choice", "response_format", "reasoning_effort", "thinking", "max_tokens", "temperature", "stop",
    "user", "service_tier", "anthropic", "metadata", "n", "parallel_tool_calls", "top_p", "logprobs", "new",
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.lists(messages, max_size=4),
    params,
    st.sampled_from(["openai", "anthropic"]),
    st.sampled_from(["native", "tool"]),
)
def test_any_call(asked: list[dict[str, Any]], given_: dict[str, Any], wire: Any, structured: Any) -> None:
    style = Style(max_tokens=4096, structured_outputs=structured, thinking="budget")
    before = json.dumps([asked, given_])
    for messages, is_sound in ((asked, False), ([{"role": "user", "content": "x"}], True)):
        call = msgspec.structs.replace(new_call(), messages=messages, params={} if is_sound else given_, wire=wire)
        sent = unless_refused(partial(ask, call, style), Unsupported, is_sound=is_sound)
        assert sent is None or json.loads(json.dumps(sent.body))["messages"]
    assert json.dumps([asked, given_]) == before, "the call is not changed: another deployment may need it"


@settings(max_examples=200, deadline=None)
@given(values)
def test_any_schema(schema: Any) -> None:
    """Whatever stands beside it, an object is closed, and its members and theirs are there."""
    inner = {"type": "object", "properties": {"any": schema, "n": {"type": "integer", "minimum": 3}}}
    found = strict_schema({"type": "object", "properties": {"inner": inner}})
    assert found["additionalProperties"] is found["properties"]["inner"]["additionalProperties"] is False
    members = found["properties"]["inner"]["properties"]
    assert members == {"any": strict_schema(schema), "n": {"type": "integer", "description": "{minimum: 3}"}}
    assert isinstance(members["any"], dict) or members["any"] == schema


@pytest.mark.parametrize("wire", ["anthropic", "gemini", "responses"])
def test_a_call_is_not_changed_by_asking(wire: Any) -> None:
    shown = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "https://e.org/x.png"}}]
    asked = [{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": "c", "content": shown}]
    before = json.dumps(asked)
    call = msgspec.structs.replace(new_call(), messages=asked, wire=wire)
    in_openai_terms(call, ())
    ask(call, Style(max_tokens=4096, structured_outputs="native", thinking="budget"))
    assert json.dumps(asked) == before
