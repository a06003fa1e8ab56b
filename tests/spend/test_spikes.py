"""The breaker for spending that is not what it was."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.adapters.sqlite import SqliteState, SqliteTrips
from moat.bootstrap.spikes import follow
from moat.domain.calls import Call, Caller
from moat.domain.config import SpikeConfig
from moat.domain.errors import ConfigError, LimitExceeded, NotFound
from moat.domain.trips import Trip
from moat.ports.ledger import Spending, Worst
from moat.spend import spikes
from moat.spend.ledger import LimitLedger, Rules
from moat.spend.spikes import HOUR_NS, Rolling, SpikeBreaker, Usual, hour_of_week, usual_of, watched
from moat.testing.fakes import FakeClock, new_call

DOLLAR = 10**12
MONDAY_NOON = 1_705_320_000 * 10**9  # 2024-01-15T12:00Z


def breaker(clock: FakeClock | None = None, usual: Usual | None = None, **config: object) -> SpikeBreaker:
    made = SpikeBreaker(clock or FakeClock(MONDAY_NOON))
    made.adopt(watched(SpikeConfig(**{"floor": "1", **config})))  # type: ignore[arg-type]
    made.learn(usual or {})
    return made


def call(text: str = "Hello", **caller: object) -> Call:
    return replace(new_call(text), caller=Caller(**caller))  # type: ignore[arg-type]


def test_what_is_dear_and_unusual_is_cut_off_and_nothing_else() -> None:
    watch = breaker(usual={("feature", "chat"): {12: 6 * DOLLAR}}, factor=3, window=600)
    watch.note(call(feature="chat", key="k1"), DOLLAR)
    watch.check(call(feature="chat", key="k1"))
    watch.note(call(feature="chat", key="k2"), 2 * DOLLAR)  # $3 in ten minutes, where $1 is usual: three times
    watch.check(call(feature="chat", key="k3"))
    watch.note(call(feature="chat", key="k3"), 1)
    with pytest.raises(LimitExceeded, match=r"feature chat is cut off: \$3.00 within 600 s, where \$1.00 is usual"):
        watch.check(call(feature="chat", key="k4"))
    watch.check(call(feature="search", key="k1"))
    with pytest.raises(LimitExceeded, match="key k2 is cut off"):
        watch.check(call(feature="search", key="k2"))


def test_the_window_slides() -> None:
    clock = FakeClock(MONDAY_NOON)
    watch = breaker(clock, window=100)
    for _ in range(20):
        watch.note(call(feature="chat"), DOLLAR)
        clock.advance(110)
    assert watch.take([]) == [], "never more than a dollar in a window"
    for _ in range(2):
        watch.note(call(feature="chat"), DOLLAR)
        clock.advance(50)
    with pytest.raises(LimitExceeded, match=r"feature chat is cut off: \$2.00 within 100 s"):
        watch.check(call(feature="chat"))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=60))
def test_a_rolling_sum_holds_the_last_window_and_not_more_than_a_slot_less(steps: list[tuple[int, int]]) -> None:
    rolling, now, added = Rolling(100), 0, list[tuple[int, int]]()
    for wait, amount in steps:
        now += wait
        added.append((now, amount))
        found = rolling.add(amount, now)
        assert sum(a for at, a in added if at > now - 90) <= found <= sum(a for at, a in added if at > now - 100)


def test_a_question_again_and_again_is_refused_by_itself() -> None:
    clock = FakeClock(MONDAY_NOON)
    watch = breaker(clock, repeats=3)
    for _ in range(3):
        watch.check(call("again", key="k"))
    with pytest.raises(LimitExceeded, match="more than 3 times within 60 s"):
        watch.check(call("again", key="k"))
    watch.check(call("something else", key="k"))
    watch.check(call("again", key="another"))
    clock.advance(60)
    watch.check(call("again", key="k"))


def test_a_session_without_end_is_cut_off_as_a_whole() -> None:
    watch = breaker(session_calls=5)
    for number in range(5):
        watch.check(call(f"step {number}", tenant="acme", session="s"))
    for _ in range(2):
        with pytest.raises(LimitExceeded, match="session acme/s is cut off: 6 calls within"):
            watch.check(call("step 6", tenant="acme", session="s"))
    watch.check(call("step 1", tenant="acme", session="t"))
    watch.check(call("step 1", tenant="another", session="s"))


def test_an_alert_stops_nothing() -> None:
    watch = breaker(action="alert")
    watch.note(call(feature="chat"), 2 * DOLLAR)
    watch.check(call(feature="chat"))
    assert [trip.value for trip in watch.take([])] == ["chat"]


def test_without_rules_nothing_is_watched() -> None:
    watch = breaker()
    watch.note(call(feature="chat"), 2 * DOLLAR)
    watch.adopt(None)
    watch.check(call(feature="chat"))
    (before,) = watch.take([])
    watch.note(call(feature="search"), 2 * DOLLAR)
    assert watch.take([]) == [before]


def test_made_up_questions_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spikes, "MAX_WATCHED", 3)
    watch = breaker(repeats=1)
    for number in range(10):
        watch.check(call(str(number)))
    watch.check(call("0"))  # forgotten long ago
    with pytest.raises(LimitExceeded):
        watch.check(call("9"))


def test_the_ledger_asks_the_breaker_even_without_limits() -> None:
    ledger = LimitLedger(FakeClock(MONDAY_NOON))
    rules = Rules((), frozenset(), {}, lambda alias, usage: None, SpikeConfig(floor="1"))
    ledger.adopt(rules, lambda limit, since_ns: {})

    async def spend() -> None:
        asked = call(feature="chat")
        await ledger.admit(asked)
        hold = await ledger.hold(asked, Worst(1, 1, 1, lambda tokens: 9))
        hold.settle(Spending(1, 2 * DOLLAR))
        hold.settle(Spending(1, 2 * DOLLAR))
        with pytest.raises(LimitExceeded, match=r"\$2.00 within"):
            await ledger.admit(asked)

    asyncio.run(spend())


def test_no_tenant_has_a_feature_of_another_cut_off() -> None:
    watch = breaker()
    watch.note(call(feature="chat", tenant="acme"), 2 * DOLLAR)
    with pytest.raises(LimitExceeded, match="feature acme/chat is cut off"):
        watch.check(call(feature="chat", tenant="acme"))
    watch.check(call(feature="chat", tenant="globex"))
    watch.check(call(feature="chat"))


def test_what_is_usual_is_the_average_of_the_hour_of_the_week() -> None:
    assert hour_of_week(MONDAY_NOON) == 12
    monday = MONDAY_NOON // HOUR_NS * HOUR_NS
    week = 168 * HOUR_NS
    sums = {monday: 30, monday - week: 10, monday + 5 * HOUR_NS: 8}
    (usual,) = usual_of({("feature", "chat"): sums}, lambda whose: 2.0).values()
    assert usual == {12: 20, 17: 4, -1: round(48 / 336)}


def test_trips_are_stored_followed_and_reset_with_who_and_why(tmp_path: Path) -> None:
    with closing(SqliteState.open(tmp_path / "state.db")) as state:
        trips = SqliteTrips(state)
        watch = breaker()
        watch.note(call(feature="chat"), 2 * DOLLAR)
        asyncio.run(follow(watch, trips))
        (stored,) = trips.open_trips()
        assert (stored.scope, stored.value, stored.spent) == ("feature", "chat", 2 * DOLLAR)
        asyncio.run(follow(watch, trips))
        with pytest.raises(LimitExceeded):
            watch.check(call(feature="chat"))

        restarted = breaker()
        asyncio.run(follow(restarted, trips))
        with pytest.raises(LimitExceeded):
            restarted.check(call(feature="chat"))

        trips.reset("feature", "chat", actor="Ada", reason="the campaign", now_ns=5)
        for each in (watch, restarted):
            asyncio.run(follow(each, trips))
            each.check(call(feature="chat"))
            each.note(call(feature="chat"), DOLLAR // 2)
            each.check(call(feature="chat"))
        assert trips.open_trips() == []
        (kept,) = trips.trips()
        assert (kept.reset_by, kept.reset_reason, kept.reset_ns) == ("Ada", "the campaign", 5)
        trips.add(kept)
        with pytest.raises(NotFound, match="not cut off"):
            trips.reset("feature", "chat", actor="Ada", reason="again", now_ns=6)


def test_the_newest_trip_comes_first(tmp_path: Path) -> None:
    with closing(SqliteState.open(tmp_path / "state.db")) as state:
        trips = SqliteTrips(state)
        for number in (1, 3, 2):
            trips.add(Trip(id=f"t{number}", scope="key", value="k", why="", at_ns=number, spent=0, usual=0))
        assert [trip.id for trip in trips.trips(2)] == ["t3", "t2"]
        assert [trip.id for trip in trips.open_trips()] == ["t1", "t2", "t3"]


@pytest.mark.parametrize("floor", ["much", "-1"])
def test_a_floor_is_an_amount(floor: str) -> None:
    with pytest.raises(ConfigError, match=r"amount|budget"):
        breaker(floor=floor)
