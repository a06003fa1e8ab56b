"""Rates and budgets: exact under concurrency, whatever happens to the calls."""

import asyncio
import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.domain.calls import Call, Caller
from moat.domain.config import LimitConfig
from moat.domain.errors import LimitExceeded, NoPrice
from moat.ports.ledger import Spending, Worst
from moat.spend import counters
from moat.spend.ledger import LimitLedger, Opening, Rules
from moat.spend.limits import Limit, Values, compiled
from moat.testing.fakes import FakeClock, new_call

DOLLAR = 10**12


def ledger(
    *limits: LimitConfig,
    clock: FakeClock | None = None,
    opening: Opening = lambda limit, since_ns: {},
    **rules: object,
) -> LimitLedger:
    made = LimitLedger(clock or FakeClock())
    made.adopt(new_rules(*limits, **rules), opening)
    return made


def new_rules(*limits: LimitConfig, **rules: object) -> Rules:
    given: dict[str, object] = {
        "optional": frozenset(),
        "cheaper": {},
        "price": lambda alias, usage: usage.total * DOLLAR,
    }
    return Rules(limits=compiled(limits), **{**given, **rules})  # type: ignore[arg-type]


def limit(name: str = "cap", **fields: object) -> LimitConfig:
    return LimitConfig(**{"name": name, **fields})  # type: ignore[arg-type]


def call(text: str = "Hello", model: str = "assistant", **caller: object) -> Call:
    return replace(new_call(text, model=model), caller=Caller(**caller))  # type: ignore[arg-type]


def worst(input: int = 0, output: int = 10, *, each: int | None = 1) -> Worst:
    """So many tokens, at so many picodollars each."""
    return Worst(input, input, output, lambda tokens: None if each is None else (input + tokens) * each)


