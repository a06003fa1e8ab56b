"""The money of one run: counted always, and held before it is spent where there is a cap."""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from moat.domain.calls import Call
from moat.domain.errors import LimitExceeded, NoPrice
from moat.domain.usage import format_usd
from moat.ports.ledger import Hold, Spending, Worst


class RunBudget:
    """Implements `moat.ports.ledger.Ledger` for one run: answers, judges and simulated users alike.

    Each try holds the most that it may cost before it is sent, so that a run never spends more than its cap. A try
    that there is no room for waits until others have settled; when none is under way, the cap is reached, and says so
    from then on. (What an answer may cost rests on its longest length: the call's `max_tokens`, else the most that the
    model is known to give, else 4,096 tokens.)
    """

    def __init__(self, cap: int | None = None, spent: int = 0) -> None:
        """Picodollars. `spent`: by the run before."""
        self.cap = cap
        self.spent = spent
        self.reached: LimitExceeded | None = None
        """Why no further try is made."""
        self.crowded: Callable[[], None] = lambda: None
        """Called when a try has to wait for room: fewer at one time would do."""
        self._held = 0
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def idle(self) -> bool:
        """Never: it counts."""
        return False

    async def admit(self, call: Call) -> "_Admitted":
        """Let it in. Raises `LimitExceeded` when the cap is reached."""
        if self.reached is not None:
            raise self.reached
        return _Admitted(call)

    async def hold(self, call: Call, worst: Worst) -> Hold:
        """Take room. Raises `LimitExceeded`, or `NoPrice` for a model that may not be asked under a cap."""
        if self.cap is None:
            return _Held(self, 0, worst)
        cost = worst.cost(worst.output)
        if cost is None:
            raise NoPrice(
                f"the run has a budget, and what {call.deployment} costs is not known",
                where="budget",
                remedy="Set its `price` in moat.yaml, or run without a budget.",
            )
        while self.reached is None and self.spent + self._held + cost > self.cap:
            if not self._open:
                self._end(self.cap, f", and the next call may cost {format_usd(cost)}")
                break
            self.crowded()
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        if self.reached is not None:
            raise self.reached
        self._held += cost
        self._open += 1
        return _Held(self, cost, worst)

    async def reserve(self, call: Call, worst: Worst, *, owed: bool = False) -> Hold:
        """As `hold`: a run has no later."""
        return await self.hold(call, worst)

    def settle(self, held: int, spent: int | None) -> None:
        """A try is over. What it cost is not known: then as much as was held."""
        self.spent += held if spent is None else spent
        if self.cap is not None:
            self._held -= held
            self._open -= 1
            self._wake()

    def learn(self, spent: int) -> None:
        """What the run cost so far: of answers that did not come through the pipeline, nothing was held."""
        self.spent = max(self.spent, spent)
        if self.cap is not None and self.reached is None and self.spent > self.cap:
            self._end(self.cap, "")

    def _end(self, cap: int, more: str) -> None:
        self.reached = LimitExceeded(
            f"the run's budget of {format_usd(cap)} is used up: {format_usd(self.spent)} are spent{more}",
            remedy="What was answered is stored; the same command with a higher --budget goes on from there.",
        )
        self._wake()

    def _wake(self) -> None:
        """All of them: the first may be too dear, another not."""
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                future.set_result(None)


class _Admitted(msgspec.Struct, frozen=True):
    """A call that was let in."""

    call: Call

    def leave(self) -> None:
        """Nothing counts calls at one time."""


class _Held:
    """Room for one try."""

    bounds = False

    def __init__(self, budget: RunBudget, cost: int, worst: Worst) -> None:
        self._budget: RunBudget | None = budget
        self._cost = cost
        self.output = worst.output

    def settle(self, spent: Spending) -> None:
        """Give back what was not used."""
        budget, self._budget = self._budget, None
        if budget is not None:
            budget.settle(self._cost, spent.money)
