"""Properties of the translation between the responses API and chat."""

import json
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.domain.calls import Attempt, Delta, Deployment, Event, Finished, ToolCallDelta
from moat.domain.errors import ProviderDown, RequestError
from moat.domain.usage import Usage
from moat.gateway.formats.responses import OpenAIResponses, parse_response
from moat.gateway.formats.responses_items import messages_of, seal
from moat.gateway.formats.responses_params import chat_params, shown_params
from moat.testing.fakes import new_call
from tests.refusing import unless_refused

texts = st.text(max_size=8)
words = st.text(min_size=1, max_size=8)
ids = st.text("abcdef0123456789", min_size=1, max_size=6)

text_parts = st.builds(lambda text: {"type": "text", "text": text}, texts)
image_parts = st.builds(
    lambda url, detail: {"type": "image_url", "image_url": {"url": url} | ({"detail": detail} if detail else {})},
    words,
    st.sampled_from(["", "low", "auto"]),
)
file_parts = st.builds(lambda data, name: {"type": "file", "file": {"file_data": data, "filename": name}}, words, words)
contents = st.one_of(
    texts,
    st.lists(st.one_of(text_parts, image_parts, file_parts), min_size=2, max_size=3),
    image_parts.map(lambda part: [part]),
)
others = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["user", "system", "developer"]),
    contents,
)


@st.composite
def turns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """An assistant's message, and the results of the tools it called."""
    thoughts = draw(st.lists(st.tuples(words, words), max_size=2))
    names = draw(st.lists(ids, max_size=3, unique=True))
    said = draw(st.one_of(st.none() if names or thoughts else words, words))
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if draw(st.booleans()) and said is None:
        message["refusal"] = draw(words)
    elif not names and said is None:
        message["content"] = ""
    if names:
        message["tool_calls"] = [
            {"id": name, "type": "function", "function": {"name": draw(words), "arguments": draw(texts)}}
            for name in names
        ]
    if thoughts:
        message["reasoning_content"] = "".join(text for text, _ in thoughts)
        message["thinking_blocks"] = [
            {"type": "thinking", "thinking": text, "signature": signature} for text, signature in thoughts
        ]
    results = [{"role": "tool", "tool_call_id": name, "content": draw(contents)} for name in names]
    return [message, *results, draw(others)]


@given(st.lists(st.one_of(others.map(lambda message: [message]), turns()), max_size=5))
def test_messages_are_the_same_after_a_way_through_items(conversation: list[list[dict[str, Any]]]) -> None:
    messages = [message for turn in conversation for message in turn]

    assert messages_of([item for message in messages for item in items_of(message)]) == messages


