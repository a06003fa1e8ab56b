"""What goes over the wire and what is recorded agree, when connections die under a request."""

import asyncio
from dataclasses import replace

import msgspec
import pytest

from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.pipeline.recipe import build
from moat.testing.fakes import FixedModels, ListSpool, fake_ports, new_call
from tests.providers.peer import Handler, Peer, peer, whole

pytestmark = pytest.mark.anyio

ANSWER = whole(
    msgspec.json.encode(
        {"choices": [{"message": {"content": "42"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    )
)


@pytest.mark.promise("money-3")
async def test_a_request_that_a_kept_connection_swallowed_is_an_attempt_of_its_own() -> None:
    def handler(seen: Peer) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await seen.read(reader)
            writer.write(ANSWER)
            if seen.connections == 1:
                await seen.read(reader)  # took it, perhaps billed it, and closes without a word

        return serve

    async with peer(handler) as server:
        provider = OpenAIProvider(OpenAIConfig(base_url=server.url), name="fake")
        spool = ListSpool()
        models = FixedModels({"assistant": ["fake/large"]}, {"fake": provider}, retries=2)
        run = build(replace(fake_ports(provider, spool=spool), models=models))
        for _ in range(2):
            _ = [event async for event in run(new_call())]
        attempts = [span for span in spool.spans if span.kind == "attempt"]
        assert len(attempts) == len(server.requests) == 3
        assert sorted(span.error for span in attempts) == ["", "", "provider_down"]
        await provider.aclose()
