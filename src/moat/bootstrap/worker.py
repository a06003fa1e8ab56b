"""The life of a worker process: `python -m moat.bootstrap.worker FD`, started by `moat.bootstrap.crew`.

It answers model calls and nothing else: it reads the state store, where it writes only that people are asked for
an approval or that one is used, appends to a part of the spool of its own, and spends what the keeper lends it. When
the keeper is gone it ends what is under way, and itself.
"""

import asyncio
import logging
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import uvloop

from moat.adapters.system import SystemClock
from moat.bootstrap import channel as say
from moat.bootstrap.channel import Channel
from moat.bootstrap.engine import Engine, Ground, begin, new_spool, open_engine
from moat.bootstrap.http_server import HttpServer, allow_descriptors, calm_collector, http_settings
from moat.bootstrap.logs import Logs, secrets_of, start_logging
from moat.bootstrap.measuring import keep_learnt
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.spikes import POLL_SECONDS as SPIKES_SECONDS
from moat.bootstrap.spikes import follow
from moat.bootstrap.state import open_state
from moat.domain.errors import MoatError, Stopped
from moat.domain.struct_types import describe_all
from moat.gateway.access_log import AccessLog
from moat.gateway.app import Gateway
from moat.gateway.handover import is_anywhere, misdirected
from moat.spend.leases import Lessee, Tally
from moat.spend.ledger import LimitLedger
from moat.spend.spikes import Whose

log = logging.getLogger("moat.server")

STATUS_SECONDS = 0.5


class Keeper:
    """The keeper, as its worker sees it."""

    def __init__(self, channel: Channel, tally: Tally) -> None:
        self.channel = channel
        self.lessee = Lessee(tally, lambda number, wants: channel.send(say.Asked(number, wants)), SystemClock())
        self.spent: Counter[Whose] = Counter()
        self.requests: Callable[[], int] = lambda: 0
        """How many are under way."""

    def is_elsewhere(self, head: bytes) -> bool:
        """See `moat.gateway.handover.Place`."""
        return not is_anywhere(head)

    def hand_over(self, fd: int, data: bytes) -> None:
        """See `moat.gateway.handover.Place`."""
        self.channel.hand_over(fd, data)

    def add_spent(self, whose: Whose, cost: int) -> None:
        """To be told with the next status."""
        self.spent[whose] += cost

    async def keep_told(self, engine: Engine) -> None:
        """Tell how things stand, until cancelled."""
        looked = 0.0
        status = 0.0
        while True:
            if engine.live.looked != looked:
                looked = engine.live.looked
                self.channel.send(say.Looked(looked))
            if engine.live.looked - status > STATUS_SECONDS or self.spent:
                status = engine.live.looked
                spent, self.spent = self.spent, Counter()
                told = engine.live.deployments(), engine.live.caches(), engine.dropped, self.requests()
                self.channel.send(say.Status(*told, tuple(spent.items()), engine.live.refusals.own))
            await asyncio.sleep(0.02)


async def work(end: socket.socket, logs: Logs) -> None:
    """Serve until the keeper says stop, a signal asks to, or the keeper is gone."""
    describe_all()
    channel = Channel(end)
    start, memory = await _told(channel)
    keeper = Keeper(channel, Tally(memory))
    os.close(memory)
    project = Project(Path(start.root))
    start_logging(logs, secrets_of(environment(), project.settings.document.data))
    allow_descriptors()
    async with AsyncExitStack() as opened:
        engine = _open(opened, project, start, keeper)
        max_body = round(project.settings.config.server.max_body_mb * 2**20)
        gateway = Gateway(engine.live, engine.spool, max_body=max_body, management=misdirected, batches=misdirected)

        async def ready() -> None:
            opened.enter_context(calm_collector())
            channel.send(say.Ready())

        async def stopping() -> None:
            channel.send(say.Leaving())

        logged = AccessLog(gateway) if logs.access else gateway
        settings = http_settings(logged, start.max_requests, keeper, engine.live.refusals)
        server = HttpServer(settings, ready, stopping)
        keeper.requests = lambda: server.under_way
        channel.listen(partial(_received, keeper, engine, server), server.stop)
        await server.serve(sockets=[])


async def _told(channel: Channel) -> tuple[say.Start, int]:
    """What to serve, and the memory of the tally. Raises `Stopped` when the keeper is gone before it says so."""
    first: asyncio.Future[tuple[say.Start, int]] = asyncio.get_running_loop().create_future()

    def received(message: object, fds: list[int]) -> None:
        assert isinstance(message, say.Start), message
        channel.pause()
        first.set_result((message, fds[0]))

    channel.listen(received, lambda: first.set_exception(Stopped("the keeper is gone")))
    return await first


def _open(opened: AsyncExitStack, project: Project, start: say.Start, keeper: Keeper) -> Engine:
    """What answers calls, on a ledger that spends leases."""
    state = opened.enter_context(open_state(project))
    spool = new_spool(project)
    opened.callback(spool.close)
    spool.open()
    ledger = LimitLedger(SystemClock(), keeper.add_spent)
    ledger.source = keeper.lessee
    ground = Ground(project, environment(), start.key, state, spool, lambda limit, since_ns: {})
    engine = open_engine(opened, ground, ledger, lambda *compared: keeper.channel.send(say.Compared(*compared)))

    async def keep_spikes() -> None:
        while True:
            await follow(ledger.spikes, state.trips)
            await asyncio.sleep(SPIKES_SECONDS)

    learnt = partial(keep_learnt, engine.caches.book, state.false_hits)
    begin(opened, (*engine.works, keep_spikes, learnt, partial(keeper.keep_told, engine)))
    return engine


def _received(keeper: Keeper, engine: Engine, server: HttpServer, message: object, fds: list[int]) -> None:
    match message:
        case say.Take():
            keeper.channel.send(say.Took())
            connection = say.given(message, fds)
            if server.should_exit:
                keeper.hand_over(*connection)
            else:
                server.take(*connection)
        case say.Granted(number, grants):
            keeper.lessee.answered(number, grants)
        case say.Recall(number, indexes):
            keeper.channel.send(say.Back(number, keeper.lessee.give_back(indexes)))
        case say.Look():
            engine.live.look()
        case say.Stop():
            server.stop()


def main() -> int:
    """The process."""
    logs = Logs.given(sys.argv[2:])
    start_logging(logs, secrets_of(environment()))
    try:
        uvloop.run(work(socket.socket(fileno=int(sys.argv[1])), logs))
    except MoatError as error:
        log.error("a worker cannot serve: %s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
