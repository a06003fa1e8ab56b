"""The ledger of one process: every limit counted in memory, exactly.

A call is counted once when it is let in, and every attempt holds the most it may cost before it is sent, in all
limits that apply or in none; afterwards it settles to what it did cost. Checking and taking happen in one step without
an `await`, so no two calls can take the same room.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from moat.domain.calls import Call
from moat.domain.config import SpikeConfig
from moat.domain.errors import NoPrice
from moat.domain.usage import Usage
from moat.pipeline.estimates import choices, input_tokens, stated_output
from moat.ports.clock import Clock
from moat.ports.ledger import Spending, Worst
from moat.spend.counters import Account, Balance, Counters, Place
from moat.spend.limits import Limit, Values
from moat.spend.refusals import notice, refusal
from moat.spend.spikes import SpikeBreaker, Watch, watched

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


class LimitLedger:
    """Implements `moat.ports.ledger.Ledger` on the event loop of one process; `adopt` may run in another thread."""

    def __init__(self, clock: Clock) -> None:
        self.spikes = SpikeBreaker(clock)
        self._clock = clock
        self._rules = Rules((), frozenset(), {}, lambda alias, usage: None)
        self._counters: tuple[tuple[Limit, Counters], ...] = ()

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
                counters = Counters(limit, now)
                if limit.window is not None:
                    counters.open(opening(limit, counters.starts_ns))
            found.append((limit, counters))
        return Prepared(rules, tuple(found), watched(rules.spikes))

    def take(self, prepared: "Prepared") -> None:
        """Count by these from now on. Cannot fail."""
        self.spikes.adopt(prepared.watched)
        self._rules, self._counters = prepared.rules, prepared.counters

    @property
    def idle(self) -> bool:
        """No limits, no breaker."""
        return not self._counters and self._rules.spikes is None

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
        places = self._places(call)
        judged = self._judged(call, places)
        if judged.model != call.model:  # the other model has limits of its own
            places = self._places(judged)
            judged = self._judged(judged, places, exchanged=True)
        return self._let_in(judged, places)

    def _judged(self, call: Call, places: Sequence[Place], *, exchanged: bool = False) -> Call:
        """What the limits make of the call. Raises `LimitExceeded`."""
        asked = None
        for place in places:
            limit = place.limit
            if limit.measure in ("requests", "concurrent"):
                wanted = 0 if call.shadow_of else 1
            elif limit.hard and (limit.action == "cap" or limit.window is not None):
                continue  # held by the attempt, exactly
            else:
                asked = asked or _Asked(call, self._rules)
                wanted = asked.of(limit)
            if wanted > place.room and not (limit.action == "downgrade" and exchanged):
                call = self._act(call, place, wanted)
                exchanged = exchanged or limit.action == "downgrade"
        return call

    async def hold(self, call: Call, worst: Worst) -> "Held":
        """See `Ledger`."""
        places = [place for place in self._places(call) if place.limit.measure in ("tokens", "money")]
        output = worst.output
        for place in places:
            if place.limit.action == "cap" and not worst.fixed:
                output = min(output, _fitting(place, worst))
        taken = []
        for place in places:
            amount = _demand(place, worst, output)
            if place.limit.hard and amount > place.room:
                raise refusal(place, amount)
            if place.limit.window:
                taken.append((place.account, place.limit.measure == "money", amount))
        for account, _, amount in taken:
            account.held += amount
        bounds = any(place.limit.hard for place in places)
        return Held(output, taken, lambda cost: self.spikes.note(call, cost), bounds=bounds)

    async def reserve(self, call: Call, worst: Worst, *, owed: bool = False) -> "Held":
        """See `Ledger`."""
        taken = []
        for place in self._places(call):
            limit = place.limit
            if limit.measure not in ("tokens", "money") or limit.window in ("minute", "hour"):
                continue
            amount = 0 if owed and limit.window is None else _demand(place, worst, worst.output)
            if limit.hard and limit.action != "cap" and amount > place.room and not owed:
                raise refusal(place, amount)
            if limit.window:
                taken.append((place.account, limit.measure == "money", amount))
        for account, _, amount in taken:
            account.held += amount
        return Held(worst.output, taken, lambda cost: None)

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
                found.append(Place(limit, values, counters.account(values, now), counters.resets_ns, now))
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
                place.account.used += 1
            elif not call.shadow_of and place.limit.measure == "concurrent":
                place.account.held += 1
                concurrent.append(place.account)
            if place.limit.warn_at and (warning := notice(place)):
                call.journal.notices.append(warning)
        return Admitted(call, concurrent)


class Admitted:
    """Implements `moat.ports.ledger.Admission`."""

    def __init__(self, call: Call, concurrent: Sequence[Account]) -> None:
        self.call = call
        self._concurrent = concurrent

    def leave(self) -> None:
        """Once."""
        for account in self._concurrent:
            account.held -= 1
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
            account.held -= amount
            money_spent = amount if spent.money is None else spent.money
            account.used += money_spent if money else spent.tokens
        self._taken = ()
        if self._spent is not None:
            self._spent(spent.money or 0)
            self._spent = None


class _Asked:
    """What a call will take, about, before its deployment is known."""

    def __init__(self, call: Call, rules: Rules) -> None:
        self._input = input_tokens(call)
        self._output = (stated_output(call) or 0) * choices(call)
        self._call = call
        self._rules = rules

    def of(self, limit: Limit) -> int:
        """In the limit's measure."""
        if limit.measure == "tokens":
            return self._input + self._output
        return self._rules.price(self._call.model, Usage(input=self._input, output=self._output)) or 0


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
