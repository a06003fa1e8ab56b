"""The money of a run: held before it is spent, whatever happens at one time."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.domain.calls import Delta, Finished
from moat.domain.errors import LimitExceeded, NoPrice
from moat.domain.releases import MessageTemplate
from moat.domain.scores import Score
from moat.domain.usage import Usage
from moat.evals.answer import Answered
from moat.evals.runner import execute
from moat.evals.running.budget import RunBudget
from moat.evals.running.means import Means
from moat.pipeline.recipe import build
from moat.ports.ledger import Spending, Worst
from moat.testing.fakes import FakeClock, NoPrices, fake_ports, new_call
from tests.evals.worlds import FileRuns, a_target


def worst(cost):
    return Worst(1, 1, 1, lambda output: cost)


@given(
    cap=st.integers(0, 60),
    calls=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20), st.integers(0, 3)), max_size=25),
)
def test_no_order_of_calls_spends_more_than_the_cap(cap, calls):
    budget, refused = RunBudget(cap), []

    async def one(most, spent, steps):
        try:
            hold = await budget.hold(new_call(), worst(most))
        except LimitExceeded as error:
            refused.append((most, error))
            return
        for _ in range(steps):
            await asyncio.sleep(0)
        hold.settle(Spending(1, min(most, spent)))
        hold.settle(Spending(1, 1000))  # the first one counts

    async def all_of_them():
        await asyncio.gather(*(one(*call) for call in calls))

    asyncio.run(asyncio.wait_for(all_of_them(), 30))
    assert budget.spent <= cap
    if not refused:
        assert budget.spent == sum(min(most, spent) for most, spent, _ in calls)
    else:
        assert budget.reached is not None


@pytest.mark.anyio
@pytest.mark.parametrize("leaves", [False, True], ids=["the cheap one goes on", "it is cancelled"])
async def test_a_call_that_is_too_dear_waits_until_all_others_have_looked(leaves):
    budget, held = RunBudget(100), []
    first = await budget.hold(new_call(), worst(96))

    async def one(most):
        hold = await budget.hold(new_call(), worst(most))
        held.append(most)
        hold.settle(Spending(1, most))

    dear, cheap = (asyncio.create_task(one(most)) for most in (20, 5))
    await asyncio.sleep(0)
    first.settle(Spending(1, 90))
    if leaves:
        cheap.cancel()
    done = await asyncio.wait_for(asyncio.gather(dear, cheap, return_exceptions=True), 20)
    assert isinstance(done[0], LimitExceeded)
    assert (held, budget.spent) == (([], 90) if leaves else ([5], 95))


@pytest.mark.anyio
async def test_without_a_cap_it_only_counts():
    budget = RunBudget()
    hold = await budget.hold(new_call(), worst(None))
    hold.settle(Spending(5, 7))
    (await budget.reserve(new_call(), worst(9))).settle(Spending(5, None))
    assert (budget.spent, budget.reached, budget.watches(new_call())) == (7, None, True)


@pytest.mark.anyio
async def test_a_model_without_a_price_is_not_asked_under_a_cap():
    with pytest.raises(NoPrice, match="not known"):
        await RunBudget(5).hold(new_call(), worst(None))


@pytest.mark.anyio
async def test_what_costs_more_than_is_known_counts_as_much_as_was_held():
    budget = RunBudget(10)
    (await budget.hold(new_call(), worst(8))).settle(Spending(5, None))
    assert budget.spent == 8


class Priced:
    """Answers with a usage, slowly, and counts."""

    def __init__(self):
        self.asked = 0

    async def answer(self, call):
        self.asked += 1
        await asyncio.sleep(0.001)
        yield Delta(text="yes")
        yield Finished(reason="stop", usage=Usage(input=10, output=5))

    async def aclose(self):
        pass


def a_priced_world(count, **more):
    evaluation = a_target(count, **more)
    prompt = replace(
        evaluation.prompt, messages=(MessageTemplate("user", "Case {{ i }}?"),), params={"max_tokens": 100}
    )
    return replace(evaluation, prompt=prompt, target=replace(evaluation.target, prompt=prompt))


def means(provider, evaluation, budget):
    from dataclasses import replace as with_ports

    return Means(build(with_ports(fake_ports(provider, evaluation.prompt), ledger=budget)), budget)


@pytest.mark.anyio
@pytest.mark.promise("keep-5")
async def test_a_run_stops_at_its_budget_and_goes_on_with_a_higher_one(tmp_path):
    evaluation, runs, provider = a_priced_world(60, concurrency=8), FileRuns(tmp_path / "runs"), Priced()
    budget = RunBudget(700)
    with pytest.raises(LimitExceeded, match=r"the run's budget of .* is used up"):
        await execute(
            evaluation.new_run(1),
            evaluation,
            means=means(provider, evaluation, budget),
            runs=runs,
            clock=FakeClock(),
        )
    stopped = evaluation.find_run(runs)
    stored = runs.results(stopped.id)
    assert stopped.status == "interrupted"
    assert sum(result.cost for result in stored) == budget.spent <= 700
    assert len(stored) == provider.asked >= 20, "nothing that was paid is lost"
    assert not any(result.error for result in stored)
    more = RunBudget(10_000)
    run = await execute(stopped, evaluation, means=means(provider, evaluation, more), runs=runs, clock=FakeClock())
    assert (run.status, provider.asked, more.spent) == ("finished", 60, 900)


class AskingScorer:
    """Asks a model for each answer, which may cost more than the answer did."""

    name, identity = "asking", {"kind": "asking", "name": "asking"}

    def bind(self, bench):
        self.ask = bench.ask
        return self

    async def score(self, case, answer):
        call = new_call(params={"max_tokens": 190})
        try:
            async for _ in self.ask(call):
                pass
        except LimitExceeded as error:
            return Score(name=self.name, status="error", reason=str(error))
        return Score(name=self.name, value=1.0, cost=15)


class Paid:
    """A target whose answers cost something elsewhere."""

    name, digest = "service", "sha256:service"

    def bind(self, bench):
        return self

    async def answer(self, case, repeat):
        return Answered("yes", cost=15)


@pytest.mark.anyio
@pytest.mark.promise("keep-5")
@pytest.mark.parametrize("paid_elsewhere", [False, True])
async def test_answers_whose_judge_the_budget_refused_are_not_free_on_resume(tmp_path, paid_elsewhere):
    evaluation, runs, provider = a_priced_world(3, concurrency=1), FileRuns(tmp_path / "runs"), Priced()
    target = Paid() if paid_elsewhere else evaluation.target
    suite = replace(evaluation.suite, scorers=(AskingScorer(),), gates=())
    evaluation, run = replace(evaluation, suite=suite, target=target), None
    for number in range(1, 20):
        budget = RunBudget(150)
        with pytest.raises(LimitExceeded):
            await execute(
                run or evaluation.new_run(1),
                evaluation,
                means=means(provider, evaluation, budget),
                runs=runs,
                clock=FakeClock(),
            )
        run = evaluation.find_run(runs)
        assert (run.status, runs.results(run.id)) == ("interrupted", [])
        assert run.spent == (15 * min(number, 11) if paid_elsewhere else 15 * provider.asked)
    assert budget.spent == run.spent <= (165 if paid_elsewhere else 150)


@pytest.mark.anyio
async def test_a_run_with_a_budget_and_a_model_without_a_price_stops_at_once(tmp_path):
    from dataclasses import replace as with_ports

    evaluation, runs, budget = a_priced_world(30), FileRuns(tmp_path / "runs"), RunBudget(700)
    ports = with_ports(fake_ports(Priced(), evaluation.prompt), ledger=budget, prices=NoPrices())
    with pytest.raises(NoPrice):
        await execute(
            evaluation.new_run(1), evaluation, means=Means(build(ports), budget), runs=runs, clock=FakeClock()
        )
    assert runs.results(evaluation.find_run(runs).id) == []
