"""The money of one run: counted always, and held before it is spent where there is a cap."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar

import msgspec

from moat.domain.calls import Call
from moat.domain.errors import LimitExceeded, NoPrice
from moat.domain.usage import format_usd
from moat.ports.ledger import Hold, Spending, Worst

_IN_CASE: ContextVar[bool] = ContextVar("in a case that is answered outside of the pipeline", default=False)


class RunBudget:
    """Implements `moat.ports.ledger.Ledger` for one run: answers, judges and simulated users alike.

    Each try holds the most that it may cost before it is sent, so that a run never spends more than its cap. A try
    that there is no room for waits until others have settled; when none is under way, the cap is reached, and says so
    from then on. (What an answer may cost rests on its longest length: the call's `max_tokens`, else the most that the
    model is known to give, else 4,096 tokens.)

    What a service or a function costs is known when it has answered. Such a case (`begin`, `end`) holds what the
    dearest one before it cost. As long as none has cost anything, no more are under way than have ended, the first one
    alone. So the cap is kept but for a case that is dearer than all before it: the run may be over by as much as it is
    dearer, once for each such case under way, and by the whole of the first one that costs anything.
    """

    def __init__(self, cap: int | None = None, spent: int = 0) -> None:
        """Picodollars. `spent`: by the run before."""
        self.cap = cap
        self.spent = spent
        self.crowded: Callable[[], None] = lambda: None
        """Called when a try has to wait for room: fewer at one time would do."""
        self._over: str | None = None
        self._held = 0
        self._tries = 0
        self._cases = self._ended = 0
        self._dearest = 0
        self._stuck = self._woken = 0
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()

    @property
    def reached(self) -> LimitExceeded | None:
        """Why no further try is made, with what is spent by now; None while there is room."""
        if self._over is None or self.cap is None:
            return None
        return LimitExceeded(
            f"the run's budget of {format_usd(self.cap)} is used up: {format_usd(self.spent)} are spent{self._over}",
            remedy="What was answered is stored; the same command with a higher --budget goes on from there.",
        )

    def watches(self, call: Call) -> bool:
        """Always: it counts."""
        return True

    async def admit(self, call: Call) -> "_Admitted":
        """Let it in. Raises `LimitExceeded` when the cap is reached."""
        self._check()
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
        inside = _IN_CASE.get()
        while self._over is None and not self._fits(cost):
            if not self._others(inside):
                self._end(f", and the next call may cost {format_usd(cost)}")
                break
            self.crowded()
            await self._wait(inside)
        self._check()
        self._held += cost
        self._tries += 1
        return _Held(self, cost, worst)

    async def reserve(self, call: Call, worst: Worst, *, owed: bool = False) -> Hold:
        """As `hold`: a run has no later."""
        return await self.hold(call, worst)

    def settle(self, held: int, spent: int | None) -> None:
        """A try is over. What it cost is not known: then as much as was held."""
        self.spent += held if spent is None else spent
        if self.cap is not None:
            self._held -= held
            self._tries -= 1
            self._wake()

    async def begin(self) -> None:
        """Take room for a case that is answered outside of the pipeline. Raises `LimitExceeded`."""
        if self.cap is not None:
            while self._over is None and (self._is_unknown() or not self._fits(self._dearest)):
                if not self._others():
                    self._end(f", and the next case may cost {format_usd(self._dearest)}")
                    break
                await self._wait()
            self._check()
        self._cases += 1
        _IN_CASE.set(True)

    def end(self, cost: int | None) -> None:
        """Such a case has its answer, or has failed. What it cost is not known: then as much as was held."""
        _IN_CASE.set(False)
        self.spent += (self._dearest if self.cap is not None else 0) if cost is None else cost
        self._cases -= 1
        self._ended += 1
        self.expect(cost)
        self.learn(self.spent)
        self._wake()

    def expect(self, cost: int | None) -> None:
        """What a case cost, now or before the run was interrupted: others may cost as much."""
        self._dearest = max(self._dearest, cost or 0)

    def learn(self, spent: int) -> None:
        """What the run cost so far, as its results say."""
        self.spent = max(self.spent, spent)
        if self.cap is not None and self._over is None and self.spent > self.cap:
            self._end("")

    def _fits(self, cost: int) -> bool:
        assert self.cap is not None
        return self.spent + self._held + self._cases * self._dearest + cost <= self.cap

    def _is_unknown(self) -> bool:
        return not self._dearest and self._cases >= max(1, self._ended)

    def _others(self, inside: bool = False) -> bool:
        """Is anything under way that will give room back, or may have room now? Not this case, nor those that wait as
        its calls do.
        """
        return self._tries + self._cases - self._stuck - inside > 0 or self._woken > 0

    async def _wait(self, inside: bool = False) -> None:
        """Until something gave room back. Whoever was woken and did not look yet counts as under way: what it needs may
        fit where this does not.
        """
        waiting = asyncio.get_running_loop().create_future(), inside
        self._waiting.append(waiting)
        self._stuck += inside
        try:
            await waiting[0]
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._stuck -= inside
            else:
                self._woken -= 1
            self._wake()  # others may have waited for this one to look
            raise
        self._woken -= 1

    def _check(self) -> None:
        if self._over is not None and (reached := self.reached) is not None:
            raise reached

    def _end(self, more: str) -> None:
        self._over = more
        self._wake()

    def _wake(self) -> None:
        """All of them: the first may be too dear, another not."""
        waiting, self._waiting = self._waiting, deque()
        self._stuck = 0
        self._woken += len(waiting)
        for future, _ in waiting:
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
