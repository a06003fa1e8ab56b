"""The official OpenAI SDK's responses against the gateway, over a server that knows only chat completions."""

import openai
import pytest
from pydantic import BaseModel

from moat.domain.calls import Delta, Finished, ToolCallDelta
from moat.domain.errors import ProviderOverloaded, StreamCut
from moat.domain.releases import MessageTemplate, PromptVersion, Release, Variable, prompt_digest
from moat.domain.usage import Usage
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import SECRET, Over, Start
from tests.gateway.openai_peer import OpenAIPeer, chat, chat_stream

LOOK_UP = {
    "type": "function",
    "name": "look_up",
    "description": "Find an order",
    "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
    "strict": True,
}


class Weather(BaseModel):
    """What a structured answer holds."""

    city: str
    degrees: int


def test_text_in_and_text_out(over: Over) -> None:
    peer = OpenAIPeer(chat__completions=chat("Good day"))
    gateway = over(peer)

    answer = gateway.client().responses.create(
        model="assistant",
        input="Hello",
        instructions="Be polite",
        max_output_tokens=50,
        temperature=0.5,
        metadata={"order": "7"},
        user="ada",
        store=False,
    )

    assert answer.output_text == "Good day"
    assert (answer.status, answer.model, answer.error, answer.incomplete_details) == (
        "completed",
        "gpt-peer-2026",
        None,
        None,
    )
    assert (answer.metadata, answer.max_output_tokens, answer.temperature) == ({"order": "7"}, 50, 0.5)
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (19, 10, 29)
    assert (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens) == (4, 3)
    asked = peer.asked[0].json
    assert asked["messages"] == [
        {"role": "system", "content": "Be polite"},
        {"role": "user", "content": "Hello"},
    ]
    assert (asked["model"], asked["max_completion_tokens"], asked["temperature"]) == ("large", 50, 0.5)
    assert not asked.keys() & {"input", "instructions", "max_output_tokens", "store", "metadata"}
    assert gateway.spool.calls[0].user == "ada"


def test_a_stream_has_every_typed_event_in_order(over: Over) -> None:
    peer = OpenAIPeer(
        chat__completions=chat_stream(
            {"role": "assistant", "content": ""},
            {"reasoning_content": "Let me "},
            {"reasoning_content": "see."},
            {"content": "Good "},
            {"content": "day"},
        )
    )
    gateway = over(peer)

    came = list(gateway.client().responses.create(model="assistant", input="Hello", stream=True))

    kinds = [event.type.removeprefix("response.") for event in came]
    once = [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]
    assert once == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in came] == list(range(len(came)))
    final = came[-1].response
    assert (final.output_text, final.output[0].summary[0].text) == ("Good day", "Let me see.")
    assert final.usage.output_tokens == 10
    assert gateway.spool.calls[0].output["text"] == "Good day"


