"""The money of targets that do not ask through the pipeline: services and functions say afterwards what they cost."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.domain.errors import LimitExceeded, ProviderDown, ProviderOverloaded
from moat.domain.scores import Score
from moat.domain.usage import from_usd
from moat.evals.answer import Answered
from moat.evals.runner import execute
from moat.evals.running.budget import RunBudget
from moat.evals.running.means import Means
from moat.ports.ledger import Spending, Worst
from moat.testing.fakes import FakeClock, new_call
from tests.evals.worlds import FileRuns, a_target


class Service:
    """Answers after a moment, for what `cost(number)` says; counts how many it answers at one time."""

    name, digest = "service", "sha256:service"

    def __init__(self, cost):
        self.cost = cost
        self.asked = self.open = self.most = 0

    def bind(self, bench):
        self.bench = bench
        return self

    async def answer(self, case, repeat):
        number, self.asked = self.asked, self.asked + 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await asyncio.sleep(0.001)
            cost = self.cost(number)
            if isinstance(cost, Exception):
                raise cost
            return Answered("yes", cost=cost)
        finally:
            self.open -= 1


def refuse(call):
    raise AssertionError("nothing is asked through the pipeline")


async def run(evaluation, runs, cap, *, known=None, ask=refuse, budget=None):
    budget = budget or RunBudget(cap)
    try:
        await execute(
            known or evaluation.new_run(1), evaluation, means=Means(ask, budget), runs=runs, clock=FakeClock()
        )
    except LimitExceeded as error:
        return budget, str(error)
    return budget, ""


@pytest.mark.anyio
@pytest.mark.promise("keep-5")
async def test_a_dear_function_is_called_once_under_a_cap_that_two_calls_would_break(tmp_path):
    service, runs = Service(lambda number: from_usd("3")), FileRuns(tmp_path / "runs")
    evaluation = replace(a_target(72, concurrency=16), target=service)
    budget, said = await run(evaluation, runs, from_usd("5"))
    assert (service.asked, budget.spent) == (1, from_usd("3"))
    assert "budget of $5.00 is used up: $3.00 are spent, and the next case may cost $3.00." in said
    stopped = evaluation.find_run(runs)
    assert (stopped.status, stopped.spent, len(runs.results(stopped.id))) == ("interrupted", from_usd("3"), 1)
    _, said = await run(evaluation, runs, from_usd("10"), known=stopped)
    assert (service.asked, runs.get(stopped.id).spent) == (3, from_usd("9")), "what one costs is known from before"
    assert "$9.00 are spent" in said


@pytest.mark.anyio
async def test_a_service_that_may_be_another_tomorrow_is_not_promised_to_go_on(tmp_path):
    evaluation = replace(a_target(9), target=Service(lambda number: 30), settled=False)
    _, said = await run(evaluation, FileRuns(tmp_path / "runs"), 50)
    assert said.endswith("Run it with a higher --budget: from the start, as the service states no `version`.")
    assert "goes on from there" not in said


@pytest.mark.anyio
async def test_the_first_case_may_break_the_cap_and_no_other_is_asked_then(tmp_path):
    service = Service(lambda number: 70)
    evaluation = replace(a_target(20, concurrency=16), target=service)
    budget, said = await run(evaluation, FileRuns(tmp_path / "runs"), 50)
    assert (service.asked, budget.spent) == (1, 70)
    assert "is used up" in said


@given(
    costs=st.lists(st.integers(0, 30), min_size=1, max_size=40),
    cap=st.integers(1, 200),
    width=st.integers(1, 16),
)
def test_the_run_is_over_its_cap_by_no_more_than_cases_are_dearer_than_all_before(costs, cap, width):
    budget, seen, allowed = RunBudget(cap), [0], []

    async def one(todo):
        for cost in todo:
            try:
                await budget.begin()
            except LimitExceeded:
                return
            await asyncio.sleep(0)
            allowed.append(max(0, cost - max(seen)))
            seen.append(cost)
            budget.end(cost)

    async def all_of_them():
        todo = iter(costs)
        await asyncio.gather(*(one(todo) for _ in range(width)))

    asyncio.run(asyncio.wait_for(all_of_them(), 30))
    under_way_together = min(width, len(costs))
    assert budget.spent <= cap + max(allowed) * under_way_together
    if max(costs) == costs[0]:
        assert budget.spent <= max(cap, costs[0])
    assert budget.spent == sum(seen)
    assert len(seen) - 1 == len(costs) or budget.reached is not None


@pytest.mark.anyio
async def test_a_target_that_says_nothing_of_its_costs_is_soon_asked_many_times_at_once(tmp_path):
    silent, known = Service(lambda number: None), Service(lambda number: 1)
    for service in (silent, known):
        evaluation = replace(a_target(80, concurrency=8), target=service)
        budget, said = await run(evaluation, FileRuns(tmp_path / f"{id(service)}"), 1000)
        assert (said, service.asked, service.most) == ("", 80, 8)
    assert budget.spent == 80


@pytest.mark.anyio
async def test_a_case_that_failed_counts_as_the_dearest_and_one_that_was_refused_as_nothing(tmp_path):
    refused = ProviderOverloaded("no room", where="service", retry_after=0.001)
    costs = [10, ProviderDown("broke"), refused, 10, 10, 10]
    service = Service(lambda number: costs[number] if number < len(costs) else 10)
    evaluation = replace(a_target(9, concurrency=1), target=service)
    budget, said = await run(evaluation, FileRuns(tmp_path / "runs"), 50)
    assert (budget.spent, service.asked) == (50, 6)
    assert "is used up" in said


class Paying:
    """A scorer that asks a model for 5 picodollars."""

    name, identity = "paying", {"kind": "paying", "name": "paying"}

    def __init__(self, budget):
        self._budget = budget

    def bind(self, bench):
        return self

    async def score(self, case, answer):
        hold = await self._budget.hold(new_call(), Worst(1, 1, 1, lambda output: 8))
        await asyncio.sleep(0)
        hold.settle(Spending(1, 5))
        return Score(name=self.name, value=1.0, cost=5)


@pytest.mark.anyio
@pytest.mark.parametrize("cap", [None, 10_000])
async def test_judges_that_ask_through_the_pipeline_are_counted_once(tmp_path, cap):
    budget, runs = RunBudget(cap), FileRuns(tmp_path / "runs")
    evaluation = a_target(20, concurrency=4)
    suite = replace(evaluation.suite, scorers=(Paying(budget),), gates=())
    evaluation = replace(evaluation, suite=suite, target=Service(lambda number: 10))
    await run(evaluation, runs, cap, budget=budget)
    assert budget.spent == runs.runs()[0].spent == 20 * (10 + 5)


class Conversation(Service):
    """Before it answers, it asks who plays the user, through the pipeline."""

    def __init__(self, budget):
        super().__init__(lambda number: 10)
        self._budget = budget

    async def answer(self, case, repeat):
        answer = await super().answer(case, repeat)
        hold = await self._budget.hold(new_call(), Worst(1, 1, 1, lambda output: 6))
        await asyncio.sleep(0.001)
        hold.settle(Spending(1, 6))
        return answer


@pytest.mark.anyio
@pytest.mark.parametrize("cap", range(10, 120, 7))
async def test_a_simulated_user_never_waits_for_the_room_of_his_own_case(tmp_path, cap):
    budget = RunBudget(cap)
    evaluation = a_target(12, concurrency=6)
    evaluation = replace(evaluation, target=Conversation(budget))
    await asyncio.wait_for(run(evaluation, FileRuns(tmp_path / "runs"), cap, budget=budget), 20)
    assert budget.reached is not None
    assert budget.spent <= cap + 10


@pytest.mark.anyio
@pytest.mark.parametrize("inside", ["A B", "B A"])
@pytest.mark.parametrize("first", [True, False], ids=["a new case waits first", "it waits last"])
async def test_nothing_is_refused_that_fits_once_others_have_ended(inside, first):
    """Cap 100, the dearest case 30: D gives back 5, so the calls of A and B, of 12, have room, and C after them."""
    budget, done = RunBudget(100), []
    budget.expect(30)
    waiting, ends = asyncio.Event(), asyncio.Event()

    async def ending():
        await budget.begin()
        await ends.wait()
        budget.end(25)

    async def calling(name):
        await budget.begin()
        await waiting.wait()
        hold = await budget.hold(new_call(), Worst(1, 1, 1, lambda output: 12))
        await asyncio.sleep(0)
        hold.settle(Spending(1, 2))
        budget.end(3)
        done.append(name)

    async def beginning():
        await budget.begin()
        budget.end(5)
        done.append("C")

    tasks = [asyncio.create_task(work) for work in (ending(), *map(calling, inside.split()))]
    await asyncio.sleep(0)
    if first:
        tasks.append(asyncio.create_task(beginning()))
        await asyncio.sleep(0)
    waiting.set()
    await asyncio.sleep(0)
    if not first:
        tasks.append(asyncio.create_task(beginning()))
        await asyncio.sleep(0)
    ends.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 20)
    assert (sorted(done), budget.spent, budget.reached) == (["A", "B", "C"], 25 + 2 * (2 + 3) + 5, None)