def items_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A message as its author would have written it for the responses API."""
    if message["role"] == "tool":
        output = parts_of(message["content"], "input_text")
        return [{"type": "function_call_output", "call_id": message["tool_call_id"], "output": output}]
    if message["role"] != "assistant":
        return [{"type": "message", "role": message["role"], "content": parts_of(message["content"], "input_text")}]
    items: list[dict[str, Any]] = [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": block["thinking"]}],
            "encrypted_content": seal([block]),
        }
        for block in message.get("thinking_blocks", ())
    ]
    said = parts_of(message["content"], "output_text") if message["content"] is not None else []
    content = [{"type": "output_text", "text": said}] if isinstance(said, str) else said
    if "refusal" in message:
        content = [*content, {"type": "refusal", "refusal": message["refusal"]}]
    if content:
        items.append({"type": "message", "role": "assistant", "status": "completed", "content": content})
    return items + [
        {"type": "function_call", "call_id": call["id"], **call["function"]} for call in message.get("tool_calls", ())
    ]


def parts_of(content: Any, kind: str) -> Any:
    if isinstance(content, str):
        return content
    return [
        {"type": kind, "text": part["text"]}
        if part["type"] == "text"
        else {"type": "input_image", "image_url": part["image_url"]["url"], **_detail(part)}
        if part["type"] == "image_url"
        else {"type": "input_file", **part["file"]}
        for part in content
    ]


def _detail(part: dict[str, Any]) -> dict[str, str]:
    return {"detail": part["image_url"]["detail"]} if "detail" in part["image_url"] else {}


deltas = st.lists(
    st.one_of(
        st.builds(lambda text: Delta(text=text), texts),
        st.builds(lambda text: Delta(refusal=text), texts),
        st.builds(lambda text: Delta(reasoning=text), texts),
        st.builds(lambda text: Delta(signature=text), words),
        st.builds(lambda text: Delta(redacted=text), words),
        st.builds(
            lambda index, name, arguments: Delta(
                tool_calls=(ToolCallDelta(index=index, id=f"call_{index}", name=name, arguments=arguments),)
            ),
            st.integers(0, 2),
            st.sampled_from(["", "look_up"]),
            texts,
        ),
    ),
    max_size=12,
)


@given(deltas, st.sampled_from(["stop", "length"]))
def test_a_streamed_response_is_the_whole_one(came: list[Delta], reason: str) -> None:
    """Whoever only listens to the stream knows in the end what the whole response says."""
    events: list[Event] = [*came, Finished(reason=reason, usage=Usage(input=1, output=1), model="m")]
    call = new_call()
    encoder = OpenAIResponses().encoder(call)

    sent = b"".join(encoder.encode(event) for event in events) + encoder.end()
    whole = json.loads(OpenAIResponses().body(call, events)[0])

    told = [json.loads(line[6:]) for line in sent.split(b"\n") if line.startswith(b"data: ")]
    names = [line[7:].decode() for line in sent.split(b"\n") if line.startswith(b"event: ")]
    assert names == [event["type"] for event in told]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert told[-1]["response"] | {"created_at": 0} == whole | {"created_at": 0}
    assert accumulated(told) == whole["output"]
    assert "".join(delta.text for delta in came) == spoken(whole, "text")
    assert "".join(delta.refusal for delta in came) == spoken(whole, "refusal")
    thoughts = "".join(part["text"] for item in whole["output"] for part in item.get("summary", ()))
    assert thoughts == "".join(delta.reasoning for delta in came)


def accumulated(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The output put together from deltas alone; what only the whole item says is taken from its last event."""
    items: dict[int, dict[str, Any]] = {}
    for event in told:
        at, kind = event.get("output_index", -1), event["type"].removeprefix("response.")
        if kind == "output_item.added":
            assert at == len(items)
            items[at] = event["item"]
        elif kind == "content_part.added":
            assert event["content_index"] == len(items[at]["content"])
            items[at]["content"].append(event["part"])
        elif kind == "reasoning_summary_part.added":
            items[at]["summary"].append(event["part"])
        elif kind == "output_text.delta":
            items[at]["content"][event["content_index"]]["text"] += event["delta"]
        elif kind == "refusal.delta":
            items[at]["content"][event["content_index"]]["refusal"] += event["delta"]
        elif kind == "reasoning_summary_text.delta":
            items[at]["summary"][event["summary_index"]]["text"] += event["delta"]
        elif kind == "function_call_arguments.delta":
            items[at]["arguments"] += event["delta"]
        elif kind == "output_item.done":
            final = event["item"]
            assert items[at]["id"] == final["id"]
            assert {**final, **items[at], "status": final["status"]} == final
            items[at] = final
    return [items[at] for at in range(len(items))]


def spoken(response: dict[str, Any], member: str) -> str:
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part.get(member, "") for part in parts)


@given(deltas)
def test_a_stream_that_fails_has_no_completed_response(came: list[Delta]) -> None:
    encoder = OpenAIResponses().encoder(new_call())

    sent = b"".join(encoder.encode(delta) for delta in came) + encoder.fail(ProviderDown("gone"))

    assert sent.count(b"event: response.failed\n") == 1
    assert b"event: response.completed" not in sent
    assert sent.startswith(b"event: response.created\n")


