"""Official SDKs against a gateway under guard: values come back, and blocks look as each client expects errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace as with_fields
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from google import genai
from google.genai import errors as google_errors
from google.genai.types import HttpOptions

from moat.domain.calls import Delta, Finished, ToolCallDelta
from moat.domain.handling import DataConfig
from moat.domain.keys import Key, hash_secret
from moat.gateway.admission import KeyRing
from moat.gateway.app import Gateway
from moat.gateway.serving import Live, Serving
from moat.guards.handling.calls import DataPolicy
from moat.guards.handling.finding import Finder
from moat.pipeline.counting import build_counter
from moat.pipeline.ports import Ports
from moat.pipeline.recipe import build
from moat.testing.fakes import FakeClock, FixedModels, FixedPrompts, ListSpool, fake_ports
from moat.testing.loopback import on_loopback
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import no_management
from tests.guards.test_engine import guards

SECRET = "mk-test"
EMAIL = "ada.lovelace@example.org"
QUESTION = f"Write to {EMAIL} please."


def by_guard(ports: Ports) -> Ports:
    return with_fields(ports, guards=guards({"use": "pii", "action": "redact", "on": ["input"]}))


def by_class(ports: Ports) -> Ports:
    config = msgspec.convert({"rules": [{"class": "personal", "action": "redact"}]}, DataConfig)
    return with_fields(ports, handling=DataPolicy(config, Finder([]), ["fake"]))


def blocking(ports: Ports) -> Ports:
    return with_fields(ports, guards=guards({"use": "pii", "action": "block"}))


@contextmanager
def gateway(change: Callable[[Ports], Ports], *script: Any) -> Iterator[tuple[str, ScriptedProvider]]:
    """Its URL, and the provider behind it."""
    provider, spool = ScriptedProvider(*script), ListSpool()
    models = FixedModels({"assistant": ["fake/large"]}, {"fake": provider})
    ports = change(with_fields(fake_ports(provider, spool=spool), models=models, prompts=FixedPrompts()))
    ring = KeyRing([Key(id="key_1", hash=hash_secret(SECRET))], FakeClock())
    live = Live(Serving(build(ports), ring, ports.prompts, ("assistant",), (), count=build_counter(ports)))
    with on_loopback(Gateway(live, spool, max_body=2**20, management=no_management)) as url:
        yield url, provider


def pieces(text: str = "I wrote to <EMAIL_1>, as you said.") -> list[Any]:
    return [*(Delta(text=text[at : at + 3]) for at in range(0, len(text), 3)), Finished(reason="stop")]


def chat(url: str, stream: bool) -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=SECRET, max_retries=0) as client:
        asked: Any = {"model": "assistant", "messages": [{"role": "user", "content": QUESTION}]}
        if not stream:
            return client.chat.completions.create(**asked).choices[0].message.content or ""
        chunks = client.chat.completions.create(**asked, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def responses(url: str, stream: bool) -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=SECRET, max_retries=0) as client:
        if not stream:
            return client.responses.create(model="assistant", input=QUESTION).output_text
        said = ""
        for event in client.responses.create(model="assistant", input=QUESTION, stream=True):
            if event.type == "response.output_text.delta":
                said += event.delta
            elif event.type in ("error", "response.failed"):  # the SDK leaves that to the application
                raise RuntimeError(event.model_dump_json())
        return said


def claude(url: str, stream: bool) -> str:
    with anthropic.Anthropic(base_url=url, api_key=SECRET, max_retries=0) as client:
        asked: Any = {"model": "assistant", "max_tokens": 99, "messages": [{"role": "user", "content": QUESTION}]}
        if not stream:
            return "".join(block.text for block in client.messages.create(**asked).content if block.type == "text")
        with client.messages.stream(**asked) as events:
            return "".join(events.text_stream)


def gemini(url: str, stream: bool) -> str:
    client = genai.Client(api_key=SECRET, http_options=HttpOptions(base_url=url))
    try:
        if not stream:
            return client.models.generate_content(model="assistant", contents=QUESTION).text or ""
        chunks = client.models.generate_content_stream(model="assistant", contents=QUESTION)
        return "".join(chunk.text or "" for chunk in chunks)
    finally:
        client.close()


CLIENTS = [chat, responses, claude, gemini]


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("ask", CLIENTS)
@pytest.mark.parametrize("policy", [by_guard, by_class])
def test_a_value_that_was_redacted_comes_back_to_every_client(policy: Any, ask: Any, stream: bool) -> None:
    with gateway(policy, pieces()) as (url, provider):
        assert ask(url, stream) == f"I wrote to {EMAIL}, as you said."
        assert EMAIL not in msgspec.json.encode([provider.calls[0].messages, provider.calls[0].params]).decode()


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
def test_a_question_that_is_blocked_is_the_clients_own_kind_of_error(ask: Any, error: Any, stream: bool) -> None:
    with gateway(blocking, pieces("never")) as (url, provider):
        with pytest.raises(error, match="found email in the input") as caught:
            ask(url, stream)
        assert EMAIL not in str(caught.value)
        assert provider.calls == []


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("ask", CLIENTS)
def test_an_answer_that_is_blocked_in_a_stream_ends_it_with_an_error(ask: Any) -> None:
    def outward(ports: Ports) -> Ports:
        return with_fields(ports, guards=guards({"use": "pii", "action": "block", "on": ["output"]}))

    long = pieces("It is fine. " * 200 + "Ask ken.thompson@example.org there. " + "So it is. " * 200)
    with gateway(outward, long) as (url, _), pytest.raises(Exception, match="guard 'pii' found email in the output"):
        ask(url, True)


@pytest.mark.parametrize("policy", [by_guard, by_class])
def test_several_answers_to_what_was_redacted_are_refused(policy: Any) -> None:
    with gateway(policy, pieces()) as (url, provider):
        with openai.OpenAI(base_url=f"{url}/v1", api_key=SECRET, max_retries=0) as client:
            messages: Any = [{"role": "user", "content": QUESTION}]
            with pytest.raises(openai.BadRequestError, match="one at a time"):
                client.chat.completions.create(model="assistant", n=2, messages=messages)
        assert provider.calls == []


def test_data_that_may_go_nowhere_is_a_403() -> None:
    def refusing(ports: Ports) -> Ports:
        config = msgspec.convert({"rules": [{"class": "personal", "action": "refuse"}]}, DataConfig)
        return with_fields(ports, handling=DataPolicy(config, Finder([]), ["fake"]))

    with gateway(refusing, pieces()) as (url, provider):
        with pytest.raises(openai.PermissionDeniedError, match="data of the class personal may not go to fake"):
            chat(url, False)
        with pytest.raises(anthropic.PermissionDeniedError):
            claude(url, False)
        assert provider.calls == []


def test_arguments_of_a_tool_have_their_values_back() -> None:
    call = ToolCallDelta(id="c1", name="send", arguments='{"to": "<EMAIL_1>"}')
    with gateway(by_class, [Delta(tool_calls=(call,)), Finished(reason="tool_calls")]) as (url, _):
        with openai.OpenAI(base_url=f"{url}/v1", api_key=SECRET, max_retries=0) as client:
            messages: Any = [{"role": "user", "content": QUESTION}]
            made = client.chat.completions.create(model="assistant", messages=messages).choices[0].message.tool_calls
        assert made is not None
        assert made[0].function.arguments == f'{{"to": "{EMAIL}"}}'  # type: ignore[union-attr]
