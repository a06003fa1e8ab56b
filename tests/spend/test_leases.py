"""Limits that several processes share: never more than there is, and all of it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import pytest

from moat.adapters.system import SystemClock
from moat.domain.config import LimitConfig
from moat.domain.errors import LimitExceeded, Unavailable
from moat.ports.ledger import Spending, Worst
from moat.spend import leases
from moat.spend.leases import Grant, Lessee, Lessor, Tally, Want, Worker, new_memory
from moat.spend.ledger import LimitLedger, Rules
from moat.spend.limits import compiled
from moat.testing.fakes import FakeClock, new_call

pytestmark = pytest.mark.anyio

MONTH = LimitConfig(name="money", money="0.000000000037", window="month")


@pytest.fixture(autouse=True)
def _a_slow_machine_is_no_silent_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "ANSWER_SECONDS", 60)


def worst(amount: int) -> Worst:
    """An attempt that may cost so many picodollars."""
    return Worst(0, 0, amount, lambda output: output)


class Crew:
    """A keeper and its workers, with a line of messages between them that keeps their order."""

    def __init__(self, *limits: LimitConfig, workers: int = 4, clock: FakeClock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.rules = Rules(compiled(limits), frozenset(), {}, lambda alias, usage: None)
        self.keeper = LimitLedger(self.clock)
        self.lessor = self.keeper.source = Lessor(self.keeper, self.clock)
        self.keeper.adopt(self.rules, lambda limit, since: {})
        self.asked = 0
        self.workers = [self.hire(f"w{number}") for number in range(workers)]

    def hire(self, name: str) -> LimitLedger:
        memory = new_memory()
        ledger = LimitLedger(self.clock)
        out, back = _Line(), _Line()

        def send(number: int, wants: Sequence[Want]) -> None:
            self.asked += 1
            out.put(lambda: self._grant(name, number, wants, lessee, back))

        lessee = Lessee(Tally(memory), send, self.clock)
        ledger.source = lessee
        ledger.adopt(self.rules, lambda limit, since: {})

        async def recall(indexes: list[int]) -> Sequence[int]:
            answer: asyncio.Future[Sequence[int]] = asyncio.get_running_loop().create_future()
            back.put(lambda: _set(answer, lessee.give_back(indexes)))
            return await answer

        self.lessor.joined(name, Worker(Tally(memory), recall))
        return ledger

    async def _grant(self, name: str, number: int, wants: Sequence[Want], lessee: Lessee, back: "_Line") -> None:
        grants = await self.lessor.grant(name, wants)
        back.put(lambda: _set(None, lessee.answered(number, grants)))

    @property
    def used(self) -> int:
        """By all, as the keeper knows it."""
        return sum(balance.used for balance in self.keeper.balances())


class _Line:
    """Does one thing after the other, each a little later."""

    def __init__(self) -> None:
        self._things: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def put(self, thing: Callable[[], Awaitable[None]]) -> None:
        self._things.put_nowait(thing)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        while not self._things.empty():
            thing = self._things.get_nowait()
            await asyncio.sleep(0)
            self._pending = asyncio.ensure_future(thing())


async def _set(future: "asyncio.Future[Sequence[int]] | None", value: object) -> None:
    if future is not None:
        future.set_result(value)  # type: ignore[arg-type]


@pytest.mark.promise("money-1")
async def test_a_cap_holds_over_four_workers_and_is_used_to_the_end() -> None:
    crew = Crew(MONTH)
    under_way, most, let_in = 0, 0, 0

    async def call(ledger: LimitLedger) -> None:
        nonlocal under_way, most, let_in
        hold = await ledger.hold(new_call(), worst(1))
        let_in += 1
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        hold.settle(Spending(1, 1))

    outcomes = await asyncio.gather(*(call(crew.workers[i % 4]) for i in range(500)), return_exceptions=True)
    for ledger in crew.workers:  # what was given back by one is for the others
        await asyncio.sleep(0.03)
        outcomes += await asyncio.gather(*(call(ledger) for _ in range(20)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {type(None), LimitExceeded}
    assert let_in == crew.used == 37


@pytest.mark.promise("money-1")
@pytest.mark.parametrize("seed", range(8))
async def test_what_is_held_and_used_never_passes_the_cap_whoever_dies(seed: int) -> None:
    chance = random.Random(seed)
    cap = 10_000
    crew = Crew(LimitConfig(name="money", money=f"{cap / 1e12:.12f}", window="month"))
    names, taken, dead = [f"w{n}" for n in range(4)], dict.fromkeys(range(4), 0), set[int]()
    spent = 0

    async def call(number: int) -> None:
        nonlocal spent
        amount = chance.choice([1, 7, 90, 800])
        hold = await crew.workers[number].hold(new_call(), worst(amount))
        if number in dead:
            return
        taken[number] += amount
        assert sum(taken.values()) + spent <= cap
        await asyncio.sleep(chance.random() / 200)
        if number in dead:  # it takes with it what it had under way: that counts as used
            return
        cost = chance.randrange(amount + 1)
        hold.settle(Spending(1, cost))
        taken[number] -= amount - cost

    async def kill(number: int) -> None:
        await asyncio.sleep(chance.random() / 20)
        dead.add(number)
        crew.lessor.ended(names[number])

    calls = [call(chance.randrange(4)) for _ in range(400)]
    await asyncio.gather(*calls, kill(1), kill(3), return_exceptions=True)
    living = sum(amount for number, amount in taken.items() if number not in dead)
    assert crew.used == living + sum(taken[number] for number in dead) <= cap
    rest = cap - crew.used
    if rest:
        await asyncio.sleep(0.03)
        hold = await crew.workers[0].hold(new_call(), worst(rest))
        hold.settle(Spending(1, rest))
    assert crew.used == cap


async def test_most_calls_ask_nobody() -> None:
    crew = Crew(LimitConfig(name="requests", requests=100_000, window="month"), workers=2)
    for number in range(2000):
        await crew.workers[number % 2].admit(new_call())
    assert crew.used == 2000
    assert crew.asked < 10


async def test_rooms_at_one_time_are_shared_and_free_again_when_a_worker_dies() -> None:
    crew = Crew(LimitConfig(name="at once", concurrent=5), workers=2)
    first, second = crew.workers
    inside = [await first.admit(new_call()) for _ in range(3)] + [await second.admit(new_call()) for _ in range(2)]
    with pytest.raises(LimitExceeded):
        await second.admit(new_call())
    inside[0].leave()
    await asyncio.sleep(0.03)
    again = await second.admit(new_call())
    crew.lessor.ended("w0")
    await asyncio.sleep(0.03)
    more = [await second.admit(new_call()) for _ in range(2)]
    with pytest.raises(LimitExceeded):
        await second.admit(new_call())
    for one in (again, *more):
        one.leave()


async def test_a_new_window_has_new_leases_and_indexes_are_used_again() -> None:
    clock = FakeClock()
    crew = Crew(LimitConfig(name="requests", requests=3, window="minute"), workers=2, clock=clock)
    for _ in range(200):
        for number in range(3):
            await crew.workers[number % 2].admit(new_call())
        clock.advance(0.03)
        with pytest.raises(LimitExceeded):
            await crew.workers[0].admit(new_call())
        clock.advance(60)
    lessee = crew.workers[0].source
    assert isinstance(lessee, Lessee)
    assert len(lessee._accounts) + len(lessee._free) <= 2


async def test_a_smaller_limit_calls_back_what_was_lent() -> None:
    crew = Crew(LimitConfig(name="requests", requests=1000, window="month"), workers=1)
    await crew.workers[0].admit(new_call())
    smaller = crew.rules._replace(limits=compiled([LimitConfig(name="requests", requests=3, window="month")]))
    for ledger in (crew.keeper, *crew.workers):
        ledger.adopt(smaller, lambda limit, since: {})
    await asyncio.sleep(0.03)
    for _ in range(2):
        await crew.workers[0].admit(new_call())
    with pytest.raises(LimitExceeded, match="3 of 3 requests"):
        await crew.workers[0].admit(new_call())


async def test_the_keepers_own_calls_find_what_workers_have_to_spare() -> None:
    crew = Crew(MONTH, workers=1)
    (await crew.workers[0].hold(new_call(), worst(1))).settle(Spending(1, 1))
    hold = await crew.keeper.hold(new_call(), worst(36))
    hold.settle(Spending(1, 36))
    assert crew.used == 37


@pytest.mark.promise("money-9")
async def test_without_an_answer_calls_are_refused_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "ANSWER_SECONDS", 0.05)
    clock = SystemClock()
    open_questions: list[tuple[int, Sequence[Want]]] = []
    lessee = Lessee(Tally(new_memory()), lambda number, wants: open_questions.append((number, wants)), clock)
    ledger = LimitLedger(clock)
    ledger.source = lessee
    ledger.adopt(Rules(compiled([MONTH]), frozenset(), {}, lambda alias, usage: None), lambda limit, since: {})
    with pytest.raises(Unavailable, match="cannot be checked"):
        await ledger.hold(new_call(), worst(5))
    lessee.answered(open_questions[0][0], [Grant(5, 0)])  # it comes late, and still counts
    await asyncio.sleep(0)
    await ledger.hold(new_call(), worst(5))
    assert len(open_questions) == 1


async def test_a_caller_who_hangs_up_while_room_is_looked_for_leaves_none_behind() -> None:
    crew = Crew(MONTH, workers=2)
    asking = asyncio.ensure_future(crew.workers[0].hold(new_call(), worst(37)))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.sleep(0.03)
    hold = await crew.workers[1].hold(new_call(), worst(37))
    hold.settle(Spending(1, 37))
    assert crew.used == 37


async def test_what_is_more_than_any_budget_harms_nobody_else() -> None:
    crew = Crew(LimitConfig(name="watch", money="1000", window="month", action="warn"), workers=1)
    (ledger,) = crew.workers
    endless = await ledger.hold(new_call(), worst(10**25))
    other = await ledger.hold(new_call(), worst(5))
    endless.settle(Spending(1, 7))
    other.settle(Spending(1, 5))
    await asyncio.sleep(0.05)
    assert [(balance.used, balance.held) for balance in ledger.balances()] == [(12, 0)]