tools = st.lists(
    st.fixed_dictionaries(
        {"type": st.just("function"), "name": words, "parameters": st.just({"type": "object"}), "strict": st.booleans()}
    ),
    min_size=1,
    max_size=2,
)
choices = st.one_of(
    st.sampled_from(["auto", "none", "required"]),
    st.builds(lambda name: {"type": "function", "name": name}, words),
    st.builds(
        lambda mode, name: {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": name}]},
        st.sampled_from(["auto", "required"]),
        words,
    ),
)
formats = st.one_of(
    st.just({"type": "text"}),
    st.just({"type": "json_object"}),
    st.builds(
        lambda name, strict: {"type": "json_schema", "name": name, "schema": {"type": "object"}, "strict": strict},
        words,
        st.booleans(),
    ),
)


@given(tools, choices, formats, st.integers(1, 100), st.booleans())
def test_a_response_shows_the_parameters_of_its_request(
    tools: list[Any], choice: Any, format: Any, length: int, parallel: bool
) -> None:
    asked = {
        "tools": tools,
        "tool_choice": choice,
        "text": {"format": format, "verbosity": "low"},
        "max_output_tokens": length,
        "parallel_tool_calls": parallel,
        "temperature": 0.5,
        "metadata": {"a": "b"},
    }

    shown = shown_params(chat_params(asked))

    assert {name: shown[name] for name in asked} == asked


def test_an_unreported_usage_is_that_of_the_try_which_answered() -> None:
    call = new_call("Hi")
    tries = [
        Attempt(
            span_id=number * 16,
            deployment=Deployment("fake", "large"),
            started_ns=1,
            first_token_ns=first_token_ns,
            usage=Usage(input=count, output=count, estimated=True),
        )
        for number, first_token_ns, count in (("1", 5, 7), ("2", 0, 99))  # the second lost a race
    ]
    call.journal.attempts.extend(tries)
    body, _ = OpenAIResponses().body(call, [Delta(text="Yes"), Finished(reason="stop")])
    assert json.loads(body)["usage"]["output_tokens"] == 7


def test_parameters_unknown_here_pass_on() -> None:
    request = parse_response(b'{"model": "a", "input": "b", "top_k": 3, "truncation": "disabled", "top_p": null}')

    assert request.params == {"top_k": 3}


def test_two_messages_of_the_assistant_stay_two() -> None:
    items = [
        {"role": "assistant", "content": "One"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hmm."}], "encrypted_content": "foreign"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Two"}]},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": ""},
        {"role": "assistant", "content": "Three"},
    ]
    assert messages_of(items) == [
        {"role": "assistant", "content": "One"},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Two"}, {"type": "text", "text": "Three"}],
            "reasoning_content": "Hmm.",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}],
        },
    ]


def test_audio_files_and_cache_marks_are_kept() -> None:
    audio = {"data": "aGk=", "format": "wav"}
    content = [
        {"type": "input_text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "input_audio", "input_audio": audio},
        {"type": "input_file", "file_id": "file_1"},
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
    ]
    assert messages_of([{"role": "user", "content": content}])[0]["content"] == [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "input_audio", "input_audio": audio},
        {"type": "file", "file": {"file_id": "file_1"}},
        {"type": "file", "file": {"file_url": "https://example.org/a.pdf"}},
    ]


_KINDS = ["message", "function_call", "function_call_output", "reasoning", "input_text", "input_image", "input_file"]
_NAMES = ["type", "role", "content", "text", "summary", "call_id", "name", "arguments", "output", "tools", "format"]
_NAMES += ["input", "model", "prompt", "id", "variables", "tool_choice", "reasoning", "include", "instructions"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([*_KINDS, "assistant", "user", "moat.e30="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=5),
    max_leaves=15,
)
items = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(_KINDS), "role": st.sampled_from(["assistant", "user", 5])},
        optional=dict.fromkeys(["content", "summary", "call_id", "name", "arguments", "encrypted_content"], anything),
    ),
    max_size=3,
)


@given(st.dictionaries(st.sampled_from(_NAMES), anything), st.none() | items)
def test_any_object_is_read_or_refused(body: dict[str, Any], asked: Any) -> None:
    """And what is read can be shown again, whatever the client sent."""
    wild = {"model": "assistant", **body} | ({} if asked is None else {"input": asked})
    sound = {"model": "assistant", "input": "x", "user": "u"}
    for said in (wild, sound):
        request = unless_refused(
            partial(parse_response, json.dumps(said).encode()), RequestError, is_sound=said is sound
        )
        if request is None:
            continue
        shown, _ = OpenAIResponses().body(
            replace(new_call(), params=request.params), [Delta(text="y"), Finished(reason="stop")]
        )
        answer = json.loads(shown)
        assert (answer["object"], answer["status"], answer["output"][-1]["content"][0]["text"]) == (
            *("response", "completed"),
            "y",
        )
        assert said is not sound or request.messages == [{"role": "user", "content": "x"}]
