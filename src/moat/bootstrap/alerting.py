"""Watches what is recorded, and tells people: the one place of a project that evaluates its alert rules.

The keeper runs it, whatever the number of workers; the server's lock makes that one process a project.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from moat.adapters.notify import open_channel
from moat.bootstrap.alert_rules import rules_of
from moat.bootstrap.reload import to_its_end
from moat.bootstrap.settings import Settings, resolve
from moat.domain.alerting import AlertsConfig, ChannelConfig, Delivery, Event
from moat.domain.errors import ConfigError, MoatError, StorageError, Unavailable
from moat.ports.alerts import AlertStore, Channel
from moat.ports.traces import TraceReader
from moat.telemetry.alerts.evaluate import evaluate, forgotten, looked
from moat.telemetry.alerts.messages import deliveries
from moat.telemetry.alerts.readings import Gauge

log = logging.getLogger("moat.alerts")

SECOND_NS = 10**9
DELIVER_SECONDS = 1.0
"""Between two looks at what waits to be sent."""
FIRST_WAIT = 5.0
LONGEST_WAIT = 3600.0
GIVE_UP_NS = 24 * 3600 * SECOND_NS
"""After so long a message has failed ..."""
LEAST_TRIES = 10
"""... and after so many tries: a clock that is set forward ends none."""
KEPT_NS = 90 * 86_400 * SECOND_NS
"""Events, and messages that were sent."""


def channel_of(name: str, settings: Settings, environ: Mapping[str, str]) -> Channel:
    """A channel of moat.yaml. Raises `ConfigError`."""
    channels = settings.config.alerts.channels
    if name not in channels:
        known = ", ".join(channels) or "none"
        raise ConfigError(f"there is no channel {name!r}", where="moat.yaml: $.alerts.channels", remedy=known)
    config = channels[name]
    path: list[str | int] = ["alerts", "channels", name]
    filled = {
        part: resolve(getattr(config, part), settings, [*path, part], environ)
        for part in ChannelConfig.__struct_fields__
    }
    return open_channel(name, ChannelConfig(**filled))


class Alerting:
    """Evaluations and deliveries, each by itself: a channel that is away keeps no rule from being looked at."""

    def __init__(
        self, traces: TraceReader, store: AlertStore, settings: Callable[[], Settings], environ: Mapping[str, str]
    ) -> None:
        self._traces = traces
        self._store = store
        self._settings = settings
        self._environ = environ
        self._config: AlertsConfig | None = None
        self._gauge: Gauge | None = None
        self.backlog: Mapping[str, int] = {}
        """Messages that wait, by channel of moat.yaml: as of the last look."""

    @property
    def every(self) -> float:
        """Seconds between two evaluations."""
        return self._settings().config.alerts.every

    def evaluate(self, now_ns: int) -> list[Event]:
        """Look at everything once; what began or ended is stored, and queued for whom it concerns."""
        config = self._settings().config
        if not config.alerts.enabled:
            return []
        if self._gauge is None or self._config != config.alerts:
            self._config, self._gauge = config.alerts, Gauge(self._traces, config.alerts.timezone)
        rules = rules_of(config)
        before = self._store.standing()
        readings = self._gauge.now(rules, now_ns, looked(before))
        standing, ended = forgotten(rules, before, now_ns)
        standing, events = evaluate(rules, readings, standing, now_ns)
        events = [*ended, *events]
        named = {rule.name: rule for rule in rules}
        if events or (standing.alerts, standing.outages) != (before.alerts, before.outages):
            self._store.commit(standing, events, deliveries(events, named, config.alerts, config.project))
        return events

    def deliver(self, waiting: Sequence[Delivery], now_ns: int) -> None:
        """Try to send these to their one channel, and note how it went."""
        for delivery in waiting:
            try:
                channel_of(delivery.channel, self._settings(), self._environ).send(delivery.message)
            except (Unavailable, ConfigError) as error:
                self._store.record(_again(delivery, error, now_ns))
                return  # the channel is away: what else waits for it is tried with it
            except MoatError as error:
                log.warning("channel %s: %s", delivery.channel, error)
                failed = replace(delivery, status="failed", tries=delivery.tries + 1, done_ns=now_ns, error=str(error))
                self._store.record(failed)
            else:
                self._store.record(replace(delivery, status="sent", tries=delivery.tries + 1, done_ns=now_ns, error=""))

    def due(self, now_ns: int) -> dict[str, list[Delivery]]:
        """What may be sent now, by channel."""
        self.backlog = dict.fromkeys(self._settings().config.alerts.channels, 0) | self._store.backlog()
        found: dict[str, list[Delivery]] = {}
        for delivery in self._store.due(now_ns):
            found.setdefault(delivery.channel, []).append(delivery)
        return found

    def prune(self, now_ns: int) -> None:
        """Forget what is long over."""
        self._store.prune(now_ns - KEPT_NS)


def _again(delivery: Delivery, error: MoatError, now_ns: int) -> Delivery:
    """Later, and later still; after a day never."""
    tries = delivery.tries + 1
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1))
    next_ns = now_ns + round(wait * SECOND_NS)
    if next_ns - delivery.message.at_ns > GIVE_UP_NS and tries >= LEAST_TRIES:
        log.warning("channel %s: given up: %s", delivery.channel, error)
        return replace(delivery, status="failed", tries=tries, done_ns=now_ns, error=str(error))
    return replace(delivery, tries=tries, next_ns=next_ns, error=str(error))


async def keep_watched(alerting: Alerting) -> None:
    """Evaluate until cancelled. What goes wrong is logged, and looked at again the next time."""
    pruned = 0.0
    while True:
        await asyncio.sleep(alerting.every)
        try:
            await to_its_end(lambda: alerting.evaluate(time.time_ns()))
            if time.monotonic() - pruned > 3600:
                pruned = time.monotonic()
                await to_its_end(lambda: alerting.prune(time.time_ns()))
        except MoatError as error:
            log.warning("rules could not be evaluated: %s", error)


async def keep_delivered(alerting: Alerting) -> None:
    """Send what waits until cancelled: each channel its own messages in order, and none waits for another."""
    busy: dict[str, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as group:
        while True:
            try:
                waiting = await to_its_end(lambda: alerting.due(time.time_ns()))
            except StorageError as error:
                log.warning("messages could not be sent: %s", error)
                waiting = {}
            busy = {channel: task for channel, task in busy.items() if not task.done()}
            for channel, those in waiting.items():
                if channel not in busy:
                    busy[channel] = group.create_task(_deliver(alerting, those))
            await asyncio.sleep(DELIVER_SECONDS)


async def _deliver(alerting: Alerting, those: list[Delivery]) -> None:
    try:
        await to_its_end(lambda: alerting.deliver(those, time.time_ns()))
    except StorageError as error:
        log.warning("messages could not be sent: %s", error)
