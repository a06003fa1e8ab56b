"""What official SDKs make of a guard's work, in each client format: other answers, errors, tools, thinking."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace as with_fields
from typing import Any, NamedTuple

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as google_errors
from google.genai.types import HttpOptions

from moat.domain.calls import Delta, Finished, ToolCallDelta
from moat.pipeline.ports import Ports
from moat.testing.scripted import ScriptedProvider
from tests.guards.test_clients import EMAIL, QUESTION, SECRET, gateway
from tests.guards.test_engine import guards

Stream = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


class Told(NamedTuple):
    """What a client was told, in its own words."""

    text: str = ""
    reason: str = ""
    thinking: str = ""
    arguments: Any = None


def chat(url: str, stream: bool, retries: int = 0, **asked: Any) -> Told:
    asked = {"model": "assistant", "messages": [{"role": "user", "content": QUESTION}], **asked}
    with openai.OpenAI(base_url=f"{url}/v1", api_key=SECRET, max_retries=retries) as client:
        if not stream:
            choice = client.chat.completions.create(**asked).choices[0]
            calls = choice.message.tool_calls
            thinking = getattr(choice.message, "reasoning_content", "")
            given = json.loads(calls[0].function.arguments) if calls else None
            return Told(choice.message.content or "", choice.finish_reason, thinking, given)
        text = reason = thinking = arguments = ""
        for chunk in client.chat.completions.create(**asked, stream=True):
            for each in chunk.choices:
                text += each.delta.content or ""
                thinking += getattr(each.delta, "reasoning_content", None) or ""
                reason = each.finish_reason or reason
                for call in each.delta.tool_calls or ():
                    arguments += (call.function and call.function.arguments) or ""
        return Told(text, reason, thinking, json.loads(arguments) if arguments else None)


def responses(url: str, stream: bool, retries: int = 0, **asked: Any) -> Told:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=SECRET, max_retries=retries) as client:
        if stream:
            said, final = "", None
            for event in client.responses.create(model="assistant", input=QUESTION, stream=True, **asked):
                said += event.delta if event.type == "response.output_text.delta" else ""
                if event.type in ("response.completed", "response.incomplete"):
                    final = event.response
                elif event.type in ("error", "response.failed"):  # the SDK leaves that to the application
                    raise RuntimeError(event.model_dump_json())
            assert final is not None
            assert said == final.output_text
        else:
            final = client.responses.create(model="assistant", input=QUESTION, **asked)
    reason = final.incomplete_details.reason if final.incomplete_details else final.status
    calls = [item for item in final.output if item.type == "function_call"]
    thoughts = [part.text for item in final.output if item.type == "reasoning" for part in item.summary]
    given = json.loads(calls[0].arguments) if calls else None
    return Told(final.output_text, reason or "", "".join(thoughts), given)


def claude(url: str, stream: bool, retries: int = 0, **asked: Any) -> Told:
    asked = {"model": "assistant", "max_tokens": 99, "messages": [{"role": "user", "content": QUESTION}], **asked}
    with anthropic.Anthropic(base_url=url, api_key=SECRET, max_retries=retries) as client:
        if stream:
            with client.messages.stream(**asked) as events:
                message = events.get_final_message()
        else:
            message = client.messages.create(**asked)
    text = "".join(block.text for block in message.content if block.type == "text")
    thinking = "".join(block.thinking for block in message.content if block.type == "thinking")
    calls = [block.input for block in message.content if block.type == "tool_use"]
    return Told(text, message.stop_reason or "", thinking, calls[0] if calls else None)


def gemini(url: str, stream: bool, retries: int = 0, **asked: Any) -> Told:
    client = genai.Client(api_key=SECRET, http_options=HttpOptions(base_url=url))
    try:
        if stream:
            answers = list(client.models.generate_content_stream(model="assistant", contents=QUESTION, **asked))
        else:
            answers = [client.models.generate_content(model="assistant", contents=QUESTION, **asked)]
    finally:
        client.close()
    candidates = [each for answer in answers for each in answer.candidates or ()]
    parts = [part for each in candidates for part in (each.content and each.content.parts) or ()]
    text = "".join(part.text or "" for part in parts if not part.thought)
    thinking = "".join(part.text or "" for part in parts if part.thought)
    calls = [part.function_call.args for part in parts if part.function_call]
    reasons = [each.finish_reason.value for each in candidates if each.finish_reason]
    return Told(text, reasons[-1] if reasons else "", thinking, calls[0] if calls else None)


FILTERED: dict[Callable[..., Told], str] = {
    chat: "content_filter",
    responses: "content_filter",
    claude: "refusal",
    gemini: "SAFETY",
}
EveryClient = pytest.mark.parametrize("ask", list(FILTERED))


@contextmanager
def guarded(rule: dict[str, Any], *script: Any) -> Iterator[tuple[str, ScriptedProvider]]:
    def change(ports: Ports) -> Ports:
        return with_fields(ports, guards=guards(rule))

    with gateway(change, *script) as world:
        yield world


REDACT = {"use": "pii", "action": "redact", "on": ["input"]}


@pytest.mark.promise("guard-1")
@Stream
@EveryClient
def test_a_fixed_answer_looks_as_one_that_was_filtered(ask: Any, stream: bool) -> None:
    for rule in (
        {"use": "pii", "on": ["input"], "action": "fallback", "fallback": {"answer": "Ask a person."}},
        {"use": "swears", "on": ["output"], "action": "fallback", "fallback": {"answer": "Ask a person."}},
    ):
        with guarded(rule, "well, darn it") as (url, provider):
            told = ask(url, stream)
            assert told.text == "Ask a person."
            assert told.reason == FILTERED[ask]
            assert len(provider.calls) == ("output" in rule["on"])


@pytest.mark.promise("guard-1")
@Stream
@EveryClient
def test_a_model_is_asked_again_and_the_client_hears_the_better_answer_alone(ask: Any, stream: bool) -> None:
    rule = {"use": "swears", "on": ["output"], "action": "retry"}
    with guarded(rule, "well, darn it", "well, all right") as (url, provider):
        assert ask(url, stream).text == "well, all right"
        assert "it swears" in provider.calls[1].messages[-1]["content"]


@pytest.mark.promise("guard-1")
@Stream
@EveryClient
def test_thinking_and_arguments_have_their_values_back(ask: Any, stream: bool) -> None:
    call = ToolCallDelta(id="call_1", name="send", arguments='{"to": "<EMAIL_1>"}')
    steps = [
        Delta(reasoning="They want "),
        Delta(reasoning="<EMAIL_1> to be told."),
        Delta(text="So "),
        Delta(tool_calls=(call,)),
        Finished(reason="tool_calls"),
    ]
    with guarded(REDACT, steps) as (url, _):
        told = ask(url, stream)
    assert told.arguments == {"to": EMAIL}
    assert told.text == "So "
    assert told.thinking in (f"They want {EMAIL} to be told.", ""), "not every format shows it"
    assert "EMAIL_1" not in str(told)


@Stream
@EveryClient
def test_arguments_under_guard_stay_json(ask: Any, stream: bool) -> None:
    piece = '{"to": ["ken.thompson@example.org", 7], "n": {"a": "dennis.ritchie@example.org"}}'
    cut = [
        ToolCallDelta(id="call_1" if not at else "", name="send" if not at else "", arguments=piece[at : at + 5])
        for at in range(0, len(piece), 5)
    ]
    steps = [*(Delta(tool_calls=(each,)) for each in cut), Finished(reason="tool_calls")]
    with guarded({"use": "pii", "action": "redact", "on": ["tool_arguments"]}, steps) as (url, _):
        assert ask(url, stream).arguments == {"to": ["<EMAIL_1>", 7], "n": {"a": "<EMAIL_2>"}}


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (chat, openai.BadRequestError),
        (responses, openai.BadRequestError),
        (claude, anthropic.BadRequestError),
        (gemini, google_errors.ClientError),
    ],
)
def test_no_client_sends_a_blocked_question_again(ask: Any, error: Any, stream: bool) -> None:
    answers = {"use": "swears", "action": "block", "on": ["output"]}
    with guarded(answers, "darn") as (url, provider):
        if stream:
            with pytest.raises(Exception, match="found swearing in the output"):
                ask(url, stream, retries=2)
        else:
            with pytest.raises(error, match="found swearing in the output"):
                ask(url, stream, retries=2)
        assert len(provider.calls) == 1


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize(
    ("ask", "error"),
    [(chat, openai.APIError), (responses, RuntimeError), (claude, anthropic.APIError), (gemini, Exception)],
)
def test_a_stream_that_is_stopped_says_how_much_was_sent(ask: Any, error: Any) -> None:
    steps = [*(Delta(text="It is fine. ") for _ in range(100)), Delta(text="darn it"), Finished(reason="stop")]
    with guarded({"use": "swears", "action": "block", "on": ["output"]}, steps) as (url, _):
        with pytest.raises(
            error, match=r"found swearing in the output; 1\d\d\d characters of the answer had been sent"
        ):
            ask(url, True)


@Stream
def test_structured_answers_stay_json_when_values_with_quotes_and_lines_come_back(stream: bool) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    value = 'Ada "Countess"\nLovelace'
    messages = [{"role": "user", "content": f"Write to {value} ."}]
    with guarded({**REDACT, "use": "nicknames"}, '{"to": "<NAME_1>"}') as (url, _):
        told = chat(url, stream, messages=messages, response_format=wanted)
        assert json.loads(told.text) == {"to": value}
        assert chat(url, stream, messages=messages).text == f'{{"to": "{value}"}}', "any other text has it as it was"


@pytest.mark.promise("guard-1")
@Stream
def test_an_idempotency_key_gets_the_same_guarded_answer(stream: bool) -> None:
    with guarded(REDACT, "It is <EMAIL_1>.", "another") as (url, provider):
        headers = {"idempotency-key": "k1"}
        told = [chat(url, stream, extra_headers=headers) for _ in range(2)]
        assert {each.text for each in told} == {f"It is {EMAIL}."}
        assert len(provider.calls) == 1
    rule = {"use": "swears", "action": "block", "on": ["output"]}
    with guarded(rule, "darn", "fine") as (url, provider):
        with pytest.raises(openai.APIError, match="found swearing"):
            chat(url, stream, extra_headers=headers)
        assert chat(url, stream, extra_headers=headers).text == "fine", "what was blocked is not kept under the key"
