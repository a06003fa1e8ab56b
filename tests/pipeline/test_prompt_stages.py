"""Resolve, render, route."""

import pytest
from msgspec.structs import replace

from moat.domain.calls import Caller
from moat.domain.errors import AccessError, NotFound, PromptError
from moat.domain.releases import MessageTemplate, PromptRef, PromptVersion, Variable
from moat.pipeline.recipe import build
from moat.testing.fakes import fake_ports, new_call
from moat.testing.scripted import ScriptedProvider
from tests.pipeline.test_compose import drain

ANSWER = PromptVersion(
    name="answer",
    version="1.0.0",
    messages=(MessageTemplate("system", "Be brief."), MessageTemplate("user", "{{ question }}")),
    model="assistant",
    variables={"question": Variable()},
    params={"temperature": 0.1, "max_tokens": 50},
    output={"type": "object"},
    tool_definitions=({"type": "function", "function": {"name": "look_up"}},),
)


async def asked(**changes: object) -> list[dict[str, object]]:
    provider = ScriptedProvider("ok")
    call = replace(new_call(), model="", messages=[], **changes)
    await drain(build(fake_ports(provider, ANSWER))(call))
    sent = provider.calls[0]
    assert sent.model == "assistant"
    return [*sent.messages, sent.params]


@pytest.mark.anyio
async def test_the_prompt_brings_messages_params_tools_and_schema() -> None:
    ref = PromptRef(name="answer", version="1.0.0", variables={"question": "Why?"})

    system, user, params = await asked(prompt=ref)

    assert (system["content"], user["content"]) == ("Be brief.", "Why?")
    assert params["temperature"] == 0.1
    assert params["tools"] == [{"type": "function", "function": {"name": "look_up"}}]
    assert params["response_format"]["json_schema"]["schema"] == {"type": "object"}  # type: ignore[index]


@pytest.mark.anyio
async def test_what_the_caller_says_comes_before_the_prompt() -> None:
    ref = PromptRef(name="answer", version="1.0.0", variables={"question": "Why?"})

    *_, params = await asked(prompt=ref, params={"temperature": 0.9, "response_format": {"type": "text"}})

    assert (params["temperature"], params["max_tokens"]) == (0.9, 50)
    assert params["response_format"] == {"type": "text"}


@pytest.mark.anyio
async def test_the_callers_messages_follow_the_prompts() -> None:
    provider = ScriptedProvider("ok")
    ref = PromptRef(name="answer", version="1.0.0", variables={"question": "Why?"})

    await drain(build(fake_ports(provider, ANSWER))(replace(new_call("And how?"), prompt=ref)))

    assert [m["content"] for m in provider.calls[0].messages] == ["Be brief.", "Why?", "And how?"]


@pytest.mark.anyio
async def test_a_prompt_named_as_a_model_takes_the_last_user_message_as_its_variable() -> None:
    provider = ScriptedProvider("ok")
    ref = PromptRef(name="answer", version="1.0.0", from_messages=True)
    history = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi!"},
        {"role": "user", "content": "Why?"},
    ]

    await drain(build(fake_ports(provider, ANSWER))(replace(new_call(), prompt=ref, messages=history)))

    assert [m["content"] for m in provider.calls[0].messages] == ["Be brief.", "Hello", "Hi!", "Why?"]


@pytest.mark.anyio
async def test_a_prompt_named_as_a_model_without_a_user_message_says_what_is_missing() -> None:
    ref = PromptRef(name="answer", version="1.0.0", from_messages=True)

    with pytest.raises(PromptError, match="question"):
        await drain(build(fake_ports(ScriptedProvider(), ANSWER))(replace(new_call(), prompt=ref, messages=[])))


@pytest.mark.anyio
async def test_an_unknown_alias_names_the_known_ones() -> None:
    with pytest.raises(NotFound, match=r"assistent.*assistant"):
        await drain(build(fake_ports(ScriptedProvider()))(new_call(model="assistent")))


@pytest.mark.anyio
async def test_a_key_bound_to_models_cannot_use_others_even_through_a_prompt() -> None:
    provider = ScriptedProvider("never")
    ref = PromptRef(name="answer", version="1.0.0", variables={"question": "Why?"})
    call = replace(new_call(), model="", prompt=ref, caller=Caller(models=("cheap",)))

    with pytest.raises(AccessError, match="cheap"):
        await drain(build(fake_ports(provider, ANSWER))(call))

    assert provider.calls == []


@pytest.mark.anyio
async def test_a_key_bound_to_models_cannot_let_the_server_choose_another() -> None:
    provider = ScriptedProvider("never")
    call = replace(new_call(models=["dear"]), caller=Caller(models=("assistant",)))

    with pytest.raises(AccessError, match="could choose another"):
        await drain(build(fake_ports(provider))(call))

    assert provider.calls == []
