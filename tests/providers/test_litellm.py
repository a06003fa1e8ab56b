"""The litellm kind, over a module of the SDK's shape."""

import asyncio
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.adapters.providers import litellm_sdk
from moat.adapters.providers.litellm_sdk import KIND, QUIET
from moat.domain.calls import Call, Delta, Deployment, Event, Finished, ToolCallDelta
from moat.domain.errors import (
    ConfigError,
    ContextOverflow,
    ProviderDown,
    ProviderError,
    ProviderOverloaded,
    ProviderRefused,
    ProviderTimeout,
    StreamCut,
    Unsupported,
)
from moat.domain.usage import Usage
from moat.ports.kinds import Surroundings
from moat.ports.models import Provider
from moat.testing.fakes import new_call

pytestmark = pytest.mark.anyio


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module `litellm`, fresh, and the environment as it was afterwards."""
    shutil.copy(Path(__file__).with_name("fake_litellm.py"), tmp_path / "litellm.py")
    for name in QUIET:
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "litellm", raising=False)
    yield litellm_sdk.load()
    monkeypatch.delitem(sys.modules, "litellm", raising=False)


def build(**settings: Any) -> Provider:
    def source(name: str) -> Provider:
        raise AssertionError(name)

    around = Surroundings("tail", Path(), source)
    return KIND.build(msgspec.convert({"kind": "litellm", **settings}, KIND.config), around)


def call_for(operation: str = "chat", **options: Any) -> Call:
    call = new_call("Hi", **options)
    return msgspec.structs.replace(call, operation=operation, deployment=Deployment("tail", "cohere/command-r"))


async def ask(provider: Provider, call: Call | None = None) -> list[Event]:
    return [event async for event in provider.answer(call or call_for())]


ANSWER = {
    "model": "command-r",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "content": "Hello",
                "reasoning_content": "Hm.",
                "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
        }
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}},
}


def test_it_is_told_to_be_quiet_before_it_is_imported(sdk: Any) -> None:
    assert sdk.quiet == "True"
    assert sdk.telemetry is False


async def test_an_answer_in_one_piece(sdk: Any) -> None:
    sdk.script.append(ANSWER)
    provider = build(api_key="sk-12345", base_url="https://x.org/v1", options={"api_version": "v"})
    events = await ask(provider, call_for(temperature=0.5, metadata={"a": 1}, anthropic={}))
    raw = msgspec.json.encode(ANSWER)
    tool = ToolCallDelta(index=0, id="t1", name="look", arguments="{}")
    assert events == [
        Delta(text="Hello", reasoning="Hm.", tool_calls=(tool,), raw=raw),
        Finished(reason="tool_calls", usage=Usage(input=7, output=3, cached=2), model="command-r"),
    ]
    assert sdk.asked == [
        {
            "model": "cohere/command-r",
            "messages": [{"role": "user", "content": "Hi"}],
            "temperature": 0.5,
            "api_key": "sk-12345",
            "api_base": "https://x.org/v1",
            "api_version": "v",
            "timeout": 180.0,
            "max_retries": 0,
            "num_retries": 0,
        }
    ]
    await provider.aclose()


@pytest.mark.promise("gate-6")
async def test_an_address_of_ones_own_gets_no_key_that_it_would_find_by_itself(sdk: Any) -> None:
    sdk.script += [ANSWER, ANSWER, ANSWER]
    await ask(build(base_url="https://x.org/v1"), call_for())
    await ask(build(options={"api_base": "https://x.org/v1"}), call_for())
    await ask(build(), call_for())
    assert [asked.get("api_key") for asked in sdk.asked] == ["none", "none", None]


def piece(text: str = "", finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


async def test_a_stream(sdk: Any) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    sdk.script.append([piece("Hel"), piece("lo"), piece(finish="stop"), usage])
    sdk.streams.clear()
    events = await ask(build(), call_for(stream=True))
    deltas = [event for event in events if isinstance(event, Delta)]
    assert "".join(delta.text for delta in deltas) == "Hello"
    assert b"".join(delta.raw or b"" for delta in deltas).count(b"data: ") == 3
    assert events[-1] == Finished(reason="stop", usage=Usage(input=7, output=3))
    assert sdk.asked[-1]["stream_options"] == {"include_usage": True}
    assert sdk.streams[0].closed


async def test_a_stream_that_just_ends_is_cut_though_the_sdk_makes_up_a_reason(sdk: Any) -> None:
    for chunks in ([piece("Hel")], [piece("Hel"), piece(finish="made up")]):
        sdk.script.append(chunks)
        with pytest.raises(StreamCut):
            await ask(build(), call_for(stream=True))


async def test_an_abandoned_stream_is_closed(sdk: Any) -> None:
    sdk.script.append([piece("Hel"), piece("lo")])
    events = build().answer(call_for(stream=True))
    await anext(events)
    await events.aclose()
    assert sdk.streams[-1].closed


async def test_embeddings_and_what_is_not_offered(sdk: Any) -> None:
    sdk.script.append({"object": "list", "data": [], "usage": {"prompt_tokens": 2, "total_tokens": 2}})
    events = await ask(build(), call_for("embeddings", input="Hi"))
    assert events[-1] == Finished(reason="stop", usage=Usage(input=2))
    assert "messages" not in sdk.asked[-1]
    with pytest.raises(Unsupported, match="speech"):
        await ask(build(), call_for("speech"))


@pytest.mark.promise("inj-1")
@pytest.mark.parametrize(
    "name", ["api_base", "base_url", "api_key", "custom_llm_provider", "fallbacks", "mock_response"]
)
async def test_callers_cannot_steer_the_sdk(sdk: Any, name: str) -> None:
    with pytest.raises(Unsupported, match=name) as caught:
        await ask(build(api_key="sk-12345"), call_for(**{name: "http://evil.example"}))
    assert caught.value.where == name
    assert sdk.asked == []


DATA = "data:image/png;base64,QUJD"


@pytest.mark.promise("inj-1")
@pytest.mark.parametrize(
    ("part", "passes"),
    [
        ({"type": "text", "text": "x"}, True),
        ({"type": "image_url", "image_url": {"url": DATA}}, True),
        ({"type": "image_url", "image_url": DATA}, True),
        ({"type": "file", "file": {"file_data": DATA}}, True),
        ({"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest"}}, False),
        ({"type": "image_url", "image_url": "file:///etc/passwd"}, False),
        ({"type": "file", "file": {"file_id": "http://10.0.0.1/x"}}, False),
        ({"type": "file", "file": {"file_data": DATA, "file_id": "http://10.0.0.1/x"}}, False),
        ({"type": "video_url", "video_url": {"url": DATA}}, False),
        ("x", False),
    ],
)
async def test_callers_cannot_make_the_sdk_fetch_anything(sdk: Any, part: Any, passes: bool) -> None:
    sdk.script.append(ANSWER)
    call = msgspec.structs.replace(call_for(), messages=[{"role": "user", "content": [part]}])
    if passes:
        assert len(await ask(build(), call)) == 2
    else:
        with pytest.raises(Unsupported) as caught:
            await ask(build(), call)
        assert caught.value.where == "messages[0].content[0]"
        assert sdk.asked == []


@pytest.mark.parametrize(
    ("name", "status", "kind", "answers"),
    [
        ("RateLimitError", 429, ProviderOverloaded, 429),
        ("Timeout", 408, ProviderTimeout, 504),
        ("ContextWindowExceededError", 400, ContextOverflow, 400),
        ("APIConnectionError", 500, ProviderDown, 502),
        ("APIError", 401, ProviderRefused, 502),
        ("APIError", 404, ProviderRefused, 404),
        ("APIError", 503, ProviderDown, 502),
        ("APIError", None, ProviderDown, 502),
        ("APIError", 200, ProviderDown, 502),
    ],
)
@pytest.mark.parametrize("late", [False, True])
async def test_errors(sdk: Any, name: str, status: int, kind: type[ProviderError], answers: int, late: bool) -> None:
    error = getattr(sdk, name)("bad key sk-12345", status, {"Retry-After": "3"})
    sdk.script.append([piece("Hel"), error] if late else error)
    with pytest.raises(kind) as caught:
        await ask(build(api_key="sk-12345"), call_for(stream=late))
    assert type(caught.value) is kind
    assert caught.value.status == answers
    assert "sk-12345" not in str(caught.value)
    assert "litellm." not in str(caught.value)
    if kind is ProviderOverloaded:
        assert caught.value.retry_after == 3


async def test_whatever_it_raises_is_ours(sdk: Any) -> None:
    for error in (KeyError("choices"), AttributeError("x"), OSError("no route")):
        sdk.script.append(error)
        with pytest.raises(ProviderDown, match=type(error).__name__):
            await ask(build())


async def test_nonsense_is_down(sdk: Any) -> None:
    sdk.script += [{}, {"choices": [{"index": "x"}]}]
    for _ in range(2):
        with pytest.raises(ProviderDown):
            await ask(build())


async def test_silence_is_a_timeout(sdk: Any) -> None:
    async def hang() -> Any:
        await asyncio.sleep(60)

    quick = {"timeouts": {"first_token": 0.05, "idle": 0.05}}
    sdk.script.append(hang)
    with pytest.raises(ProviderTimeout, match="sent no answer"):
        await ask(build(**quick))
    sdk.script.append([piece("Hel"), hang])
    with pytest.raises(ProviderTimeout, match="nothing more"):
        await ask(build(**quick), call_for(stream=True))
    assert sdk.streams[-1].closed


def test_without_the_package_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in QUIET:
        monkeypatch.setenv(name, "x")
    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(ConfigError) as caught:
        build()
    assert "moat[litellm]" in caught.value.remedy
