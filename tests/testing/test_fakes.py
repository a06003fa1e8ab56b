"""The shipped fakes, through the real pipeline."""

import pytest

from moat.domain.calls import Delta, Deployment, Finished
from moat.domain.errors import AccessError, NotFound, PromptError, ProviderDown, StorageError
from moat.domain.keys import Key, hash_secret
from moat.domain.releases import MessageTemplate, PromptRef, PromptVersion, Release
from moat.domain.usage import Usage
from moat.pipeline.recipe import build
from moat.testing.fakes import (
    FakeClock,
    FixedKeys,
    FixedModels,
    FixedPrompts,
    ListSpool,
    NoPrices,
    PlainRenderer,
    fake_ports,
    new_call,
)
from moat.testing.scripted import ScriptedProvider

PROMPT = PromptVersion(
    name="greet", version="1.0.0", messages=(MessageTemplate("user", "Hello {{ name }}"),), model="assistant"
)


@pytest.mark.anyio
async def test_a_whole_world_around_one_provider() -> None:
    provider, spool = ScriptedProvider("Good day", ProviderDown("gone")), ListSpool()
    run = build(fake_ports(provider, PROMPT, spool=spool))
    events = [event async for event in run(new_call("Hi"))]
    assert [event.text for event in events if isinstance(event, Delta)] == ["Good ", "day"]
    assert isinstance(events[-1], Finished)
    assert spool.calls[0].cost == 15
    with pytest.raises(ProviderDown):
        [event async for event in run(new_call("Hi"))]
    assert [span.error for span in spool.calls] == ["", "provider_down"]


def test_a_clock_stands_still_until_told() -> None:
    clock = FakeClock(now_ns=100)
    clock.advance(2)
    clock.jump(-1)
    assert (clock.now_ns(), clock.monotonic_ns()) == (1_000_000_100, 2_000_000_000)


def test_prompts_by_version_and_by_environment() -> None:
    release = Release(id="rel_1", content=PROMPT, prompt_digest="")
    prompts = FixedPrompts(PROMPT, released={("greet", "production"): release})
    assert prompts.resolve(PromptRef(name="greet", version="1.0.0"), "").release is None
    assert prompts.resolve(PromptRef(name="greet", environment="production"), "").release is release
    for ref in (PromptRef(name="greet", version="2.0.0"), PromptRef(name="greet", environment="dev")):
        with pytest.raises(NotFound):
            prompts.resolve(ref, "")


def test_refusals() -> None:
    spool = ListSpool()
    spool.full = True
    with pytest.raises(StorageError):
        spool.append([])
    with pytest.raises(NotFound, match="There are: a"):
        FixedModels({"a": ["p/m"]}, {}).plan(new_call(model="b"))
    with pytest.raises(PromptError):
        PlainRenderer().render(PROMPT, {})
    assert PlainRenderer().render(PROMPT, {"name": "you"}) == [{"role": "user", "content": "Hello you"}]
    key = Key(id="k", hash=hash_secret("s"))
    assert FixedKeys({"s": key}).find("s") is key
    with pytest.raises(AccessError):
        FixedKeys({"s": key}).find("t")
    assert NoPrices().cost(Deployment("p", "m"), "a", Usage(input=1)) is None
