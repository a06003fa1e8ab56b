"""Limits that several processes share: one keeps the counters and lends parts of their room to the others.

A worker takes what it holds and uses from its lease, without a word to anybody; when that does not suffice it asks
for more. The keeper gives what was asked for and a share of the rest, so that questions become rare, and calls back
what others have to spare before it lets anybody go without. No two processes ever have the same room.

What a worker took of each lease it writes into memory that the keeper can read. So a worker that is killed costs
nothing: what it had taken is known to the last picodollar, and what it had not is free again.
"""

import asyncio
import mmap
import os
import struct
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from moat.domain.errors import LimitExceeded, Unavailable
from moat.ports.clock import Clock
from moat.spend.counters import Account, Loan, Place
from moat.spend.ledger import LimitLedger
from moat.spend.limits import Limit

MAX_LEASES = 2**20
"""Counters that one worker can have at a time."""

DRY_NS = 20_000_000
"""How long nothing more is asked for after there was not enough: under a flood the keeper has other things to do."""

ANSWER_SECONDS = 3.0
"""A question that stays open for so long fails; so does the call it was asked for."""

RECALL_SECONDS = 0.25
"""Nobody waits longer for a worker to give back what it can spare."""

ADOPT_SECONDS, LOOK_SECONDS = 2.0, 0.02
"""How long the keeper may take to see a limit that the worker has read already; between two looks."""

_PAIR = struct.Struct("=qq")
_MOST = 2**63 - 1
"""What is more than any budget is written as this."""


class Tally:
    """Two numbers for each lease, in memory that outlives its writer: what was used, and what is held."""

    def __init__(self, fd: int) -> None:
        """`fd`: made by `new_memory`."""
        self._map = mmap.mmap(fd, MAX_LEASES * _PAIR.size)

    def write(self, index: int, used: int, held: int) -> None:
        """State both."""
        _PAIR.pack_into(self._map, index * _PAIR.size, min(used, _MOST), min(held, _MOST))

    def read(self, index: int) -> tuple[int, int]:
        """Used and held."""
        used, held = _PAIR.unpack_from(self._map, index * _PAIR.size)
        return used, held

    def close(self) -> None:
        """Let the memory go."""
        self._map.close()


def new_memory() -> int:
    """A descriptor of memory for a `Tally`; pages that nobody touches take no room."""
    fd = os.memfd_create("moat-tally")
    os.ftruncate(fd, MAX_LEASES * _PAIR.size)
    return fd


class Want(msgspec.Struct, frozen=True, array_like=True):
    """What a worker asks for."""

    limit: str
    """Identity."""
    values: tuple[str, ...]
    window_ns: int
    """When the window began."""
    index: int
    """Of the lease."""
    amount: int
    """As much as is lacking."""


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """What it gets."""

    amount: int
    """0: there is nothing. `ELSEWHEN`: the keeper counts in another window."""
    others: int
    """Used by everybody else so far, for what people are told."""


ELSEWHEN = -1


class LeasedAccount(Account):
    """A worker's counter: its room is its lease."""

    book: "Lessee | None" = None
    index: int = 0
    lease: int = 0
    others: int = 0
    promised: int = 0
    """Of the lease, what calls asked for that have not taken it yet."""
    dry_until_ns: int = 0
    """There was not enough: until then nothing more is asked for."""
    retired: bool = False

    def room(self, amount: int) -> int:
        """What is left of the lease, whatever the limit's amount."""
        return self.lease - self.used - self.held

    def hold(self, amount: int) -> None:
        """Take room, and write it down."""
        self.held += amount
        self._written().write(self.index, self.used, self.held)

    def settle(self, held: int, used: int) -> None:
        """Of what was held, so much was used; write it down."""
        self.held -= held
        self.used += used
        self._written().write(self.index, self.used, self.held)
        if self.retired and not self.held:
            self.retire()

    def retire(self) -> None:
        """Its window is over: once nothing is held the index is free for another."""
        self.retired = True
        if not self.held and self.book is not None:
            self.book.free(self)
            self.book = None

    @property
    def idle(self) -> bool:
        """A lease is never forgotten within its window: the keeper counts it as gone."""
        return False

    @property
    def all_used(self) -> int:
        """By all processes, as far as it is known here."""
        return self.used + self.others

    def unpromise(self, amount: int) -> None:
        """Whoever asked for it has taken it, or does not want it any more."""
        self.promised -= amount

    def _written(self) -> "Tally | _Nowhere":
        return _NOWHERE if self.book is None else self.book.tally


