"""A breaker for spending that is not what it was: per feature, per key, and for agents that run in circles.

Spending within a sliding window is compared with what this hour of the week usually has, in the records of four
weeks. Where it is both above a floor and a multiple of the usual, everything of that feature or key is refused until
somebody resets it. A question that one key asks again and again is refused by itself, and a session that calls without
end is cut off as a whole.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import msgspec

from moat.domain.calls import Call, new_id
from moat.domain.config import SpikeConfig
from moat.domain.errors import LimitExceeded
from moat.domain.trips import Trip, TripScope
from moat.domain.usage import format_usd
from moat.ports.clock import Clock
from moat.spend.limits import dollars

SLOTS = 10
"""A window slides in tenths."""
MAX_WATCHED = 100_000
"""Questions, sessions, features and keys that are remembered, each; the ones longest ago are forgotten."""
REPEAT_SECONDS = 60
WEEK_HOURS = 168
HOUR_NS = 3600 * 10**9
MONDAY_NS = 4 * 86400 * 10**9
"""The first Monday of Unix time."""

Whose = tuple[TripScope, str]
Usual = Mapping[Whose, Mapping[int, int]]
"""By scope and value: picodollars in an hour, by hour of the week from Monday midnight UTC; -1: any other hour."""


class Rolling:
    """A sum over a sliding window of so many nanoseconds."""

    def __init__(self, length_ns: int) -> None:
        self._slot_ns = max(1, length_ns // SLOTS)
        self._slots: dict[int, int] = {}

    def add(self, amount: int, now_ns: int) -> int:
        """Count, and tell the sum."""
        slot = now_ns // self._slot_ns
        self._slots = {at: sum for at, sum in self._slots.items() if at > slot - SLOTS}
        self._slots[slot] = self._slots.get(slot, 0) + amount
        return sum(self._slots.values())


class Watched:
    """Rolling sums by key, bounded in number."""

    def __init__(self, length_ns: int) -> None:
        self._length_ns = length_ns
        self._sums: OrderedDict[object, Rolling] = OrderedDict()

    def add(self, key: object, amount: int, now_ns: int) -> int:
        """Count, and tell the sum."""
        rolling = self._sums.get(key)
        if rolling is None:
            rolling = self._sums[key] = Rolling(self._length_ns)
            if len(self._sums) > MAX_WATCHED:
                self._sums.popitem(last=False)
        else:
            self._sums.move_to_end(key)
        return rolling.add(amount, now_ns)

    def forget(self, key: object) -> None:
        """Begin anew."""
        self._sums.pop(key, None)


class Watch(NamedTuple):
    """What is watched for."""

    config: SpikeConfig
    floor: int
    """Picodollars."""
    window_ns: int


def watched(config: SpikeConfig | None) -> Watch | None:
    """Raises `ConfigError` for an amount that is none."""
    return None if config is None else Watch(config, _floor(config), round(config.window * 1e9))


class SpikeBreaker:
    """Watches the calls of one process, on its event loop."""

    def __init__(self, clock: Clock, tell: Callable[[Whose, int], None] | None = None) -> None:
        """`tell`: who compares what is spent with what is usual, in place of this one."""
        self._tell = tell or self.spent
        self._clock = clock
        self._limits: Watch | None = None
        self._usual: Usual = {}
        self._open: dict[Whose, Trip] = {}
        self._unsaved: dict[str, Trip] = {}
        self._spending = self._questions = self._sessions = Watched(1)

    def adopt(self, watch: Watch | None) -> None:
        """Watch by these rules from now on; None: nothing is watched, and what was cut off goes on."""
        before = self._limits
        self._limits = watch
        if self._limits is not None and self._limits != before:
            self._spending, self._sessions = Watched(self._limits.window_ns), Watched(self._limits.window_ns)
            self._questions = Watched(REPEAT_SECONDS * 10**9)

    def learn(self, usual: Usual) -> None:
        """What is usual."""
        self._usual = usual

    def take(self, stored: Collection[Trip]) -> list[Trip]:
        """Follow the store: what is open there is open here, what was reset there goes on here.

        Answers the trips that the store does not have yet.
        """
        known = {trip.id for trip in stored}
        unsaved = [trip for trip in list(self._unsaved.values()) if trip.id not in known]
        fresh = {(trip.scope, trip.value): trip for trip in [*stored, *unsaved]}
        for whose in self._open.keys() - fresh.keys():
            self._spending.forget(whose)
            self._sessions.forget(whose[1])
        self._open = fresh
        return unsaved

    def saved(self, trip: Trip) -> None:
        """The store has it: from now on its word counts."""
        self._unsaved.pop(trip.id, None)

    def check(self, call: Call) -> None:
        """Raise `LimitExceeded` for what is cut off, and for what goes round in circles."""
        if self._limits is None:
            return
        config, caller = self._limits.config, call.caller
        if self._open:
            for whose in _whose(call):
                if (trip := self._open.get(whose)) is not None and config.action == "stop":
                    raise _refused(trip)
        now = self._clock.monotonic_ns()
        if config.repeats and self._questions.add(_question(call), 1, now) > config.repeats:
            raise LimitExceeded(
                f"the same question came more than {config.repeats} times within {REPEAT_SECONDS} s",
                where="spikes.repeats",
                remedy="A client that retries or an agent that runs in circles; it may be asked again in a minute.",
                retry_after=float(REPEAT_SECONDS),
            )
        if config.session_calls and caller.session:
            session = _session(call)
            made = self._sessions.add(session, 1, now)
            if made > config.session_calls:
                trip = self._trip(("session", session), f"{made} calls within {config.window:g} s", 0, 0)
                if config.action == "stop":
                    raise _refused(trip)

    def note(self, call: Call, cost: int) -> None:
        """An attempt cost so much."""
        if self._limits is None or not cost:
            return
        for whose in _whose(call):
            if whose[0] != "session" and whose[0] in self._limits.config.per:
                self._tell(whose, cost)

    def spent(self, whose: Whose, cost: int) -> None:
        """So much was spent, here or in another process."""
        if self._limits is None:
            return
        now, hour = self._clock.monotonic_ns(), hour_of_week(self._clock.now_ns())
        spent = self._spending.add(whose, cost, now)
        if spent > self._limits.floor:
            self._compare(whose, spent, hour)

    def _compare(self, whose: Whose, spent: int, hour: int) -> None:
        assert self._limits is not None, "note has looked"
        config = self._limits.config
        by_hour = self._usual.get(whose, {})
        usual = round(by_hour.get(hour, by_hour.get(-1, 0)) * self._limits.window_ns / HOUR_NS)
        if spent > config.factor * usual:
            why = f"{format_usd(spent)} within {config.window:g} s, where {format_usd(usual)} is usual"
            self._trip(whose, why, spent, usual)

    def _trip(self, whose: Whose, why: str, spent: int, usual: int) -> Trip:
        if whose in self._open:
            return self._open[whose]
        trip = Trip(
            id=new_id("trip"),
            scope=whose[0],
            value=whose[1],
            why=why,
            at_ns=self._clock.now_ns(),
            spent=spent,
            usual=usual,
        )
        self._open = {**self._open, whose: trip}
        self._unsaved[trip.id] = trip
        return trip


def hour_of_week(now_ns: int) -> int:
    """0 is Monday from midnight to one, UTC."""
    return (now_ns - MONDAY_NS) // HOUR_NS % WEEK_HOURS


def usual_of(hours: Mapping[Whose, Mapping[int, int]], weeks: Callable[[Whose], float]) -> Usual:
    """Averages by hour of the week, and over all hours for those without any, from sums by hour (`started_ns` of the
    hour -> picodollars) over so many weeks.
    """
    found: dict[Whose, dict[int, int]] = {}
    for whose, sums in hours.items():
        span = max(1.0, weeks(whose))
        by_hour: dict[int, int] = {}
        for started_ns, cost in sums.items():
            hour = hour_of_week(started_ns)
            by_hour[hour] = by_hour.get(hour, 0) + cost
        averages = {hour: round(cost / span) for hour, cost in by_hour.items()}
        averages[-1] = round(sum(sums.values()) / (span * WEEK_HOURS))
        found[whose] = averages
    return found


def _floor(config: SpikeConfig) -> int:
    return dollars(config.floor, "moat.yaml: $.spikes.floor")


def _whose(call: Call) -> list[Whose]:
    caller = call.caller
    pairs: list[Whose] = [("feature", named(caller.tenant, caller.feature)), ("key", caller.key)]
    if caller.session:
        pairs.append(("session", _session(call)))
    return [(scope, value) for scope, value in pairs if value]


def named(tenant: str, feature: str) -> str:
    """A feature, by a name that tells tenants apart: none can have another's cut off. Empty without a feature."""
    return f"{tenant}/{feature}" if tenant and feature else feature


def _session(call: Call) -> str:
    """A session's name is its caller's own: those of two tenants are two sessions."""
    return f"{call.caller.tenant or call.caller.key}/{call.caller.session}"


def _question(call: Call) -> bytes:
    said = msgspec.json.encode([call.caller.key, call.operation, call.model, call.messages, call.params])
    return hashlib.blake2b(said, digest_size=16).digest()


def _refused(trip: Trip) -> LimitExceeded:
    return LimitExceeded(
        f"{trip.scope} {trip.value} is cut off: {trip.why}",
        where="spikes",
        remedy=f"When it is as it should be: `moat spikes reset {trip.scope} {trip.value} --reason ...`.",
    )