def test_the_sdks_own_accumulation_agrees(over: Over) -> None:
    peer = OpenAIPeer(
        chat__completions=chat_stream(
            {"content": "One moment"},
            {"tool_calls": [{"index": 0, "id": "call_a", "function": {"name": "look_up", "arguments": '{"id"'}}]},
            {"tool_calls": [{"index": 1, "id": "call_b", "function": {"name": "look_up", "arguments": ""}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": ": 7}"}}]},
            {"tool_calls": [{"index": 1, "function": {"arguments": '{"id": 8}'}}]},
            reason="tool_calls",
        )
    )
    client = over(peer).client()

    with client.responses.stream(model="assistant", input="Where are 7 and 8?", tools=[LOOK_UP]) as stream:
        deltas = [event for event in stream if event.type == "response.function_call_arguments.delta"]
        final = stream.get_final_response()

    assert [delta.snapshot for delta in deltas if delta.output_index == 1] == ['{"id"', '{"id": 7}']
    assert final.output_text == "One moment"
    calls = [item for item in final.output if item.type == "function_call"]
    assert [(call.call_id, call.name, call.arguments) for call in calls] == [
        ("call_a", "look_up", '{"id": 7}'),
        ("call_b", "look_up", '{"id": 8}'),
    ]


def test_a_conversation_with_tools_goes_round(over: Over) -> None:
    call = {"id": "call_a", "type": "function", "function": {"name": "look_up", "arguments": '{"id": 7}'}}
    peer = OpenAIPeer(chat__completions=[chat(None, "tool_calls", tool_calls=[call]), chat("It is on its way")])
    client = over(peer).client()
    conversation: list[object] = [{"role": "user", "content": "Where is 7?"}]

    first = client.responses.create(
        model="assistant", input=conversation, tools=[LOOK_UP], tool_choice="required", parallel_tool_calls=False
    )
    conversation += [item.to_dict() for item in first.output]
    conversation.append({"type": "function_call_output", "call_id": "call_a", "output": "in Zurich"})
    second = client.responses.create(model="assistant", input=conversation, tools=[LOOK_UP])

    assert second.output_text == "It is on its way"
    assert first.tools[0].name == "look_up"
    assert (first.tool_choice, first.parallel_tool_calls) == ("required", False)
    asked = peer.asked[0].json
    function = {name: LOOK_UP[name] for name in ("name", "description", "parameters", "strict")}
    assert asked["tools"] == [{"type": "function", "function": function}]
    assert (asked["tool_choice"], asked["parallel_tool_calls"]) == ("required", False)
    assert peer.asked[1].json["messages"] == [
        {"role": "user", "content": "Where is 7?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_a", "content": "in Zurich"},
    ]


def test_structured_answers_are_parsed(over: Over) -> None:
    peer = OpenAIPeer(chat__completions=chat('{"city": "Bern", "degrees": 21}'))

    answer = over(peer).client().responses.parse(model="assistant", input="Weather?", text_format=Weather)

    assert answer.output_parsed == Weather(city="Bern", degrees=21)
    format = peer.asked[0].json["response_format"]
    assert (format["type"], format["json_schema"]["name"], format["json_schema"]["strict"]) == (
        "json_schema",
        "Weather",
        True,
    )
    assert answer.text.format.type == "json_schema"


def test_images_and_files_reach_the_model(over: Over) -> None:
    peer = OpenAIPeer(chat__completions=chat())
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
    ]

    over(peer).client().responses.create(model="assistant", input=[{"role": "user", "content": content}])

    assert peer.asked[0].json["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
    ]


@pytest.mark.parametrize(("reason", "said"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_ends_early_is_incomplete(start: Start, reason: str, said: str) -> None:
    steps = [Delta(text="Good"), Finished(reason=reason, usage=Usage(input=1, output=1))]
    client = start(ScriptedProvider(steps)).client()

    whole = client.responses.create(model="assistant", input="Hello")
    streamed = list(client.responses.create(model="assistant", input="Hello", stream=True))

    assert (whole.status, whole.incomplete_details.reason, whole.output_text) == ("incomplete", said, "Good")
    assert (streamed[-1].type, streamed[-1].response.output[0].status) == ("response.incomplete", "incomplete")


def test_a_stream_that_breaks_off_fails_and_never_completes(start: Start) -> None:
    cut = StreamCut("ended the stream without its end mark", where="provider fake")
    call = Delta(tool_calls=(ToolCallDelta(index=0, name="look_up", arguments='{"id"'),))
    client = start(ScriptedProvider([Delta(text="Good"), call, cut])).client()

    came = list(client.responses.create(model="assistant", input="Hello", stream=True))

    assert came[-1].type == "response.failed"
    failed = came[-1].response
    assert (failed.status, failed.error.code) == ("failed", "server_error")
    assert "end mark" in failed.error.message
    assert [item.status for item in failed.output] == ["incomplete", "incomplete"] or failed.output[0].status
    assert "response.completed" not in [event.type for event in came]


def test_thinking_survives_a_turn(start: Start) -> None:
    """Signatures and hidden thoughts come back to the provider as they were."""
    call = ToolCallDelta(index=0, id="call_a", name="look_up", arguments="{}", signature="tick")
    steps = [
        Delta(reasoning="Hmm."),
        Delta(signature="sealed"),
        Delta(redacted="dark"),
        Delta(text="Wait"),
        Delta(tool_calls=(call,)),
        Finished(reason="tool_calls", usage=Usage(input=1, output=1)),
    ]
    provider = ScriptedProvider(steps)
    client = start(provider).client()

    for stream in (False, True):
        answer = client.responses.create(model="assistant", input="Hello", stream=stream)
        final = list(answer)[-1].response if stream else answer
        items = [item.to_dict() for item in final.output]
        client.responses.create(model="assistant", input=[{"role": "user", "content": "Hello"}, *items])

        turn = provider.calls[-1].messages[1]
        assert turn == {
            "role": "assistant",
            "content": "Wait",
            "reasoning_content": "Hmm.",
            "thinking_blocks": [
                {"type": "thinking", "thinking": "Hmm.", "signature": "sealed"},
                {"type": "redacted_thinking", "data": "dark"},
            ],
            "tool_calls": [
                {
                    "id": "call_a",
                    "type": "function",
                    "function": {"name": "look_up", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "tick"}},
                }
            ],
        }


def test_a_prompt_is_named_as_openai_does_it(start: Start) -> None:
    greeting = PromptVersion(
        name="team/greeting",
        version="1.2.0",
        messages=(MessageTemplate("user", "Greet {{ name }}"),),
        model="assistant",
        variables={"name": Variable()},
    )
    release = Release(id="rel_0123456789abcdef", content=greeting, prompt_digest=prompt_digest(greeting))
    provider = ScriptedProvider("Hello Ada")
    gateway = start(provider, greeting, released={("team/greeting", "production"): release})
    client = gateway.client()

    named = {"id": "team/greeting", "variables": {"name": {"type": "input_text", "text": "Ada"}}}
    raw = client.responses.with_raw_response.create(prompt=named)
    client.responses.create(model="prompt:team/greeting@production", input="Ada")

    assert raw.parse().output_text == "Hello Ada"
    assert raw.headers["x-moat-release"] == release.id
    assert [call.messages for call in provider.calls] == [[{"role": "user", "content": "Greet Ada"}]] * 2


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": ["web_search"]}, "tools[0].type"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        ({"text": "json"}, "text"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"instructions": ["a"]}, "instructions"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": ["a"]}, "input[0]"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ({"input": [{"type": ["message"]}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].file_data"),
        ({"input": [{"role": "user", "content": ["a"]}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0].input_audio"),
        ({"prompt": {"id": "a"}, "input": "b", "include": "all"}, "include"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"model": ""}, "model"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "a"}]}, "input[0].output"),
        (
            {"input": [{"type": "reasoning", "summary": [], "encrypted_content": "moat.!"}]},
            "input[0].encrypted_content",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(options: dict[str, object], parameter: str) -> None:
    from moat.domain.errors import RequestError
    from moat.gateway.formats.responses import parse_response

    body = openai._utils._json.openapi_dumps({"model": "assistant", "input": "Hello", **options})

    with pytest.raises(RequestError) as caught:
        parse_response(body)

    assert caught.value.where == parameter


def test_errors_are_the_sdks_classes(start: Start) -> None:
    busy = ProviderOverloaded("slow down", where="provider fake", retry_after=1)
    client = start(ScriptedProvider(busy)).client()

    with pytest.raises(openai.RateLimitError) as caught:
        client.responses.create(model="assistant", input="Hello", stream=True)
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="assistant", input="Hello", previous_response_id="resp_1")
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="nobody", input="Hello")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="mk-wrong").responses.create(model="assistant", input="Hello")

    assert caught.value.response.headers["retry-after"] == "1"
    assert refused.value.param == "previous_response_id"
    assert "whole conversation" in refused.value.message


@pytest.mark.anyio
async def test_the_asynchronous_client_does_it_too(over: Over) -> None:
    peer = OpenAIPeer(chat__completions=[chat("Good day"), chat_stream({"content": "Good "}, {"content": "day"})])
    gateway = over(peer)

    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=SECRET, max_retries=0) as client:
        whole = await client.responses.create(model="assistant", input="Hello")
        async with client.responses.stream(model="assistant", input="Hello") as stream:
            final = await stream.get_final_response()

    assert (whole.output_text, final.output_text) == ("Good day", "Good day")