@pytest.mark.promise("money-1")
@pytest.mark.promise("money-7")
@settings(max_examples=30, deadline=None)
@given(cap=st.integers(0, 200), most=st.integers(1, 20), seed=st.integers(0, 2**32))
def test_no_cap_is_exceeded_by_calls_that_run_at_once_and_no_hold_leaks(cap: int, most: int, seed: int) -> None:
    chance = random.Random(seed)
    spent = 0
    held = ledger(limit(tokens=cap), limit("each", tokens=cap // 2, per=["user"]))

    async def one() -> None:
        nonlocal spent
        asked = call(user=chance.choice("ab"))
        try:
            hold = await held.hold(asked, worst(output=most))
        except LimitExceeded:
            return
        await asyncio.sleep(chance.choice([0, 0, 0.001]))
        actual = chance.randint(0, most)
        spent += actual
        hold.settle(Spending(actual, actual))
        hold.settle(Spending(most, most))  # the first counts
        assert spent <= cap

    async def all_at_once() -> None:
        await asyncio.gather(*[one() for _ in range(100)])

    asyncio.run(all_at_once())
    assert spent <= cap
    assert sum(balance.held for balance in held.balances()) == 0
    assert {balance.used for balance in held.balances() if not balance.values} <= {spent}


@pytest.mark.anyio
async def test_a_hold_takes_room_in_all_limits_or_in_none() -> None:
    held = ledger(limit("large", tokens=100), limit("small", tokens=5))
    with pytest.raises(LimitExceeded, match="limit small"):
        await held.hold(call(), worst(output=10))
    assert [balance.held for balance in held.balances()] == [0, 0]


@pytest.mark.anyio
@pytest.mark.promise("money-2")
async def test_money_without_a_price_is_refused_where_a_budget_applies() -> None:
    held = ledger(limit(money="1", match={"tenant": ["acme"]}))
    with pytest.raises(NoPrice, match="no known price"):
        await held.hold(call(tenant="acme"), worst(each=None))
    (await held.hold(call(tenant="other"), worst(each=None))).settle(Spending(1, None))


@pytest.mark.anyio
async def test_the_refusal_says_which_limit_how_far_and_when() -> None:
    clock = FakeClock(1_700_000_000 * 10**9)  # 22:13:20 UTC
    held = ledger(limit("daily", money="2", window="day", per=["tenant"]), clock=clock)
    (await held.hold(call(tenant="acme"), worst(each=DOLLAR // 10))).settle(Spending(10, DOLLAR))
    with pytest.raises(LimitExceeded) as error:
        await held.hold(call(tenant="acme"), worst(each=DOLLAR // 5))
    assert error.value.what == ("limit daily: $1.00 of $2.00 a day for tenant acme are used; this call may take $2.00")
    assert error.value.remedy == "The next day begins at 2023-11-15T00:00:00+00:00."
    assert error.value.retry_after == 6400
    await held.hold(call(tenant="another"), worst(each=DOLLAR // 5))


@pytest.mark.anyio
async def test_requests_are_counted_once_a_call_and_a_refused_one_is_not() -> None:
    clock = FakeClock()
    held = ledger(
        limit(requests=2, window="minute", per=["key"]), limit("all", requests=3, window="minute"), clock=clock
    )
    await held.admit(call(key="a"))
    await held.admit(call(key="a"))
    with pytest.raises(LimitExceeded, match="limit cap"):
        await held.admit(call(key="a"))
    await held.admit(call(key="b"))
    with pytest.raises(LimitExceeded, match="limit all"):
        await held.admit(call(key="c"))
    clock.advance(60)
    await held.admit(call(key="a"))


@pytest.mark.anyio
async def test_concurrent_calls_leave_once() -> None:
    held = ledger(limit(concurrent=1, per=["user"]))
    first = await held.admit(call(user="u"))
    with pytest.raises(LimitExceeded, match="1 of 1 concurrent calls for user u are under way") as error:
        await held.admit(call(user="u"))
    assert error.value.retry_after == 1.0
    first.leave()
    first.leave()
    await held.admit(call(user="u"))
    with pytest.raises(LimitExceeded):
        await held.admit(call(user="u"))


@pytest.mark.anyio
async def test_a_copy_for_a_release_on_trial_is_no_request_of_the_caller() -> None:
    held = ledger(limit(requests=1), limit("at-once", concurrent=1))
    await held.admit(replace(call(), shadow_of="req_1"))
    await held.admit(call())
    with pytest.raises(LimitExceeded):
        await held.admit(call())


@pytest.mark.anyio
async def test_a_limit_for_each_request_refuses_long_ones() -> None:
    held = ledger(limit(tokens=100, window="request"))
    await held.admit(replace(call("x" * 200), params={"max_tokens": 50}))
    with pytest.raises(LimitExceeded, match="may take 101 tokens, and 100 are allowed") as error:
        await held.admit(replace(call("x" * 200), params={"max_tokens": 51}))
    assert error.value.retry_after is None, "waiting does not help"


@pytest.mark.anyio
async def test_a_cap_shortens_the_answer_to_what_is_left() -> None:
    held = ledger(limit(tokens=100, action="cap"), limit("dear", money="60", action="cap"))
    hold = await held.hold(call(), worst(input=20, output=1000, each=DOLLAR))
    assert hold.output == 40, "sixty dollars at a dollar each, less the input"
    hold.settle(Spending(60, 60 * DOLLAR))
    with pytest.raises(LimitExceeded, match="limit cap"):
        await held.hold(call(), worst(input=40, output=1000, each=0))


@pytest.mark.anyio
async def test_what_soft_limits_do_when_they_are_used_up() -> None:
    soft = [limit(action, tokens=10, action=action) for action in ("warn", "alert", "disable")]
    held = ledger(
        *soft,
        limit("down", tokens=10, action="downgrade"),
        cheaper={"assistant": "small"},
        optional=frozenset({"jokes"}),
    )
    before = await held.admit(call("Hi"))
    assert before.call.journal.notices == []
    (await held.hold(before.call, worst(output=10))).settle(Spending(10, 0))

    after = await held.admit(call("Hi", feature="support"))
    assert after.call.model == "small"
    assert after.call.journal.notices == [
        "limit warn is used up",
        "limit alert is used up",
        "limit disable is used up",
        "limit down: small answers instead of assistant",
    ]
    with pytest.raises(LimitExceeded, match="the feature 'jokes' is switched off"):
        await held.admit(call("Hi", feature="jokes"))
    with pytest.raises(LimitExceeded, match="nothing cheaper than 'small'"):
        await held.admit(call("Hi", model="small"))
    (await held.hold(after.call, worst(output=10))).settle(Spending(10, 0))  # these limits refuse no attempt


@pytest.mark.anyio
async def test_a_notice_comes_before_the_limit() -> None:
    held = ledger(limit(requests=4, per=["tenant"], warn_at=[0.5, 0.9]))
    notices = [(await held.admit(call(tenant="acme"))).call.journal.notices for _ in range(4)]
    assert notices[0] == []
    assert notices[1] == ["limit cap: 50% of 4 requests for tenant acme"]
    assert notices[3] == ["limit cap: 100% of 4 requests for tenant acme"]


@pytest.mark.anyio
@pytest.mark.promise("money-8")
async def test_windows_begin_anew_but_never_because_a_clock_was_set_back() -> None:
    clock = FakeClock(1_700_000_000 * 10**9)
    held = ledger(limit(tokens=10, window="hour"), clock=clock)
    under_way = await held.hold(call(), worst(output=10))
    clock.jump(-3600)
    with pytest.raises(LimitExceeded):
        await held.hold(call(), worst(output=1))
    clock.jump(7200)
    hold = await held.hold(call(), worst(output=10))
    under_way.settle(Spending(10, 0))  # counts where it began
    hold.settle(Spending(3, 0))
    assert [(balance.used, balance.held) for balance in held.balances()] == [(3, 0)]


@pytest.mark.anyio
async def test_counters_live_on_over_a_change_of_the_file_and_new_ones_open_with_what_was_used() -> None:
    asked: list[tuple[str, int]] = []

    def opening(limit: Limit, since_ns: int) -> Mapping[Values, int]:
        asked.append((limit.name, since_ns))
        return {("acme",): 7}

    clock = FakeClock(1_700_000_000 * 10**9)
    held = ledger(limit(tokens=10, per=["tenant"], window="day"), clock=clock, opening=opening)
    hold = await held.hold(call(tenant="acme"), worst(output=3))
    held.adopt(new_rules(limit(tokens=20, per=["tenant"], window="day"), limit("other", requests=1)), opening)
    hold.settle(Spending(2, 0))
    day = 1_700_000_000 // 86400 * 86400 * 10**9
    assert asked[0] == ("cap", day)
    assert [name for name, _ in asked] == ["cap", "other"]
    first = held.balances()[0]
    assert (first.limit.amount, first.used, first.held) == (20, 9, 0)


@pytest.mark.anyio
async def test_made_up_callers_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MAX_ACCOUNTS", 3)
    monkeypatch.setattr(counters, "SWEEP_NS", 0)
    held = ledger(limit(tokens=10, per=["user"]))
    for number in range(10):
        await held.admit(call(user=f"idle{number}"))
    for number in range(3):
        (await held.hold(call(user=f"u{number}"), worst(output=1))).settle(Spending(1, 0))
    with pytest.raises(LimitExceeded, match="too many different callers"):
        await held.hold(call(user="one-more"), worst(output=1))
    await held.hold(call(user="u1"), worst(output=1))


@pytest.mark.anyio
async def test_made_up_users_of_one_tenant_leave_room_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MAX_ACCOUNTS", 6)
    monkeypatch.setattr(counters, "MOST_OF_ONE", 3)
    monkeypatch.setattr(counters, "SWEEP_NS", 0)
    held = ledger(limit(tokens=10, per=["tenant", "user"]))
    for number in range(3):
        (await held.hold(call(tenant="evil", user=f"u{number}"), worst(output=1))).settle(Spending(1, 0))
    with pytest.raises(LimitExceeded, match="too many different callers"):
        await held.hold(call(tenant="evil", user="one-more"), worst(output=1))
    for number in range(3):
        (await held.hold(call(tenant="acme", user=f"u{number}"), worst(output=1))).settle(Spending(1, 0))
    await held.hold(call(tenant="evil", user="u1"), worst(output=1))


@pytest.mark.anyio
async def test_a_budget_holds_whatever_the_text_is_and_a_rate_goes_by_estimate() -> None:
    dense = Worst(input=10, most_input=40, output=0, cost=lambda tokens: 0)
    await ledger(limit(tokens=10, window="minute")).hold(call(), dense)
    with pytest.raises(LimitExceeded, match="may take 40"):
        await ledger(limit(tokens=10, window="month")).hold(call(), dense)


@pytest.mark.anyio
async def test_a_downgraded_call_counts_where_it_goes_and_is_exchanged_once() -> None:
    held = ledger(
        limit("a", tokens=0, action="downgrade"),
        limit("b", tokens=0, action="downgrade"),
        limit("small-rate", requests=1, match={"model": ["small"]}),
        cheaper={"assistant": "small"},
    )
    first = await held.admit(call())
    assert first.call.model == "small"
    assert first.call.journal.notices == ["limit a: small answers instead of assistant"]
    with pytest.raises(LimitExceeded, match="limit small-rate"):
        await held.admit(call())


@pytest.mark.anyio
async def test_what_has_no_price_in_the_end_costs_what_was_held() -> None:
    held = ledger(limit(money="1", window="day"))
    (await held.hold(call(), worst(output=10, each=DOLLAR // 100))).settle(Spending(10, None))
    assert [balance.used for balance in held.balances()] == [DOLLAR // 10]


def test_rules_that_are_not_taken_up_change_nothing() -> None:
    held = ledger(limit(tokens=5))
    held.prepared(new_rules(limit(tokens=999)), lambda limit, since_ns: {})
    assert [balance.limit.amount for balance in held.balances() if balance.limit] == []
    asyncio.run(held.admit(call()))
    assert [balance.limit.amount for balance in held.balances()] == [5]


def test_the_price_of_an_alias_is_asked_for_soft_budgets() -> None:
    held = ledger(limit(money="5", action="warn"), price=lambda alias, usage: usage.output * DOLLAR)
    admitted = asyncio.run(held.admit(replace(call(), params={"max_tokens": 6})))
    assert admitted.call.journal.notices == ["limit cap is used up"]
