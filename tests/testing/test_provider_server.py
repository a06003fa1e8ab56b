"""The stand-alone server on a real socket, driven by the official SDK, by hand, and by our own provider."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import openai
import pytest
import uvicorn

from moat.adapters.providers.http1 import HttpClient
from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.domain.calls import Delta, Event, Finished
from moat.domain.errors import MoatError, ProviderDown, ProviderOverloaded, ProviderRefused, StreamCut
from moat.domain.usage import Usage
from moat.ports.models import Provider
from moat.testing.fakes import new_call
from moat.testing.scripted import ScriptedProvider, Step, says
from moat.testing.server import ProviderServer
from moat.testing.simulated import SimulatedProvider
from moat.testing.simulation import read_simulation

pytestmark = pytest.mark.anyio

RULES = """
rules:
  - user: weather
    answers: [{tool_calls: [{name: look, arguments: {place: here}}]}, {text: Sunny.}]
  - user: ""
    answers: [{text: Hello to you.}]
"""


@asynccontextmanager
async def serving(provider: Provider, *, simulated: bool = False) -> AsyncIterator[str]:
    """The server under uvicorn, on a free port, until the block ends."""
    app = ProviderServer(provider, models=["large"], simulated=simulated)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
    running = asyncio.ensure_future(server._serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        await running
        listener.close()


def simulated(tmp_path: Path) -> SimulatedProvider:
    (tmp_path / "rules.yaml").write_text(RULES)
    return SimulatedProvider(read_simulation(tmp_path / "rules.yaml"))


async def collect(url: str, *, stream: bool = False, text: str = "Hi") -> list[Event]:
    provider = OpenAIProvider(OpenAIConfig(base_url=url))
    try:
        return [event async for event in provider.answer(new_call(text, stream=stream))]
    finally:
        await provider.aclose()


async def test_the_official_sdk_asks_streams_and_lists(tmp_path: Path) -> None:
    async with (
        serving(simulated(tmp_path), simulated=True) as url,
        openai.AsyncOpenAI(base_url=url, api_key="x") as client,
    ):
        whole = await client.chat.completions.create(model="large", messages=[{"role": "user", "content": "Hi"}])
        assert whole.choices[0].message.content == "Hello to you."
        assert whole.model == "simulated/large"
        assert whole.usage is not None
        assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (1, 4)
        stream = await client.chat.completions.create(
            model="large",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
        assert [chunk.choices[0].delta.content for chunk in chunks[:-2]] == ["Hello ", "to ", "you."]
        assert chunks[-2].choices[0].finish_reason == "stop"
        assert chunks[-1].usage == whole.usage
        assert {chunk.model for chunk in chunks} == {"simulated/large"}
        tools = await client.chat.completions.create(model="large", messages=[{"role": "user", "content": "weather?"}])
        calls = tools.choices[0].message.tool_calls
        assert calls is not None
        assert calls[0].type == "function"
        assert (calls[0].function.name, calls[0].function.arguments) == ("look", '{"place":"here"}')
        assert [model.id async for model in client.models.list()] == ["large"]
        raw = await client.chat.completions.with_raw_response.create(
            model="large", messages=[{"role": "user", "content": "Hi"}]
        )
        assert raw.headers["x-moat-simulated"] == "true"


async def test_the_official_sdk_in_its_synchronous_form(tmp_path: Path) -> None:
    def ask(url: str) -> tuple[str | None, str]:
        with openai.OpenAI(base_url=url, api_key="x", max_retries=0) as client:
            whole = client.chat.completions.create(model="large", messages=[{"role": "user", "content": "Hi"}])
            stream = client.chat.completions.create(
                model="large", messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            return whole.choices[0].message.content, "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    async with serving(simulated(tmp_path), simulated=True) as url:
        assert await asyncio.to_thread(ask, url) == ("Hello to you.", "Hello to you.")


async def test_errors_reach_the_sdk_as_its_own_kinds() -> None:
    script: list[Sequence[Step] | MoatError] = [
        ProviderOverloaded("too many", retry_after=0.0),
        ProviderRefused("no such thing", status=422),
        [Delta(text="half"), ProviderDown("cut off")],
    ]
    async with (
        serving(ScriptedProvider(*script)) as url,
        openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client,
    ):
        with pytest.raises(openai.RateLimitError) as limited:
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        assert limited.value.code == "provider_overloaded"
        assert limited.value.response.headers["retry-after"] == "1"
        assert "x-moat-simulated" not in limited.value.response.headers
        with pytest.raises(openai.UnprocessableEntityError):
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        with pytest.raises(openai.APIError, match="cut off"):
            [chunk async for chunk in stream]


async def test_our_own_provider_gets_from_it_what_went_in() -> None:
    tokens = Usage(input=3, output=4, cached=1, reasoning=2)
    async with serving(ScriptedProvider(says("one two three", usage=tokens, reason="length"))) as url:
        for stream in (True, False):
            events = await collect(url, stream=stream)
            assert "".join(event.text for event in events if isinstance(event, Delta)) == "one two three"
            assert isinstance(events[-1], Finished)
            assert (events[-1].reason, events[-1].usage) == ("length", tokens)


@pytest.mark.promise("up-2")
async def test_a_failure_inside_a_stream_is_seen_by_our_own_provider() -> None:
    async with serving(ScriptedProvider([Delta(text="half"), StreamCut("gone")])) as url:
        with pytest.raises(ProviderDown, match="gone"):
            await collect(url, stream=True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/chat/completions", b"{", 400),
        ("POST", "/chat/completions", b'{"prompt": {"id": "a@production"}}', 404),
        ("GET", "/chat/completions", b"", 404),
        ("GET", "/elsewhere", b"", 404),
    ],
)
async def test_what_it_cannot_answer_is_an_error_in_openais_shape(
    method: str, path: str, body: bytes, status: int
) -> None:
    async with serving(ScriptedProvider("x")) as url:
        client = HttpClient()
        async with client.request(method, url + path, (), body) as response:
            assert response.status == status
            assert (await response.read(10_000)).startswith(b'{"error":{"message":')
        await client.aclose()


async def test_a_hang_up_stops_the_provider() -> None:
    class Endless:
        def __init__(self) -> None:
            self.stopped = asyncio.Event()

        async def answer(self, call: object) -> AsyncIterator[Event]:
            try:
                while True:
                    yield Delta(text="on and on ")
                    await asyncio.sleep(0.005)
            finally:
                self.stopped.set()

        async def aclose(self) -> None:
            pass

    endless = Endless()
    async with serving(endless) as url:  # type: ignore[arg-type]
        provider = OpenAIProvider(OpenAIConfig(base_url=url))
        events = provider.answer(new_call(stream=True))
        await anext(events)
        await events.aclose()
        async with asyncio.timeout(10):
            await endless.stopped.wait()
        assert provider.open_connections == 0, "what was not read to its end is not used again"
        await provider.aclose()