class _Nowhere:
    def write(self, index: int, used: int, held: int) -> None:
        """A call that ends after its account was given up: its window is over, or its limit gone."""


_NOWHERE = _Nowhere()


class Lessee:
    """A worker's side; implements `moat.spend.ledger.Source`."""

    def __init__(self, tally: Tally, send: Callable[[int, Sequence[Want]], None], clock: Clock) -> None:
        """`send` takes a question to the keeper, whose answer comes to `answered` under the same number."""
        self.tally = tally
        self._send = send
        self._clock = clock
        self._accounts: dict[int, LeasedAccount] = {}
        self._free: list[int] = []
        self._asked: dict[int, tuple[Sequence[Want], asyncio.Future[Sequence[Grant]]]] = {}
        self._number = 0

    def account(self) -> LeasedAccount:
        """A new one, with nothing to spend."""
        index = self._free.pop() if self._free else len(self._accounts)
        if index >= MAX_LEASES:
            raise LimitExceeded("the limits count by too many different callers", remedy="Count by something coarser.")
        account = self._accounts[index] = LeasedAccount(book=self, index=index)
        self.tally.write(index, 0, 0)
        return account

    def free(self, account: LeasedAccount) -> None:
        """It counts no more."""
        del self._accounts[account.index]
        self._free.append(account.index)

    def changed(self) -> None:
        """The keeper sees to it."""

    async def obtain(self, lacking: Sequence[tuple[Place, int]]) -> bool:
        """See `Source`."""
        now = self._clock.monotonic_ns()
        wants, accounts = [], []
        for place, amount in lacking:
            account = place.account
            if not isinstance(account, LeasedAccount) or now < account.dry_until_ns:
                return False
            short = amount - account.room(0)
            wants.append(Want(place.limit.identity, place.values, place.starts_ns, account.index, short))
            accounts.append(account)
        grants = await self._answer(wants)
        for account, want, grant in zip(accounts, wants, grants, strict=True):
            if 0 <= grant.amount < want.amount:
                account.dry_until_ns = self._clock.monotonic_ns() + DRY_NS
        return any(grant.amount for grant in grants)

    async def _answer(self, wants: Sequence[Want]) -> Sequence[Grant]:
        self._number = number = self._number + 1
        answer: asyncio.Future[Sequence[Grant]] = asyncio.get_running_loop().create_future()
        self._asked[number] = wants, answer
        self._send(number, wants)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer
        except TimeoutError:
            raise Unavailable("the limits cannot be checked at present", remedy="Try again in a moment.") from None

    def answered(self, number: int, grants: Sequence[Grant]) -> None:
        """The keeper's answer. What it gave counts from now on, before anything it says later, also when nobody waits
        for it any more.
        """
        wants, answer = self._asked.pop(number)
        if not answer.done():
            answer.set_result(grants)
        for want, grant in zip(wants, grants, strict=True):
            account = self._accounts.get(want.index)
            if account is None or grant.amount == ELSEWHEN:
                continue
            account.others = grant.others
            account.lease += grant.amount
            # Whoever asked goes on in this turn of the event loop; until then nobody else gets it.
            promised = min(want.amount, grant.amount)
            account.promised += promised
            asyncio.get_running_loop().call_soon(account.unpromise, promised)

    def give_back(self, indexes: Sequence[int]) -> list[int]:
        """What can be spared of these leases; it is no longer theirs."""
        back = []
        for index in indexes:
            account = self._accounts.get(index)
            spare = 0 if account is None else max(0, account.room(0) - account.promised)
            if account is not None:
                account.lease -= spare
            back.append(spare)
        return back


class Worker(msgspec.Struct):
    """One that may borrow."""

    tally: Tally
    recall: Callable[[list[int]], Awaitable[Sequence[int]]]
    """Ask for what can be spared of these leases. Answers nothing when the worker does not."""
    loans: dict[int, tuple[Account, Loan, bool]] = {}
    """By index, what it has now, and whether what it holds at its end counts as used."""


