"""How long a call may wait, and what is said of whatever ended it early."""

import asyncio

import pytest

from moat.adapters.system import SystemClock
from moat.domain.errors import ClientClosed, DeadlinePassed, MoatError, ProviderDown, Stopped
from moat.pipeline.endings import HUNG_UP, OVERDUE, OVERTAKEN, explain
from moat.pipeline.patience import Patience

pytestmark = pytest.mark.anyio


async def test_work_is_not_cut_off_but_the_next_wait_is() -> None:
    clock = SystemClock()
    patience = Patience(clock, clock.monotonic_ns() + 1_000_000)
    await asyncio.sleep(0.02)  # at work: the deadline passes meanwhile
    patience.wait()
    with pytest.raises(asyncio.CancelledError) as cut:
        await asyncio.sleep(60)
    assert isinstance(patience.explain(cut.value), DeadlinePassed)
    assert patience.explain(cut.value) is cut.value, "a second cancellation is somebody else's"
    assert not patience.rest()
    patience.close()


async def test_what_others_cancel_is_not_explained_away() -> None:
    clock = SystemClock()
    patience = Patience(clock, clock.monotonic_ns() + 60 * 10**9)
    patience.wait()
    error = asyncio.CancelledError()
    assert patience.explain(error) is error
    assert patience.rest()
    patience.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ProviderDown("gone"), ProviderDown),
        (GeneratorExit(), ClientClosed),
        (asyncio.CancelledError(HUNG_UP), ClientClosed),
        (asyncio.CancelledError(ProviderDown("gone")), ProviderDown),
        (asyncio.CancelledError(OVERDUE), DeadlinePassed),
        (asyncio.CancelledError(OVERTAKEN), Stopped),
        (asyncio.CancelledError(), Stopped),
        (ZeroDivisionError(), MoatError),
    ],
)
async def test_every_early_end_has_a_name(error: BaseException, kind: type[MoatError]) -> None:
    assert type(explain(error)) is kind
