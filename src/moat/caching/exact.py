"""The exact cache: the same answer to the same question."""

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from moat.caching.answers import Form, compact, form_of, is_repeatable, played, size_of
from moat.caching.question import fingerprint, is_cacheable
from moat.domain.calls import Call, Event
from moat.domain.config import CacheConfig
from moat.ports.cache import Stored
from moat.ports.clock import Clock

OVERHEAD = 512
"""Bytes that an entry takes besides its events, about."""


class Entry(msgspec.Struct, frozen=True):
    """An answer as it came."""

    events: tuple[Event, ...]
    form: Form
    cost: int
    kept_ns: int
    """Monotonic."""
    size: int
    alias: str = ""


class Tally(msgspec.Struct):
    """What the cache of one alias did since the server started, and holds now."""

    hits: int = 0
    misses: int = 0
    similar: int = 0
    """Answers given to a similar question."""
    saved: int = 0
    """Picodollars, of hits and similar ones."""
    failed: int = 0
    """Questions that the embedder made no vector of."""
    entries: int = 0
    bytes: int = 0


class Memory:
    """Entries by key, bounded in bytes; who was not asked for longest goes first. Outlives every reload."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self.bytes = 0
        self.tallies: defaultdict[str, Tally] = defaultdict(Tally)
        """By alias."""

    def __len__(self) -> int:
        """How many entries."""
        return len(self._entries)

    def get(self, key: bytes, since_ns: int) -> Entry | None:
        """The entry, when it was kept after `since_ns`; an older one is dropped."""
        entry = self._entries.get(key)
        if entry is not None and entry.kept_ns <= since_ns:
            self._drop(key)
            entry = None
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: bytes, entry: Entry) -> None:
        """Add or replace. One that is larger than an eighth of all is not taken: it would displace too much."""
        if key in self._entries:
            self._drop(key)
        if entry.size > self._max_bytes // 8:
            return
        self._entries[key] = entry
        self._weigh(entry, 1)
        while self.bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def forget(self, key: bytes) -> None:
        """Drop the entry, if it is there."""
        if key in self._entries:
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        self._weigh(self._entries.pop(key), -1)

    def _weigh(self, entry: Entry, sign: int) -> None:
        tally = self.tallies[entry.alias]
        tally.entries += sign
        tally.bytes += sign * entry.size
        self.bytes += sign * entry.size


class ExactCache:
    """Implements `moat.ports.cache.ResponseCache` on what `moat.yaml` says of its aliases."""

    def __init__(self, aliases: Mapping[str, CacheConfig], memory: Memory, clock: Clock) -> None:
        """`aliases`: those whose answers are kept."""
        self._aliases = aliases
        self._memory = memory
        self._clock = clock

    def key(self, call: Call) -> bytes | None:
        """None for aliases without `cache`, and for calls that must be answered anew."""
        config = self._config(call)
        if config is None or not is_cacheable(call, tools=config.tools):
            return None
        return fingerprint(call)

    def find(self, call: Call, key: bytes) -> Stored | None:
        """In the form the call wants: the provider's own bytes if the first call wanted the same, else anew."""
        config = self._config(call)
        if config is None:
            return None
        entry = self._memory.get(key, self._clock.monotonic_ns() - round(config.ttl * 1e9))
        if entry is None:
            return None
        fits = call.operation != "chat" or entry.form == form_of(call)
        return Stored(entry.events if fits else played(entry.events, stream=call.stream), entry.cost)

    def keep(self, call: Call, key: bytes, events: Sequence[Event], cost: int) -> None:
        """Complete answers only, in as few pieces as make sense."""
        config = self._config(call)
        if config is None or not is_repeatable(call, events, tools=config.tools):
            return
        kept = compact(events) if call.operation == "chat" else tuple(events)
        size = OVERHEAD + size_of(kept)
        entry = Entry(kept, form_of(call), cost, self._clock.monotonic_ns(), size, call.plan.alias if call.plan else "")
        self._memory.put(key, entry)

    def forget(self, key: bytes) -> None:
        """See `ResponseCache`."""
        self._memory.forget(key)

    def count(self, call: Call) -> None:
        """By alias."""
        journal = call.journal
        tally = self._memory.tallies[call.plan.alias if call.plan else ""]
        tally.hits += journal.cache == "hit"
        tally.misses += journal.cache == "miss"
        tally.similar += journal.cache == "similar"
        tally.saved += journal.saved

    def _config(self, call: Call) -> CacheConfig | None:
        return self._aliases.get(call.plan.alias) if call.plan else None