class Lessor:
    """The keeper's side; implements `moat.spend.ledger.Source` for its own calls. For one event loop."""

    def __init__(self, ledger: LimitLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._workers: dict[str, Worker] = {}
        self._recalling: set[asyncio.Task[bool]] = set()

    def account(self) -> Account:
        """The keeper's counters are the counters."""
        return Account()

    def joined(self, name: str, worker: Worker) -> None:
        """It may borrow from now on."""
        self._workers[name] = worker

    def ended(self, name: str) -> None:
        """What it took is used up, also what it held, for which unknown outcomes are recorded; the rest is free."""
        worker = self._workers.pop(name)
        for account, loan, lasting in worker.loans.values():
            used, held = loan.taken()
            account.settle(0, used + held if lasting else used)
            account.lent = tuple(other for other in account.lent if other is not loan)
        worker.tally.close()

    async def obtain(self, lacking: Sequence[tuple[Place, int]]) -> bool:
        """See `Source`."""
        return await self._recall([place.account for place, _ in lacking])

    async def grant(self, name: str, wants: Sequence[Want]) -> list[Grant]:
        """Lend what is there, after calling back what others can spare."""
        found = [await self._find(want) for want in wants]
        short = [each[1] for want, each in zip(wants, found, strict=True) if each and want.amount > _room(*each)]
        if short:
            await self._recall(short, but=name)
        return [self._lend(name, want, each) for want, each in zip(wants, found, strict=True)]

    def changed(self) -> None:
        """See `Source`: what can be spared is called back, so that a smaller limit holds at once."""
        self._loop.call_soon_threadsafe(self._recall_everything)

    def _recall_everything(self) -> None:
        for worker in self._workers.values():
            if worker.loans:
                self._have_back(worker, [loan for _, loan, _ in worker.loans.values()])

    async def _find(self, want: Want) -> tuple[Limit, Account] | None:
        """The counter, if it counts in that window. A worker may have read of a limit before the keeper has."""
        for _ in range(round(ADOPT_SECONDS / LOOK_SECONDS)):
            found = self._ledger.find(want.limit)
            if found is not None:
                limit, counters = found
                account = counters.account(want.values, self._clock.now_ns())
                return (limit, account) if counters.starts_ns == want.window_ns else None
            await asyncio.sleep(LOOK_SECONDS)
        return None

    def _lend(self, name: str, want: Want, found: tuple[Limit, Account] | None) -> Grant:
        worker = self._workers.get(name)
        if found is None or worker is None:
            return Grant(ELSEWHEN, 0)
        limit, account = found
        # A limit that was taken out of moat.yaml and put back is counted anew by the worker; both loans are its own.
        loan = next((loan for loan in account.lent if (loan.worker, loan.index) == (name, want.index)), None)
        if loan is None:
            loan = Loan(name, partial(worker.tally.read, want.index), want.index)
            account.lent = (*account.lent, loan)
            worker.loans[want.index] = account, loan, limit.measure != "concurrent"
        room = account.room(limit.amount)
        amount = max(0, min(room, want.amount + (room - want.amount) // (2 * len(self._workers))))
        loan.granted += amount
        return Grant(amount, account.all_used - loan.taken()[0])

    async def _recall(self, accounts: Sequence[Account], but: str = "") -> bool:
        """From all workers but one, at once; whether anything came."""
        asked = []
        for name, worker in self._workers.items():
            loans = [loan for account in accounts for loan in account.lent if loan.worker == name != but]
            if loans:
                asked.append(self._have_back(worker, loans))
        if not asked:
            return False
        answered, _ = await asyncio.wait(asked, timeout=RECALL_SECONDS)  # what comes later still counts
        return any(task.result() for task in answered)

    def _have_back(self, worker: Worker, loans: Sequence[Loan]) -> asyncio.Task[bool]:
        task = asyncio.create_task(_had_back(worker, loans))
        self._recalling.add(task)
        task.add_done_callback(self._recalling.discard)
        return task


def _room(limit: Limit, account: Account) -> int:
    return account.room(limit.amount)


async def _had_back(worker: Worker, loans: Sequence[Loan]) -> bool:
    back = await worker.recall([loan.index for loan in loans])
    for loan, amount in zip(loans, back, strict=False):  # a worker that is ending says nothing
        loan.granted -= amount
    return any(back)
