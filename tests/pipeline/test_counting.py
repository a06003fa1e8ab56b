"""Counting tokens without asking for an answer."""

from dataclasses import replace

import msgspec
import pytest

from moat.domain.calls import Call, Caller, Finished
from moat.domain.errors import (
    AccessError,
    ContextOverflow,
    ProviderError,
    ProviderRefused,
    ProviderTimeout,
    Unsupported,
)
from moat.domain.usage import Usage
from moat.pipeline.counting import build_counter
from moat.pipeline.ports import Ports
from moat.testing.fakes import FixedModels, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider

pytestmark = pytest.mark.anyio


class Counting(ScriptedProvider):
    """Counts, or fails."""

    def __init__(self, found: int | ProviderError) -> None:
        super().__init__()
        self.found = found

    async def count_tokens(self, call: Call) -> int:
        assert str(call.deployment) == "fake/large"
        if isinstance(self.found, ProviderError):
            raise self.found
        return self.found


async def counted(ports: Ports, call: Call) -> Usage | None:
    events = [event async for event in build_counter(ports)(call)]
    assert len(events) == 1
    assert isinstance(events[0], Finished)
    return events[0].usage


async def test_who_can_count_is_asked_and_nobody_answers() -> None:
    provider = Counting(17)
    assert await counted(fake_ports(provider), new_call()) == Usage(input=17)
    assert not provider.calls


async def test_else_it_is_an_estimate() -> None:
    assert await counted(fake_ports(ScriptedProvider()), new_call("12345678")) == Usage(input=2, estimated=True)


@pytest.mark.parametrize(
    "error",
    [ProviderTimeout("x"), Unsupported("x"), *(ProviderRefused("x", status=status) for status in (404, 405, 501))],
)
async def test_a_counter_that_cannot_is_replaced_by_an_estimate(error: ProviderError) -> None:
    call = new_call("12345678")
    assert await counted(fake_ports(Counting(error)), call) == Usage(input=2, estimated=True)
    assert call.journal.notices == [f"estimated, as fake/large did not count: {error.code}"]


async def test_a_request_that_is_wrong_is_refused() -> None:
    with pytest.raises(ProviderRefused):
        await counted(fake_ports(Counting(ProviderRefused("no"))), new_call())
    bound = msgspec.structs.replace(new_call(), caller=Caller(models=("other",)))
    with pytest.raises(AccessError):
        await counted(fake_ports(Counting(1)), bound)


async def test_what_is_too_long_for_every_model_is_counted_all_the_same() -> None:
    class Small(FixedModels):
        def plan(self, call: Call):  # type: ignore[no-untyped-def]
            raise ContextOverflow("too long")

        def roomier(self, call: Call, error: ContextOverflow) -> Call:
            raise error

    ports = replace(fake_ports(ScriptedProvider()), models=Small({}, {}))
    assert await counted(ports, new_call("12345678")) == Usage(input=2, estimated=True)
