"""What has been counted against one limit, in memory: nothing here waits, so nothing comes between."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from moat.domain.errors import LimitExceeded
from moat.domain.windows import Span, window
from moat.spend.limits import Limit, Values

MAX_ACCOUNTS = 250_000
"""Per limit and window: callers who make up users cannot fill the memory."""
MOST_OF_ONE = MAX_ACCOUNTS // 2
"""Of them with the same first value, such as one tenant's: who makes up users leaves room for other tenants'."""


SWEEP_NS = 10 * 10**9


class Loan(msgspec.Struct):
    """A part of a counter's room that another process has."""

    worker: str
    taken: Callable[[], tuple[int, int]]
    """What was used of it there, and what is held."""
    index: int
    """What it is called there."""
    granted: int = 0

    @property
    def bound(self) -> int:
        """All that is gone for others. What cost more than was lent is gone too."""
        return max(self.granted, sum(self.taken()))


class Account(msgspec.Struct):
    """One counter."""

    used: int = 0
    """Settled in this window."""
    held: int = 0
    """Taken by calls under way."""
    lent: tuple[Loan, ...] = ()

    def room(self, amount: int) -> int:
        """What is left of so much."""
        taken = self.used + self.held
        return amount - taken - sum(loan.bound for loan in self.lent) if self.lent else amount - taken

    def hold(self, amount: int) -> None:
        """Take room for a call under way."""
        self.held += amount

    def settle(self, held: int, used: int) -> None:
        """Of what was held, so much was used."""
        self.held -= held
        self.used += used

    def retire(self) -> None:
        """Its window is over; calls under way may still settle."""

    @property
    def idle(self) -> bool:
        """Nothing would be lost with it."""
        return not (self.used or self.held or self.lent)

    @property
    def all_used(self) -> int:
        """What all processes settled."""
        return self.used + sum(loan.taken()[0] for loan in self.lent)


class Balance(NamedTuple):
    """How far a limit is used up, for people."""

    limit: Limit
    values: Values
    used: int
    held: int
    resets_ns: int
    """When the window ends; 0 for a limit without one."""


class Place(NamedTuple):
    """One counter that a call falls on."""

    limit: Limit
    """As it is now: its amount may have changed since the counters began."""
    values: Values
    account: Account
    resets_ns: int
    """When its window ends; 0 without one."""
    now_ns: int
    starts_ns: int = 0
    """When its window began; 0 without one."""

    @property
    def room(self) -> int:
        """What is left."""
        return self.account.room(self.limit.amount)


class Counters:
    """The accounts of one limit in its present window.

    Calls that are under way when a window ends settle on the account they were held on: what they cost belongs to the
    window in which they began.
    """

    def __init__(self, limit: Limit, now_ns: int, new: Callable[[], Account] = Account) -> None:
        """`new` makes an account, for the calls of this process."""
        self.limit = limit
        self._new = new
        self._span = _span(limit, now_ns)
        self._accounts: dict[Values, Account] = {}
        self._shares = Counter[str]()
        self._swept_ns = 0

    def open(self, used: Mapping[Values, int]) -> None:
        """Begin with what was used in the present window before."""
        self._keep({values: Account(amount) for values, amount in used.items()})

    def account(self, values: Values, now_ns: int) -> Account:
        """The counter to use now. Raises `LimitExceeded` when there are too many."""
        self._roll(now_ns)
        account = self._accounts.get(values)
        if account is None:
            if self._is_full(values):
                self._sweep(values, now_ns)
            account = self._accounts[values] = self._new()
            self._shares.update(values[:1])
        return account

    def _is_full(self, values: Values) -> bool:
        """For these values."""
        return len(self._accounts) >= MAX_ACCOUNTS or (len(values) > 1 and self._shares[values[0]] >= MOST_OF_ONE)

    def _keep(self, accounts: dict[Values, Account]) -> None:
        self._accounts = accounts
        self._shares = Counter(values[0] for values in accounts if values)

    @property
    def starts_ns(self) -> int:
        """When the window began; 0 without one."""
        return self._span.start_ns

    @property
    def resets_ns(self) -> int:
        """When the window ends; 0 without one."""
        return self._span.end_ns if self.limit.window else 0

    def balances(self, now_ns: int) -> Iterator[Balance]:
        """All accounts of the present window, fullest first. Changes nothing, so that any thread may ask."""
        accounts = list(self._accounts.items()) if now_ns < self._span.end_ns else []
        accounts.sort(key=lambda item: -item[1].all_used - item[1].held)
        for values, account in accounts:
            yield Balance(self.limit, values, account.all_used, account.held, self.resets_ns)

    def _roll(self, now_ns: int) -> None:
        """Begin the next window when the present one is over. A clock set back begins none: it would give out the
        same budget twice.
        """
        if now_ns >= self._span.end_ns:
            self._span = _span(self.limit, now_ns)
            before = self._accounts
            self._keep({})
            if self._new is not Account:
                for account in before.values():
                    account.retire()

    def _sweep(self, values: Values, now_ns: int) -> None:
        """Make room by forgetting who used nothing; seldom, for it takes a while."""
        if now_ns - self._swept_ns >= SWEEP_NS:
            self._swept_ns = now_ns
            self._keep({key: account for key, account in self._accounts.items() if not account.idle})
        if self._is_full(values):
            raise LimitExceeded(
                f"the limit {self.limit.name!r} counts by too many different callers",
                remedy=f"It keeps {MAX_ACCOUNTS:,} counters in one window; count by something coarser.",
            )


_ALWAYS = Span(0, 2**63 - 1)


def _span(limit: Limit, now_ns: int) -> Span:
    return window(limit.window, limit.tz, now_ns) if limit.window else _ALWAYS
