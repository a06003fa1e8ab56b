"""What is learnt of deployments: errors, pauses, quotas, latencies, and what they are worth."""

import asyncio

import pytest

from moat.domain.calls import Deployment
from moat.domain.config import BreakerConfig
from moat.domain.errors import (
    CircuitOpen,
    ClientClosed,
    ContextOverflow,
    LimitExceeded,
    ProviderDown,
    ProviderOverloaded,
    ProviderRefused,
    ProviderTimeout,
    StreamCut,
    Unsupported,
)
from moat.domain.quotas import Quota, Window
from moat.pipeline.endings import HUNG_UP, OVERTAKEN
from moat.routing.budget import FLOOR
from moat.routing.health import DeploymentHealth
from moat.testing.fakes import FakeClock

MAIN, SPARE = Deployment("main", "large"), Deployment("spare", "small")


def health(**rules: float) -> tuple[DeploymentHealth, FakeClock]:
    clock = FakeClock()
    return DeploymentHealth(clock, BreakerConfig(**{"failures": 3, **rules})), clock  # type: ignore[arg-type]


def fail(health: DeploymentHealth, error: BaseException | None, times: int = 1) -> None:
    for _ in range(times):
        health.note(MAIN, error, 1_000_000, health.check(MAIN))


@pytest.mark.promise("up-7")
@pytest.mark.parametrize(
    "error", [ProviderDown("x"), ProviderTimeout("x"), StreamCut("x"), ProviderOverloaded("529")], ids=lambda e: e.code
)
def test_failures_open_the_circuit_of_this_deployment_only(error: BaseException) -> None:
    known, clock = health()
    fail(known, error, 3)
    with pytest.raises(CircuitOpen, match="main/large failed 3 times in a row") as raised:
        known.check(MAIN)
    assert raised.value.retry_after == pytest.approx(10)
    known.check(SPARE)
    clock.advance(10)
    number = known.check(MAIN)
    with pytest.raises(CircuitOpen):
        known.check(MAIN)
    known.begun(MAIN, number)
    known.check(MAIN)


@pytest.mark.parametrize(
    "error",
    [
        ProviderRefused("x"),
        ProviderRefused("bad key", status=401),
        ContextOverflow("x"),
        Unsupported("x"),
        ClientClosed("x"),
        LimitExceeded("x"),
        asyncio.CancelledError(HUNG_UP),
        GeneratorExit(),
    ],
    ids=lambda e: type(e).__name__,
)
def test_what_is_the_callers_says_nothing(error: BaseException) -> None:
    known, _ = health()
    fail(known, error, 20)
    known.check(MAIN)
    assert known.snapshot()[0].failed == 0


def test_a_deployment_that_asks_for_a_pause_gets_it_and_is_not_ill() -> None:
    known, clock = health(failures=1)
    fail(known, ProviderOverloaded("429", retry_after=7))
    with pytest.raises(CircuitOpen, match="no room") as raised:
        known.check(MAIN)
    assert raised.value.retry_after == pytest.approx(7)
    (state,) = known.snapshot()
    assert (state.state, state.wait, state.failed) == ("closed", pytest.approx(7), 1)
    clock.advance(7)
    known.check(MAIN)


def test_no_pause_is_longer_than_an_hour_whatever_a_provider_says() -> None:
    known, clock = health()
    fail(known, ProviderOverloaded("429", retry_after=1e12))
    assert known.snapshot()[0].wait == 3600
    clock.advance(3600)
    known.check(MAIN)
    assert known.snapshot()[0].tries == 2


@pytest.mark.parametrize("quota", [Quota(requests=Window(0, 20)), Quota(tokens=Window(0, 20))])
def test_a_quota_that_is_used_up_is_waited_for(quota: Quota) -> None:
    known, clock = health()
    known.report(MAIN, quota)
    with pytest.raises(CircuitOpen) as raised:
        known.check(MAIN)
    assert raised.value.retry_after == pytest.approx(20)
    clock.advance(20)
    known.check(MAIN)


def test_what_is_sent_counts_until_the_provider_speaks_again() -> None:
    known, _ = health()
    known.report(MAIN, Quota(requests=Window(2, 60), tokens=Window(1000, 60)))
    with pytest.raises(CircuitOpen):
        known.check(MAIN, 1001)
    known.check(MAIN, 600)
    with pytest.raises(CircuitOpen):
        known.check(MAIN, 600)
    known.check(MAIN, 400)
    with pytest.raises(CircuitOpen):
        known.check(MAIN)
    known.report(MAIN, Quota(requests=Window(5, 60), tokens=Window(5000, 60)))
    known.check(MAIN, 600)


def test_retries_in_vain_are_bounded_and_answers_buy_new_ones() -> None:
    known, clock = health()
    granted = sum(known.again(MAIN, "retry") for _ in range(1000))
    assert granted == FLOOR
    assert known.again(MAIN, "fallback")
    assert known.again(MAIN, "hedge")
    assert known.again(SPARE, "retry"), "each deployment has its own"
    fail(known, None, 2)
    assert known.again(MAIN, "retry")
    assert not known.again(MAIN, "retry")
    clock.advance(3)
    assert sum(known.again(MAIN, "retry") for _ in range(10)) == 3
    main, spare = known.snapshot()
    assert (main.retries, main.fallbacks, main.hedges, spare.retries) == (24, 1, 1, 1)
    assert main.refused_retries == 980 + 1 + 7


def test_latency_follows_what_is_seen_and_what_is_not() -> None:
    known, clock = health()
    assert known.latency(MAIN) is None
    known.note(MAIN, None, 2_000_000_000, known.check(MAIN))
    assert known.latency(MAIN) == 2
    clock.advance(60)
    known.note(MAIN, None, 100_000_000, known.check(MAIN))
    assert known.latency(MAIN) == pytest.approx(0.1, rel=0.1), "after a pause the news counts nearly alone"
    before = known.latency(MAIN)
    known.note(MAIN, asyncio.CancelledError(HUNG_UP), 9_000_000_000, known.check(MAIN))
    assert known.latency(MAIN) == before
    known.note(MAIN, asyncio.CancelledError(OVERTAKEN), 50_000_000, known.check(MAIN))
    assert known.latency(MAIN) == before, "it may have been as fast as ever"
    known.note(MAIN, asyncio.CancelledError(OVERTAKEN), 5_000_000_000, known.check(MAIN))
    assert known.latency(MAIN) > before  # type: ignore[operator]


def test_a_reload_forgets_other_providers_and_keeps_the_rest() -> None:
    known, _ = health()
    fail(known, ProviderDown("x"), 3)
    known.check(SPARE)
    known.configure(BreakerConfig(failures=3, cooldown=99))
    with pytest.raises(CircuitOpen):
        known.check(MAIN)
    known.forget({"main"})
    known.check(MAIN)
    assert [state.deployment for state in known.snapshot()] == ["main/large", "spare/small"]
    fail(known, ProviderDown("x"), 3)
    assert known.snapshot()[0].wait == 99


def test_a_full_pool_of_our_own_is_not_the_providers_illness() -> None:
    known, _ = health()
    busy = ProviderOverloaded("all 512 connections were busy")
    busy.sent = False
    fail(known, busy, 20)
    assert (known.snapshot()[0].state, known.snapshot()[0].failed) == ("closed", 0)
