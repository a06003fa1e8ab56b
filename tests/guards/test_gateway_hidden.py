"""What stands in a provider's bytes where one reader looks and another does not, and tools that no guard sees."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moat.adapters.providers.anthropic_answer import whole as anthropic_whole
from moat.adapters.providers.gemini_answer import Reader
from moat.adapters.providers.openai_stream import ChatStream, chat_answer
from moat.domain.calls import Call, Delta, Event, Finished, Operation, Wire
from moat.domain.errors import RequestError
from moat.testing.fakes import new_call
from moat.testing.scripted import says
from tests.guards.test_engine import World, guards

pytestmark = pytest.mark.anyio


REDACT = {"use": "digits", "action": "redact", "on": ["output", "tool_arguments"]}
ONLY_REFUNDS = {"use": "tools", "action": "block", "with": {"allow": ["refund"]}}


def used(name: str) -> dict[str, Any]:
    return {"id": "c1", "index": 0, "type": "function", "function": {"name": name, "arguments": "{}"}}


def chat(raw: bytes, *, stream: bool) -> list[Event]:
    """What the adapter makes of a choice."""
    call = new_call(stream=stream)
    if not stream:
        body = b'{"choices": [' + raw + b"]}"
        return list(chat_answer(call, body, where="x"))
    reader = ChatStream(call, "x")
    read = reader.feed(b'data: {"choices": [' + raw.replace(b'"message"', b'"delta"') + b"]}\n\n")
    reader.feed(b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
    return [*([read] if read else []), reader.finish()]


def bytes_of(events: list[Event]) -> bytes:
    return b"".join(event.raw or b"" for event in events if isinstance(event, Delta))


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "choice",
    [
        b'{"index": 0, "message": {"content": "It is 1234567", "content": "It is fine"}}',
        b'{"index": 0, "message": {"content": "It is 1234567"}, "message": {"content": "It is fine"}}',
        b'{"index": 0, "message": {"content": "It is 1234567", "\\u0063ontent": "It is fine"}}',
        b'{"index": 0, "message": {"content": "It is 1234567", "content" : "Say \\"a\\": it is fine"}}',
    ],
)
async def test_a_member_that_is_named_twice_hides_nothing(choice: bytes, stream: bool) -> None:
    steps = chat(choice, stream=stream)
    assert b"1234567" in bytes_of(steps)
    events = await World(guards(REDACT), steps).events(new_call(stream=stream))
    assert b"1234567" not in bytes_of(events)
    assert "it is fine" in "".join(event.text for event in events if isinstance(event, Delta)).lower()


async def test_what_only_looks_like_a_member_leaves_the_bytes_alone() -> None:
    choice = b'{"index": 0, "message": {"content": "{\\"a\\": 1, \\"a\\": 2}"}}'
    steps = chat(choice, stream=False)
    events = await World(guards(REDACT), steps).events(new_call())
    assert bytes_of(events) == bytes_of(steps)


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("operation", ["completions", "transcription"])
async def test_nor_in_answers_that_are_handed_over_as_they_are(operation: Operation) -> None:
    said = b'{"choices": [{"index": 0, "text": "no. 1234567", "text": "fine"}], "text": "1234567", "text": "fine"}'
    world = World(guards(REDACT), [Delta(raw=said, content_type="application/json"), Finished(reason="stop")])
    call = replace(new_call(prompt="Whom?"), operation=operation)
    answer = bytes_of(await world.events(call))
    assert b"1234567" not in answer
    assert msgspec.json.decode(answer)["text"] == "fine"


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "members",
    [
        {"server_tool_calls": [used("rm")]},
        {"toolCalls": [used("rm")]},
        {"mcp": {"name": "rm"}},
        {"content": "I call server_tool_calls, as c1, function rm {}", "server_tool_calls": [used("rm")]},
    ],
)
async def test_tool_calls_that_moat_does_not_know_do_not_pass_a_guard_of_tools(
    members: dict[str, Any], stream: bool
) -> None:
    steps = chat(msgspec.json.encode({"index": 0, "message": {"content": "hello", **members}}), stream=stream)
    world = World(guards(ONLY_REFUNDS), steps)
    assert b"rm" not in bytes_of(await world.events(new_call(stream=stream))).replace(b"c1, function rm", b"")


@pytest.mark.parametrize("stream", [True, False])
async def test_members_that_hold_no_call_leave_the_bytes_alone(stream: bool) -> None:
    message = {"content": "hello", "callback": None, "recall": {"said": "yes"}, "toolUsePromptTokenCount": 7}
    steps = chat(msgspec.json.encode({"index": 0, "message": message}), stream=stream)
    events = await World(guards(ONLY_REFUNDS), steps).events(new_call(stream=stream))
    assert bytes_of(events) == bytes_of(steps)


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
async def test_nor_do_those_of_an_answer_that_nobody_asked_for(stream: bool) -> None:
    first = msgspec.json.encode({"index": 0, "message": {"content": "hello"}})
    second = msgspec.json.encode({"index": 1, "message": {"tool_calls": [used("rm")]}})
    steps = chat(first + b"," + second, stream=stream)
    world = World(guards(ONLY_REFUNDS), steps)
    assert b"rm" not in bytes_of(await world.events(new_call(stream=stream)))


async def test_nor_a_second_name_nor_a_second_candidate() -> None:
    block = b'{"type": "tool_use", "id": "t", "name": "rm", "name": "refund", "input": {}}'
    body = b'{"type": "message", "content": [' + block + b'], "stop_reason": "tool_use"}'
    call = replace(new_call(), wire="anthropic")
    steps = anthropic_whole(call, body, "", where="x")
    assert b'"rm"' not in bytes_of(await World(guards(ONLY_REFUNDS), steps).events(call))

    other = {"index": 1, "content": {"parts": [{"functionCall": {"name": "rm", "args": {}}}]}}
    said = {"index": 0, "content": {"parts": [{"text": "hello"}]}, "finishReason": "STOP"}
    call = replace(new_call(), wire="gemini")
    raw = msgspec.json.encode({"candidates": [said, other]})
    reader = Reader(replace(call, deployment=None), where="x")
    delta = reader.take(raw, raw)
    steps = [*([delta] if delta else []), reader.finish()]
    assert b'"rm"' not in bytes_of(await World(guards(ONLY_REFUNDS), steps).events(call))


async def test_what_a_guard_of_tools_allows_goes_on_in_the_providers_bytes() -> None:
    steps = chat(
        msgspec.json.encode({"index": 0, "message": {"content": "", "tool_calls": [used("refund")]}}), stream=False
    )
    world = World(guards(ONLY_REFUNDS), steps)
    assert bytes_of(await world.events(new_call())) == bytes_of(steps)


OFFERED: list[tuple[Wire, dict[str, Any], str]] = [
    ("openai", {"tools": [{"type": "web_search"}]}, "web_search"),
    (
        "openai",
        {"tools": [{"type": "mcp", "server_label": "shop", "server_url": "https://mcp.test"}]},
        "https://mcp.test",
    ),
    ("openai", {"web_search_options": {}}, "web_search"),
    ("openai", {"plugins": [{"id": "web"}]}, "web"),
    ("anthropic", {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}, "code_execution"),
    (
        "anthropic",
        {"anthropic": {"mcp_servers": [{"type": "url", "url": "https://mcp.test", "name": "shop"}]}},
        "https://mcp.test",
    ),
    ("gemini", {"tools": [{"type": "google", "google": {"codeExecution": {}}}]}, "codeExecution"),
    ("gemini", {"google": {"tools": [{"googleSearch": {}}]}}, "googleSearch"),
    ("openai", {"tools": [{"type": "web_search_preview", "name": "refund", "server_label": "refund"}]}, "web_search"),
    ("openai", {"enable_code_interpreter": True}, "code_interpreter"),
    ("openai", {"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, "shell"),
    ("anthropic", {"tools": [{"type": "bash_code_execution_20250825", "name": "bash"}]}, "bash_code_execution"),
    ("openai", {"data_sources": [{"type": "azure_search", "parameters": {}}]}, "azure_search"),
    ("openai", {"tools": {"type": "web_search"}}, "web_search"),
    ("openai", {"tools": [{"google_search": {}, "name": "refund"}]}, "google_search"),
    ("openai", {"tools": [{"google_search": {}, "function": {"name": "refund"}}]}, "google_search"),
    ("gemini", {"tools": [{"type": "google", "google": {"googleSearch": {}, "name": "refund"}}]}, "googleSearch"),
    ("openai", {"tools": [{"google_search": {}, "google": {}}]}, "google_search"),
    ("openai", {"tools": [{"type": "web_search", "google": {}}]}, "web_search"),
]


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize(("wire", "params", "name"), OFFERED)
async def test_tools_that_a_provider_runs_itself_have_to_be_allowed_by_name(
    wire: Wire, params: dict[str, Any], name: str
) -> None:
    def rule(action: str, **options: Any) -> World:
        return World(guards({"use": "tools", "action": action, "with": options}), says("done"))

    def call() -> Call:
        return replace(new_call(**params), wire=wire)

    for options in ({"allow": ["refund"]}, {"deny": [name]}, {"allow": ["*"], "approve": [name]}):
        world = rule("block", **options)
        with pytest.raises(RequestError, match=f"the tool '{name}' is run by the provider"):
            await world.events(call())
        assert world.provider.calls == []
    assert (await rule("block", allow=["refund", name]).answer(call())).text == "done"
    assert (await rule("flag", allow=["refund"]).answer(call())).text == "done"


@pytest.mark.parametrize(
    "params",
    [
        {"tools": [{"type": "bash_20250124", "name": "bash"}]},
        {"tools": [{"type": "function", "function": {"name": "web_search"}}]},
        {"tools": [{"type": "apply_patch"}, {"type": "shell"}, {"type": "shell", "environment": {"type": "local"}}]},
        {"tools": [{"name": "weather", "description": "of a town", "input_schema": {"type": "object"}}]},
        {"tools": [{"function": {"name": "weather"}}]},
        {"tools": [{"name": "weather", "strict": True, "parameters": {}, "allowed_callers": ["direct"]}]},
        {"anthropic": {"tools": [{"name": "weather", "input_schema": {"type": "object"}}]}},
        {"google": {"tools": [{"functionDeclarations": [{"name": "weather"}]}]}},
        {"search_parameters": {"mode": "off"}},
        {"enable_search": 0},
        {"web_search_options": None},
    ],
)
async def test_what_the_client_runs_is_asked_about_when_it_is_called(params: dict[str, Any]) -> None:
    assert (await World(guards(ONLY_REFUNDS), says("done")).answer(new_call(**params))).text == "done"


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_redacted_in_an_answer_is_not_brought_back_by_its_placeholder(stream: bool) -> None:
    rule = {"use": "digits", "action": "redact", "on": ["input", "output"]}
    said = "Yours is <NUMBER_1>. Another is 7654321, which is <NUMBER_2>."
    answer = await World(guards(rule), says(said)).answer(new_call("I am 1234567", stream=stream))
    assert answer.text == "Yours is 1234567. Another is <NUMBER_2>, which is <NUMBER_2>."
