"""By which name a server is told the longest answer, and what else servers of one's own take."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.adapters.providers.azure import KIND
from moat.adapters.providers.openai import OpenAIConfig
from moat.adapters.providers.openai_presets import PRESETS, chat_body
from moat.domain.calls import Deployment
from moat.domain.errors import ConfigError
from moat.ports.kinds import Surroundings
from moat.testing.fakes import new_call
from tests.providers.peer import answering, peer, whole

COMPLETION = msgspec.json.encode({"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})


def test_openai_knows_the_new_name_alone() -> None:
    body = chat_body(new_call(max_tokens=5), "o3", PRESETS["openai"])
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body


@pytest.mark.parametrize("url", ["", "https://api.openai.com/v1", "https://api.openai.com/v1/"])
def test_openais_address_is_openais_preset(url: str) -> None:
    assert OpenAIConfig(base_url=url).preset == "openai"


def test_other_addresses_and_presets_stay_what_they_are() -> None:
    assert OpenAIConfig(base_url="https://other.example/v1").preset == ""
    assert OpenAIConfig(base_url="https://api.openai.com/v1", preset="vllm").preset == "vllm"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("", "max_completion_tokens"),
        ("preview", "max_completion_tokens"),
        ("2025-04-01-preview", "max_completion_tokens"),
        ("2024-10-21", "max_tokens"),
        ("2023-05-15", "max_tokens"),
    ],
)
async def test_an_older_version_of_azure_keeps_the_older_name(version: str, name: str) -> None:
    def no_other(other: str) -> Any:
        raise ConfigError(other)

    async with peer(answering(whole(COMPLETION, b"content-type: application/json"))) as server:
        config = KIND.config(base_url=server.url, api_key="k", api_version=version)
        provider = KIND.build(config, Surroundings(name="a", root=Path(), provider=no_other))
        call = msgspec.structs.replace(new_call(max_tokens=5), deployment=Deployment("a", "large"))
        _ = [event async for event in provider.answer(call)]
        await provider.aclose()
        sent = msgspec.json.decode(server.requests[0].partition(b"\r\n\r\n")[2])
    assert {key: value for key, value in sent.items() if "max" in key} == {name: 5}


@pytest.mark.parametrize("name", ["vllm", "sglang", "llamacpp", "ollama"])
def test_ones_own_servers_sample_from_the_top(name: str) -> None:
    call = msgspec.structs.replace(new_call(top_k=4), wire="anthropic")
    assert chat_body(call, "m", PRESETS[name])["top_k"] == 4
    assert call.journal.notices == []
