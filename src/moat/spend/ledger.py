"""The ledger of one process: every limit counted in memory, exactly.

A call is counted once when it is let in, and every attempt holds the most it may cost before it is sent, in all
limits that apply or in none; afterwards it settles to what it did cost. Checking and taking happen in one step without
an `await`, so no two calls can take the same room.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from moat.domain.calls import Call
from moat.domain.config import SpikeConfig
from moat.domain.errors import LimitExceeded, NoPrice
from moat.domain.usage import Usage
from moat.pipeline.estimates import choices, input_tokens, stated_output
from moat.ports.clock import Clock
from moat.ports.ledger import Spending, Worst
from moat.spend.counters import Account, Balance, Counters, Place
from moat.spend.limits import Limit, Values
from moat.spend.refusals import notice, paces, refusal
from moat.spend.spikes import SpikeBreaker, Watch, Whose, watched

SEARCHES = 4
"""How often room is looked for elsewhere: meanwhile another call may have taken what came."""

Opening = Callable[[Limit, int], Mapping[Values, int]]
"""What was used of a limit since an instant (Unix nanoseconds), from the records of earlier calls."""


class Rules(NamedTuple):
    """What the ledger needs of `moat.yaml`."""

    limits: Sequence[Limit]
    optional: frozenset[str]
    """Features that are not critical."""
    cheaper: Mapping[str, str]
    """Alias to the one that may stand in for it."""
    price: Callable[[str, Usage], int | None]
    """What a call of an alias costs at its first deployment, about."""
    spikes: SpikeConfig | None = None


class Prepared(NamedTuple):
    """Limits that are ready to be taken up."""

    rules: Rules
    counters: tuple[tuple[Limit, Counters], ...]
    watched: Watch | None


class Source(Protocol):
    """Where more room comes from, when several processes share the limits."""

    def account(self) -> Account:
        """A new one, for what is counted over all processes."""
        ...

    def changed(self) -> None:
        """Limits may be smaller now. From any thread."""

    async def obtain(self, lacking: Sequence[tuple[Place, int]]) -> bool:
        """Try to find room for so much in these places. True: something changed, so that it is worth another look.

        Raises `Unavailable` when that cannot be known.
        """
        ...


class LimitLedger:
    """Implements `moat.ports.ledger.Ledger` on the event loop of one process; `adopt` may run in another thread."""

    def __init__(self, clock: Clock, spent: Callable[[Whose, int], None] | None = None) -> None:
        """`spent` is told what is spent, when another process compares it with what is usual."""
        self.spikes = SpikeBreaker(clock, spent)
        self.source: Source | None = None
        """None: this process has all the room there is."""
        self._clock = clock
        self._rules = Rules((), frozenset(), {}, lambda alias, usage: None)
        self._counters: tuple[tuple[Limit, Counters], ...] = ()
        self._only: frozenset[str] | None = None
        """Features that all limits are about; None: one is about any."""

    def adopt(self, rules: Rules, opening: Opening) -> None:
        """Take up the limits as they are now: see `prepared`."""
        self.take(self.prepared(rules, opening))

    def prepared(self, rules: Rules, opening: Opening) -> "Prepared":
        """The limits as they are now, ready to be taken up. Counters of limits that only changed their amount or action
        live on; those of new limits begin with what was used in the window before. Changes nothing; raises what
        `opening` raises, and `ConfigError`.
        """
        known = {limit.identity: counters for limit, counters in self._counters}
        now = self._clock.now_ns()
        found = []
        for limit in rules.limits:
            counters = known.get(limit.identity)
            if counters is None:
                counters = Counters(limit, now, self._new(limit))
                if limit.window is not None:
                    counters.open(opening(limit, counters.starts_ns))
            found.append((limit, counters))
        return Prepared(rules, tuple(found), watched(rules.spikes))

    def take(self, prepared: "Prepared") -> None:
        """Count by these from now on. Cannot fail."""
        self.spikes.adopt(prepared.watched)
        self._rules, self._counters = prepared.rules, prepared.counters
        features = [limit.match.get("feature") for limit, _ in prepared.counters]
        self._only = None if None in features else frozenset().union(*filter(None, features))
        if self.source is not None:
            self.source.changed()

    def find(self, identity: str) -> tuple[Limit, Counters] | None:
        """The limit that counts this, as it is now."""
        return next((found for found in self._counters if found[0].identity == identity), None)

    def watches(self, call: Call) -> bool:
        """See `Ledger`."""
        if self._rules.spikes is not None:
            return True
        return bool(self._counters) and (self._only is None or call.caller.feature in self._only)

    def balances(self) -> list[Balance]:
        """How far every limit is used up."""
        now = self._clock.now_ns()
        return [
            balance._replace(limit=limit) for limit, counters in self._counters for balance in counters.balances(now)
        ]

    async def admit(self, call: Call) -> "Admitted":
        """See `Ledger`."""
        if not call.shadow_of:
            self.spikes.check(call)
        if not self._counters:
            return Admitted(call, ())
        places = await self._supplied(call, _Asked(call, self._rules).of)
        judged = self._judged(call, places)
        if judged.model != call.model:  # the other model has limits of its own
            places = await self._supplied(judged, _Asked(judged, self._rules).of)
            judged = self._judged(judged, places, exchanged=True)
        return self._let_in(judged, places)

    async def _supplied(self, call: Call, wanted: Callable[[Place], int | None]) -> list[Place]:
        """The counters that a call falls on, with room for what is wanted, if there is any in another process."""
        places = self._places(call)
        if self.source is not None:
            for _ in range(SEARCHES):
                asked = [(place, wanted(place)) for place in places]
                lacking = [(place, amount) for place, amount in asked if amount is not None and amount > place.room]
                if not lacking or not await self.source.obtain(lacking):
                    break
                places = self._places(call)
        return places

    def _judged(self, call: Call, places: Sequence[Place], *, exchanged: bool = False) -> Call:
        """What the limits make of the call. Raises `LimitExceeded`."""
        asked = _Asked(call, self._rules)
        for place in places:
            limit, wanted = place.limit, asked.of(place)
            if wanted is not None and wanted > place.room and not (limit.action == "downgrade" and exchanged):
                call = self._act(call, place, wanted)
                exchanged = exchanged or limit.action == "downgrade"
        return call

    async def hold(self, call: Call, worst: Worst) -> "Held":
        """See `Ledger`."""
        places = [place for place in await self._supplied(call, partial(_most, worst)) if _metered(place)]
        output = _longest(places, worst)
        taken = []
        for place in places:
            amount = _demand(place, worst, output)
            if place.limit.hard and amount > place.room:
                raise refusal(place, amount)
            if place.limit.window:
                taken.append((place.account, place.limit.measure == "money", amount))
        for account, _, amount in taken:
            account.hold(amount)
        bounds = any(place.limit.hard for place in places)
        return Held(output, taken, lambda cost: self.spikes.note(call, cost), bounds=bounds)

    async def reserve(self, call: Call, worst: Worst, *, owed: bool = False) -> "Held":
        """See `Ledger`."""
        supplied = await self._supplied(call, partial(_most, worst))
        places = [place for place in supplied if _metered(place) and place.limit.window not in ("minute", "hour")]
        output = _longest(places, worst, owed=owed)
        taken = []
        for place in places:
            limit = place.limit
            amount = 0 if owed and limit.window is None else _demand(place, worst, output)
            if limit.hard and amount > place.room and not owed:
                raise refusal(place, amount)
            if limit.window:
                taken.append((place.account, limit.measure == "money", amount))
        for account, _, amount in taken:
            account.hold(amount)
        return Held(output, taken, lambda cost: None, bounds=any(place.limit.hard for place in places))

    async def set_aside(self, name: str, call: Call, most: int | None) -> tuple[int, "Held"]:
        """Hold up to `most` picodollars (None: all there is) of one budget, for work that is counted elsewhere and
        settled here when it ends; how much it is. `call`: whose budget. Raises `LimitExceeded` when nothing is left.
        """

        def wanted(place: Place) -> int | None:
            return (place.limit.amount if most is None else most) if place.limit.name == name else None

        supplied = await self._supplied(call, wanted)
        place = next(place for place in supplied if place.limit.name == name)
        amount = min(place.room, wanted(place) or 0)
        if amount < 1:
            raise refusal(place, max(1, wanted(place) or 0))
        place.account.hold(amount)
        return amount, Held(0, [(place.account, True, amount)], lambda cost: self.spikes.note(call, cost))

    def _new(self, limit: Limit) -> Callable[[], Account]:
        """What makes this limit's accounts: those of one call by itself are nobody else's."""
        shared = limit.window is not None or limit.measure == "concurrent"
        return Account if self.source is None or not shared else self.source.account

    def _places(self, call: Call) -> list[Place]:
        """The counters that a call falls on."""
        caller, now = call.caller, self._clock.now_ns()
        scopes = {
            "key": caller.key,
            "tenant": caller.tenant,
            "feature": caller.feature,
            "user": caller.user,
            "model": call.plan.alias if call.plan else call.model,
            "environment": caller.environment,
        }
        found = []
        for limit, counters in self._counters:
            values = limit.values(scopes)
            if values is not None:
                account = counters.account(values, now)
                found.append(Place(limit, values, account, counters.resets_ns, now, counters.starts_ns))
        return found

    def _act(self, call: Call, place: Place, wanted: int) -> Call:
        """Do what the limit says when it has no room."""
        limit, journal = place.limit, call.journal
        if limit.action == "reject":
            raise refusal(place, wanted)
        if limit.action == "disable" and call.caller.feature in self._rules.optional:
            raise refusal(place, wanted, f"the feature {call.caller.feature!r} is switched off: ")
        if limit.action == "downgrade":
            cheaper = self._rules.cheaper.get(call.model)
            if cheaper is None:
                raise refusal(place, wanted, f"there is nothing cheaper than {call.model!r}: ")
            journal.notices.append(f"limit {limit.name}: {cheaper} answers instead of {call.model}")
            return replace(call, model=cheaper)
        used_up = f"limit {limit.name} is used up"
        if used_up not in journal.notices:
            journal.notices.append(used_up)
        return call

    def _let_in(self, call: Call, places: Sequence[Place]) -> "Admitted":
        """Count the call."""
        concurrent = []
        for place in places:
            if not call.shadow_of and place.limit.measure == "requests":
                place.account.settle(0, 1)
            elif not call.shadow_of and place.limit.measure == "concurrent":
                place.account.hold(1)
                concurrent.append(place.account)
            if place.limit.warn_at and (warning := notice(place)):
                call.journal.notices.append(warning)
        call.journal.pace = paces(places)
        return Admitted(call, concurrent)


class Admitted:
    """Implements `moat.ports.ledger.Admission`."""

    def __init__(self, call: Call, concurrent: Sequence[Account]) -> None:
        self.call = call
        self._concurrent = concurrent

    def leave(self) -> None:
        """Once."""
        for account in self._concurrent:
            account.settle(1, 0)
        self._concurrent = ()


class Held:
    """Implements `moat.ports.ledger.Hold`."""

    def __init__(
        self,
        output: int,
        taken: Sequence[tuple[Account, bool, int]],
        spent: Callable[[int], None],
        *,
        bounds: bool = False,
    ) -> None:
        """`taken`: account, whether it counts money, how much was taken of it. `spent` is told the cost."""
        self.output = output
        self.bounds = bounds
        self._taken = taken
        self._spent: Callable[[int], None] | None = spent

    def settle(self, spent: Spending) -> None:
        """Once."""
        for account, money, amount in self._taken:
            money_spent = amount if spent.money is None else spent.money
            account.settle(amount, money_spent if money else spent.tokens)
        self._taken = ()
        if self._spent is not None:
            self._spent(spent.money or 0)
            self._spent = None


class _Asked:
    """What a call will take, about, before its deployment is known."""

    def __init__(self, call: Call, rules: Rules) -> None:
        self._call = call
        self._rules = rules

    def of(self, place: Place) -> int | None:
        """In the limit's measure; None for what the attempt will hold, exactly."""
        limit = place.limit
        if limit.measure in ("requests", "concurrent"):
            return 0 if self._call.shadow_of else 1
        if limit.hard and (limit.action == "cap" or limit.window is not None):
            return None
        if limit.measure == "tokens":
            return self._usage.total
        return self._rules.price(self._call.model, self._usage) or 0

    @cached_property
    def _usage(self) -> Usage:
        call = self._call
        return Usage(input=input_tokens(call), output=(stated_output(call) or 0) * choices(call))


