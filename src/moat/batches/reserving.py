"""What a batch may cost, held before it begins."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from moat.domain.batches import BATCH_PRICED
from moat.domain.calls import Call, Deployment, Event, Finished, Journal
from moat.domain.errors import DataRefused, GuardBlocked, LimitExceeded, Stopped, Unsupported
from moat.domain.usage import Usage, format_usd
from moat.pipeline.billing import Reserve
from moat.pipeline.compose import compose
from moat.pipeline.ports import Ports
from moat.pipeline.stages.guard import Guard
from moat.pipeline.stages.handle import Classify
from moat.pipeline.stages.render import Render
from moat.pipeline.stages.resolve import Resolve
from moat.pipeline.stages.route import Route
from moat.ports.ledger import Admission, Hold, Ledger, Spending, Worst
from moat.ports.prices import Prices
from moat.spend.refusals import SOON

DISCOUNT = 0.5
"""Where moat.yaml states none: what OpenAI, Anthropic, Google and others take off."""


WITHHELD = (GuardBlocked, DataRefused)
"""What is wrong with one line alone: it fails with that when it is run, and the rest of its batch goes on."""


async def prepare(call: Call, ports: Ports) -> Call:
    """The call as it would go out now: its prompt rendered, with a plan. Raises what stands in the way, and
    `Unsupported` for one that would not go out: a guard answers it.
    """
    trial = replace(call, journal=Journal())
    outward = compose([Resolve(ports), Render(ports), Guard(ports), Route(ports), Classify(ports)], _nowhere)
    async with aclosing(outward(trial)) as events:
        async for _ in events:
            pass
    if trial.journal.sent is None:
        raise Unsupported("a guard answers it in place of a model")
    return trial.journal.sent


async def _nowhere(call: Call) -> AsyncGenerator[Event, None]:
    yield Finished(reason="stop")


def worst_of(call: Call, ports: Ports, deployments: Sequence[Deployment]) -> Worst:
    """The most that a prepared call may take, at the dearest of these deployments."""
    reserves = [Reserve(replace(call, deployment=deployment), ports) for deployment in deployments]

    def cost(output: int) -> int | None:
        known = [cost for reserve in reserves if (cost := reserve.cost(output)) is not None]
        return max(known) if len(known) == len(reserves) else None

    first = reserves[0].worst
    output = max(reserve.output for reserve in reserves)
    return Worst(first.input, first.most_input, output, cost, first.fixed)


class Whole(Struct, frozen=True):
    """The most that lines may take together."""

    lines: int = 0
    tokens: int = 0
    cost: int | None = 0
    """Picodollars; None when one has no price."""

    def plus(self, worst: Worst) -> "Whole":
        """With one line more."""
        cost = None if self.cost is None else worst.cost(worst.output)
        return Whole(
            self.lines + 1,
            self.tokens + worst.most_input + worst.output,
            None if cost is None or self.cost is None else self.cost + cost,
        )


def too_much(error: LimitExceeded, held: int, whole: Whole) -> LimitExceeded:
    """Why a batch is refused that was found to have no room after so many lines: what it may take in all."""
    if error.status != LimitExceeded.default_status:
        return error  # a line that no budget will ever have room for
    cost = "" if whole.cost is None else f"{format_usd(whole.cost)} and "
    # What would be free in a moment is what its own lines held: another try would not go better.
    waits = not held or (error.retry_after or 0) > SOON
    remedy = "Make it smaller, or ask for shorter answers (`max_tokens`)"
    refused = LimitExceeded(
        f"limit {error.limit}: the batch's {whole.lines:,} lines may take {cost}{whole.tokens:,} tokens together, and "
        f"there is room for {held:,} of them",
        where="input_file_id",
        remedy=f"{remedy}, or wait until the limit has room." if waits else f"{remedy}.",
        retry_after=error.retry_after if waits else None,
    )
    refused.limit = error.limit
    return refused


class BatchPrices:
    """Prices of a provider's batch API: of tokens only a share. Its searches and other tools cost what they always do.
    Implements `Prices`.
    """

    def __init__(self, prices: Prices, discounts: Mapping[str, float]) -> None:
        """`discounts`: by `provider/model`, as shares of the price."""
        self._prices = prices
        self._discounts = discounts
        self.version = prices.version + BATCH_PRICED

    def cost(self, deployment: Deployment, alias: str, usage: Usage, at_ns: int = 0) -> int | None:
        """Picodollars, rounded once, half-even. A batch is a level of service of its own, whatever was asked for; only
        a place of inference that is dearer (Anthropic's `us`) is so in it too.
        """
        if usage.tier:
            usage = replace(usage, tier="us" if "us" in usage.tier.split("+") else "")
        cost = self._prices.cost(deployment, alias, usage, at_ns)
        if cost is None:
            return None
        tools = Usage(searches=usage.searches, runs=usage.runs)
        full = self._prices.cost(deployment, alias, tools, at_ns) or 0 if usage.searches or usage.runs else 0
        discount = self._discounts.get(str(deployment), DISCOUNT)
        return full + round((cost - full) * (1 - Fraction(Decimal(str(discount)))))

    def draws(self, deployment: Deployment, alias: str) -> bool:
        """As at the full price."""
        return self._prices.draws(deployment, alias)


class Reservation:
    """Room for every line of one batch that has none of its answer yet, by line number."""

    def __init__(self) -> None:
        self._holds: dict[int, Hold] = {}

    def add(self, line: int, hold: Hold) -> None:
        """Keep what was taken."""
        self._holds[line] = hold

    def held(self, line: int) -> Hold | None:
        """What is held for a line."""
        return self._holds.get(line)

    def take(self, line: int) -> Hold | None:
        """What is held for a line, from now on in other hands."""
        return self._holds.pop(line, None)

    def give_back(self, line: int) -> None:
        """A line needs it no longer, or takes anew what it needs."""
        hold = self.take(line)
        if hold is not None:
            hold.settle(Spending(0, 0))

    def end(self) -> int:
        """Give back all that is left, and say of how many lines. Idempotent."""
        lines = list(self._holds)
        for line in lines:
            self.give_back(line)
        return len(lines)


class LineLedger:
    """The ledger as one line asks it: what is reserved for it becomes what its attempts hold.

    Where a rate has no room at present the line waits, as long as its batch goes on.
    """

    def __init__(self, ledger: Ledger, give_back: Callable[[], None], stopping: asyncio.Event) -> None:
        self._ledger = ledger
        self._give_back = give_back
        self._stopping = stopping

    def watches(self, call: Call) -> bool:
        """As the ledger."""
        return self._ledger.watches(call)

    async def admit(self, call: Call) -> Admission:
        """See `Ledger`. Raises `Stopped` when the batch ends while it waits."""
        while True:
            try:
                return await self._ledger.admit(call)
            except LimitExceeded as error:
                if error.retry_after is None:
                    raise
                await wait(self._stopping, error.retry_after)
                if self._stopping.is_set():
                    raise Stopped("the batch was cancelled") from None

    async def reserve(self, call: Call, worst: Worst, *, owed: bool = False) -> Hold:
        """See `Ledger`."""
        return await self._ledger.reserve(call, worst, owed=owed)

    async def hold(self, call: Call, worst: Worst) -> Hold:
        """See `Ledger`. Nothing can come between giving back and taking: neither waits in one process."""
        self._give_back()
        return await self._ledger.hold(call, worst)


class SpentLedger:
    """The ledger for what a provider has run already: it counts, and cannot refuse."""

    def __init__(self, ledger: Ledger, held: Hold | None) -> None:
        self._ledger = ledger
        self._held = held

    def watches(self, call: Call) -> bool:
        """As the ledger."""
        return self._ledger.watches(call)

    async def admit(self, call: Call) -> Admission:
        """See `Ledger`."""
        try:
            return _Entered(call, (await self._ledger.admit(call)).leave)
        except LimitExceeded:
            return _Entered(call, lambda: None)

    async def reserve(self, call: Call, worst: Worst, *, owed: bool = False) -> Hold:
        """See `Ledger`."""
        return await self._ledger.reserve(call, worst, owed=owed)

    async def hold(self, call: Call, worst: Worst) -> Hold:
        """What was reserved."""
        held, self._held = self._held, None
        return _Answered(held if held is not None else await self._ledger.reserve(call, worst, owed=True))


class _Entered:
    """Implements `Admission`; limits change nothing about what has happened."""

    def __init__(self, call: Call, leave: Callable[[], None]) -> None:
        self.call = call
        self.leave = leave


class _Answered:
    """Implements `Hold`; nobody has to be told how long an answer may be that is there."""

    bounds = False

    def __init__(self, hold: Hold) -> None:
        self.output = hold.output
        self.settle = hold.settle


async def wait(stopping: asyncio.Event, seconds: float) -> None:
    """Until then, or until it is told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass
