"""The keeper's side of worker processes: it starts them, gives them connections, and lends them room in the limits."""

import asyncio
import itertools
import logging
import os
import socket
import sys
import time
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from moat.adapters.system import SystemClock
from moat.bootstrap import channel as say
from moat.bootstrap.channel import Channel
from moat.bootstrap.engine import Engine
from moat.bootstrap.logs import TEXT, Logs
from moat.bootstrap.project import Project
from moat.caching.report import CacheState, merged_caches, only_done
from moat.domain.errors import Unavailable
from moat.domain.keys import Key
from moat.gateway.handover import Take, is_anywhere
from moat.gateway.measured import Processes
from moat.gateway.refusals import Count, summed
from moat.routing.health import DeploymentState
from moat.routing.merging import merged_states, only_counts
from moat.spend.leases import Lessor, Tally, Want, Worker, new_memory

log = logging.getLogger("moat.server")

START_SECONDS = 60.0
"""Until the first worker must be ready."""
RESTART_SECONDS, LONGEST_PAUSE = 0.1, 10.0
"""Before a worker that died is replaced; longer and longer while they die young."""
YOUNG_SECONDS = 10.0
STOP_SECONDS = 45.0
"""A worker that has not ended by then is killed: more than its calls and their records get."""


class Member:
    """One worker process, from its start to its end."""

    def __init__(self, name: str, process: Process, channel: Channel) -> None:
        self.name = name
        self.process = process
        self.channel = channel
        self.ready = False
        self.looked = 0.0
        self.status = say.Status((), (), 0, 0, ())
        self._recalled: dict[int, asyncio.Future[Sequence[int]]] = {}
        self._numbers = itertools.count()
        self._given: deque[tuple[int, bytes]] = deque()
        """Connections that it has not taken yet: another one gets them if it dies."""

    def give(self, fd: int, data: bytes) -> None:
        """Let it serve this connection."""
        self._given.append((os.dup(fd), data))
        self.channel.hand_over(fd, data)

    def took(self) -> None:
        """It serves the oldest of them."""
        os.close(self._given.popleft()[0])

    async def recall(self, indexes: list[int]) -> Sequence[int]:
        """What it can spare of these leases."""
        number = next(self._numbers)
        answer: asyncio.Future[Sequence[int]] = asyncio.get_running_loop().create_future()
        self._recalled[number] = answer
        self.channel.send(say.Recall(number, indexes))
        return await answer

    def answered(self, number: int, amounts: Sequence[int]) -> None:
        """It has answered a recall."""
        self._recalled.pop(number).set_result(amounts)

    def lost(self) -> None:
        """It takes no more."""
        self.ready = False

    def end(self) -> Sequence[tuple[int, bytes]]:
        """It says nothing more; what it has not taken."""
        self.ready = False
        self.channel.close()
        for answer in self._recalled.values():
            answer.set_result(())
        return self._given


class Crew:
    """All workers of a server. With none of them this process answers everything itself."""

    def __init__(self, project: Project, local: Key, count: int, logs: Logs = TEXT) -> None:
        self._project = project
        self._local = local
        self._count = count
        self._logs = logs
        self._members: list[Member] = []
        self._turn = itertools.count()
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()
        self._some = asyncio.Event()
        """A worker is ready, or the first has failed."""
        self._former = 0
        """Copies of calls that workers gave up which are no more."""
        self._replaced = 0
        self.own: Callable[[], int] = lambda: 0
        """Requests under way in this process."""
        self._departed: tuple[Sequence[DeploymentState], Sequence[CacheState]] = ((), ())
        """What workers did which are no more: counts never fall."""
        self._refused: tuple[Count, ...] = ()
        """What these refused."""
        self._doing: set[asyncio.Task[None]] = set()

    def serve(self, engine: Engine) -> None:
        """Stand beside this process's own engine: what is told of one is told of all."""
        self._engine = engine
        self._lessor = Lessor(engine.ledger, SystemClock())
        if not self._count:
            return
        engine.ledger.source = self._lessor
        live, deployments, caches = engine.live, engine.live.deployments, engine.live.caches
        live.deployments = lambda: merged_states([*deployments(), *self._deployments()])
        live.caches = lambda: merged_caches([*caches(), *self._caches()])
        live.refusals.elsewhere = self._refusals
        live.looked_elsewhere = lambda: min((m.looked for m in self._members if m.ready), default=float("inf"))
        live.on_look = lambda: self._tell(say.Look())

    @property
    def dropped(self) -> int:
        """Copies of calls that workers gave up."""
        return self._former + sum(member.status.dropped for member in self._members)

    @property
    def processes(self) -> Processes:
        """How the workers stand."""
        ready = [member for member in self._members if member.ready]
        return Processes(len(ready), self._replaced, self.own() + sum(member.status.requests for member in ready))

    def is_elsewhere(self, head: bytes) -> bool:
        """See `Place`."""
        return is_anywhere(head) and any(member.ready for member in self._members)

    def hand_over(self, fd: int, data: bytes) -> None:
        """See `Place`; without a worker the connection stays here."""
        member = self._next()
        if member is None:
            self._take(fd, data)
        else:
            member.give(fd, data)

    async def start(self, take: Take, listener: socket.socket) -> None:
        """Start all, and accept connections for them. Raises `Unavailable` when none gets ready."""
        self._take = take
        if not self._count:
            return
        self._tasks = [asyncio.create_task(self._keep(number)) for number in range(self._count)]
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._some.wait()
        except TimeoutError:
            log.error("no worker gets ready within %.0f s", START_SECONDS)
        if not any(member.ready for member in self._members):
            raise Unavailable("the workers do not start", remedy="What they said is above.")
        self._tasks.append(asyncio.create_task(self._accept(listener)))

    async def stop(self) -> None:
        """No new connections; workers end what is under way, then themselves."""
        self._over.set()
        for task in self._tasks[self._count :]:
            task.cancel()
        self._tell(say.Stop())
        if self._tasks:
            await asyncio.wait(self._tasks[: self._count], timeout=STOP_SECONDS)

    async def aclose(self) -> None:
        """Whoever is left is killed. Idempotent."""
        self._over.set()
        for member in self._members:
            with suppress(ProcessLookupError):
                member.process.kill()
        for task in self._tasks[: self._count]:
            with suppress(TimeoutError):
                await asyncio.wait_for(task, STOP_SECONDS)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:  # no descriptors are left, or the client is gone
                log.warning("a connection is not accepted: %s", error)
                await asyncio.sleep(RESTART_SECONDS)
                continue
            self.hand_over(connection.detach(), b"")

    async def _keep(self, number: int) -> None:
        """One worker after the other, in one place of the crew."""
        pause = RESTART_SECONDS
        while True:
            began = time.monotonic()
            code = await self._run(f"worker {number + 1}")
            self._some.set()
            if self._over.is_set():
                return
            pause = RESTART_SECONDS if time.monotonic() - began > YOUNG_SECONDS else min(2 * pause, LONGEST_PAUSE)
            self._replaced += 1
            log.error("worker %d ended with code %d; another one begins", number + 1, code)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), pause)
                return

    async def _run(self, name: str) -> int:
        """One worker, to its end; its exit code."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        memory = new_memory()
        command = (sys.executable, "-P", "-m", "moat.bootstrap.worker", str(theirs.fileno()), *self._logs.arguments)
        process = await asyncio.create_subprocess_exec(*command, pass_fds=(theirs.fileno(),))
        theirs.close()
        member = Member(name, process, Channel(ours))
        self._lessor.joined(name, Worker(Tally(memory), member.recall))
        member.channel.listen(partial(self._received, member), member.lost)
        requests = self._project.settings.config.server.max_requests
        share = -(-requests // self._count)
        member.channel.send(say.Start(str(self._project.root), self._local, share), memory)
        self._members.append(member)
        try:
            return await process.wait()
        finally:
            self._members.remove(member)
            self._former += member.status.dropped
            self._depart(member.status)
            self._lessor.ended(name)
            for connection in member.end():
                self.hand_over(*connection)

    def _received(self, member: Member, message: object, fds: list[int]) -> None:
        match message:
            case say.Asked(number, wants):
                self._do(self._grant(member, number, wants))
            case say.Back(number, amounts):
                member.answered(number, amounts)
            case say.Take():
                self._take(*say.given(message, fds))
            case say.Leaving():
                member.ready = False
            case say.Took():
                member.took()
            case say.Looked(at):
                member.looked = at
            case say.Compared(subject, now_ns, false, example):
                self._engine.caches.book.add(subject, now_ns, false=false, example=example)
            case say.Status():
                member.status = message
                for whose, cost in message.spent:
                    self._engine.ledger.spikes.spent(whose, cost)
            case say.Ready():
                member.ready = True
                self._some.set()

    async def _grant(self, member: Member, number: int, wants: Sequence[Want]) -> None:
        grants = await self._lessor.grant(member.name, wants)
        member.channel.send(say.Granted(number, grants))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    def _next(self) -> Member | None:
        """Whose turn it is."""
        ready = [member for member in self._members if member.ready]
        return ready[next(self._turn) % len(ready)] if ready else None

    def _tell(self, message: say.Message) -> None:
        for member in self._members:
            member.channel.send(message)

    def _depart(self, status: say.Status) -> None:
        """Keep the counts of a worker that is no more, and nothing of how it stood."""
        deployments, caches = self._departed
        left = [*deployments, *map(only_counts, status.deployments)]
        self._departed = merged_states(left), merged_caches([*caches, *map(only_done, status.caches)])
        self._refused = summed((*self._refused, *status.refused))

    def _refusals(self) -> list[Count]:
        return [*self._refused, *(count for member in self._members for count in member.status.refused)]

    def _deployments(self) -> list[DeploymentState]:
        return [*self._departed[0], *(state for member in self._members for state in member.status.deployments)]

    def _caches(self) -> list[CacheState]:
        return [*self._departed[1], *(state for member in self._members for state in member.status.caches)]