def _metered(place: Place) -> bool:
    """Does it count what attempts take?"""
    return place.limit.measure in ("tokens", "money")


def _most(worst: Worst, place: Place) -> int | None:
    """What an attempt should find room for in a place; None where it takes nothing, or as much as it likes."""
    return _demand(place, worst, worst.output) if _metered(place) and place.limit.window else None


def _demand(place: Place, worst: Worst, output: int) -> int:
    """What an attempt may take of a limit. Raises `NoPrice`."""
    if place.limit.measure == "tokens":
        return _input(place, worst) + output
    cost = worst.cost(output)
    if cost is None and place.limit.hard:
        raise NoPrice(
            f"the limit {place.limit.name!r} counts money, and the model has no known price",
            where="price in moat.yaml, of `deployments` or of the alias",
        )
    return cost or 0


def _input(place: Place, worst: Worst) -> int:
    """A budget of a day or a month must hold whatever the text is; a rate, or one call, is measured by estimate, else
    nobody could send half of what he may.
    """
    return worst.most_input if place.limit.window in ("day", "month") else worst.input


def _longest(places: Sequence[Place], worst: Worst, *, owed: bool = False) -> int:
    """The longest answer that all caps leave room for, in tokens. What is owed keeps its length where they leave none.

    Raises `LimitExceeded`.
    """
    output = worst.output
    for place in places:
        if place.limit.action == "cap" and not worst.fixed:
            try:
                output = min(output, _fitting(place, worst))
            except LimitExceeded:
                if not owed:
                    raise
    return output


def _fitting(place: Place, worst: Worst) -> int:
    """The longest answer that there is room for, in tokens. Raises `LimitExceeded` when there is room for none."""
    if place.limit.measure == "tokens":
        output = place.room - _input(place, worst)
    else:
        least, most = _demand(place, worst, 0), _demand(place, worst, worst.output)
        output = worst.output if most <= place.room else (place.room - least) * worst.output // max(1, most - least)
    if output < 1:
        raise refusal(place, _demand(place, worst, 1))
    return output
