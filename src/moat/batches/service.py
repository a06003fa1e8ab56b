"""Batches from their making to their end, and the files they read and write."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from moat.batches.asking import ask_lines
from moat.batches.checking import check
from moat.batches.files import FileShelf
from moat.batches.lines import FORMATS
from moat.batches.providing import PACE, Pace, ProviderRun
from moat.batches.running import EXPIRED, Running
from moat.domain.audit import Act
from moat.domain.batches import WINDOW_NS, Batch, BatchStatus, Owner, Problem, Purpose, StoredFile
from moat.domain.calls import Caller, new_id
from moat.domain.config import BatchConfig
from moat.domain.errors import ConflictError, MoatError, RequestError, StorageError
from moat.domain.keys import Key
from moat.gateway.serving import Live
from moat.ports.batches import BatchStore, Page
from moat.ports.clock import Clock

log = logging.getLogger("moat.batches")

DAY_NS = 86_400 * 10**9
SWEEP_SECONDS = 600.0
"""Between two looks for what has expired."""
RETRY_SECONDS = 5.0
"""Until a batch goes on that met a full disk or a store that was away."""


class Order(NamedTuple):
    """What a batch shall be."""

    input_file: str
    endpoint: str
    metadata: dict[str, str]
    keep_ns: int = 0
    """How long its results are kept; 0: as moat.yaml says."""


class Batches:
    """All batches of one server. For one event loop; the store and the disk are asked in threads."""

    def __init__(
        self,
        live: Live,
        store: BatchStore,
        shelf: FileShelf,
        config: BatchConfig,
        *,
        max_line: int,
        clock: Clock,
        pace: Pace = PACE,
    ) -> None:
        """`max_line`: bytes."""
        self.store = store
        self.shelf = shelf
        self.config = config
        self._clock = clock
        self._live = live
        self._max_line = max_line
        self._pace = pace
        self._slots = asyncio.Semaphore(config.concurrency)
        self._running: dict[str, Running] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def open(self) -> None:
        """Make the folder, and delete what a process that died has left there; before anything is asked.

        Raises `StorageError`.
        """
        written = {id for batch in self.store.open_batches() for id in (batch.output_file, batch.error_file)}
        self.shelf.open(self.store.file_ids() | written)

    async def run(self) -> None:
        """Go on with what is open, and delete what has expired, until cancelled."""
        try:
            while True:
                await self._resume()
                await self._sweep()
                await asyncio.sleep(SWEEP_SECONDS)
        finally:
            await self._stop()

    def new_file(self, owner: Owner, purpose: Purpose, filename: str, size: int, keep_ns: int = 0) -> StoredFile:
        """A file with a new id, not stored yet, in the owner's environment."""
        now = self._clock.now_ns()
        return StoredFile(
            id=new_id("file"),
            owner=owner.name,
            environment=owner.environment,
            purpose=purpose,
            filename=filename,
            bytes=size,
            created_ns=now,
            expires_ns=now + (keep_ns or self._keep_ns),
        )

    async def create(self, order: Order, key: Key, caller: Caller) -> Batch:
        """Check all lines, hold what they may cost, and begin.

        A batch with lines that cannot be run is made as `failed`, and says which. Raises `RequestError`, `NotFound`,
        and `LimitExceeded` when there is no room in a budget for all of it.
        """
        if order.endpoint not in FORMATS:
            raise RequestError(
                f"no batches for {order.endpoint[:100]!r}", where="endpoint", remedy=f"There are: {', '.join(FORMATS)}."
            )
        owner = owner_of(key)
        file = await asyncio.to_thread(self.store.file, order.input_file, owner)
        if file.purpose != "batch":
            raise RequestError("must be a file with the purpose batch", where="input_file_id")
        batch = self._new(order, owner, caller)
        running = self._running[batch.id] = self._opened(batch)
        try:
            found = await check(running, self.config.max_lines)
            batch = replace(batch, total=found.total, problems=found.problems, deployment=found.deployment)
            running.batch = batch
            if found.problems:
                batch = replace(batch, status="failed", ended_ns=self._clock.now_ns())
            else:
                await running.reserve()
            await asyncio.to_thread(self.store.add, batch)
        except BaseException:
            self._discard(running)
            raise
        if batch.open:
            self._begin(running)
        else:
            self._discard(running)
        return batch

    async def cancel(self, id: str, owner: Owner, actor: str) -> Batch:
        """Begin no further line. Raises `NotFound`, and `ConflictError` for a batch that has ended."""
        await asyncio.to_thread(self.store.batch, id, owner)

        def change(batch: Batch) -> Batch:
            if batch.status in ("cancelling", "cancelled"):
                return batch
            if not batch.open or batch.status == "finalizing":
                raise ConflictError(f"the batch is {batch.status} and cannot be cancelled", where="batch")
            return replace(batch, status="cancelling", cancelling_ns=self._clock.now_ns())

        batch = await asyncio.to_thread(self.store.change, id, change, (), Act(actor, "batch.cancel", id))
        running = self._running.get(id)
        if running is None:
            return batch
        # Only this: what is known of its submission may have been stored since.
        running.batch = replace(running.batch, status=batch.status, cancelling_ns=batch.cancelling_ns)
        running.stopping.set()
        return running.shown

    async def batch(self, id: str, owner: Owner) -> Batch:
        """As it is at this moment. Raises `NotFound`."""
        return self._shown(await asyncio.to_thread(self.store.batch, id, owner))

    async def batches(self, owner: Owner, page: Page) -> list[Batch]:
        """Likewise."""
        return [self._shown(batch) for batch in await asyncio.to_thread(self.store.batches, owner, page)]

    async def remove(self, id: str, owner: Owner, actor: str) -> None:
        """Delete a file. Raises `NotFound`, and `ConflictError` while an open batch reads it."""
        await asyncio.to_thread(self.store.remove_file, id, owner, actor)
        await asyncio.to_thread(self.shelf.remove, id)

    @property
    def _keep_ns(self) -> int:
        return round(self.config.keep_days * DAY_NS)

    def _new(self, order: Order, owner: Owner, caller: Caller) -> Batch:
        now = self._clock.now_ns()
        return Batch(
            id=new_id("batch"),
            owner=owner.name,
            environment=caller.environment,
            caller=caller,
            endpoint=order.endpoint,
            input_file=order.input_file,
            output_file=new_id("file"),
            error_file=new_id("file"),
            status="validating",
            created_ns=now,
            expires_ns=now + WINDOW_NS,
            keep_ns=order.keep_ns or self._keep_ns,
            metadata=order.metadata,
        )

    def _shown(self, batch: Batch) -> Batch:
        running = self._running.get(batch.id)
        if running is None or not batch.open:
            return batch
        return replace(batch, completed=running.completed, failed=running.failed)

    def _opened(self, batch: Batch) -> Running:
        return Running(batch, self._live, self.shelf, self._max_line)

    async def _resume(self) -> None:
        """Take up what another process left. Raises `StorageError`."""
        # Not in a thread: one that ends between the question and the answer would be begun anew.
        left = [batch for batch in self.store.open_batches() if batch.id not in self._running]
        for batch in left:
            running = self._running[batch.id] = self._opened(batch)
            try:
                await running.reserve(owed=True)
            except MoatError as error:  # running it will say what is wrong
                log.error("batch %s goes on without its reservation: %s", batch.id, error)
            self._begin(running)

    def _begin(self, running: Running) -> None:
        id = running.batch.id
        task = asyncio.get_running_loop().create_task(self._work(running))
        self._tasks[id] = task
        task.add_done_callback(partial(self._ended, running))

    def _ended(self, running: Running, task: asyncio.Task[None]) -> None:
        del self._tasks[running.batch.id], self._running[running.batch.id]
        running.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("unexpected error in batch %s; it is tried again", running.batch.id, exc_info=error)

    def _discard(self, running: Running) -> None:
        """It never begins."""
        del self._running[running.batch.id]
        running.reserved.end()
        running.close()

    async def _work(self, running: Running) -> None:
        """One batch to its end, whatever comes between."""
        while running.batch.open and not running.leaving:
            try:
                await self._advance(running)
            except StorageError as error:
                log.error("batch %s waits: %s", running.batch.id, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _advance(self, running: Running) -> None:
        batch = running.batch
        if batch.status == "validating":
            await self._change(running, partial(_started, self._clock.now_ns()))
        seconds = (batch.expires_ns - self._clock.now_ns()) / 1e9
        problems: tuple[Problem, ...] = ()
        try:
            status = await self._run(running, seconds)
        except StorageError:
            raise
        except MoatError as error:
            status, problems = "failed", (Problem(code=error.code, message=str(error)),)
        if not running.leaving or status != "cancelled":
            await self._end(running, status, problems)

    async def _run(self, running: Running, seconds: float) -> BatchStatus:
        """Until nothing is left to do; how the batch ended."""
        deployment = running.deployment
        if deployment is not None:
            return await ProviderRun(running, deployment, partial(self._change, running)).run(self._pace)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await ask_lines(running, self._slots, self.config.concurrency)
        except TimeoutError:
            for line in running.left():
                running.give_up(line, *EXPIRED)
            return "expired"
        return "cancelled" if running.stopping.is_set() else "completed"

    async def _end(self, running: Running, status: BatchStatus, problems: tuple[Problem, ...]) -> None:
        """Show the results, once they are on disk."""
        if not running.batch.finalizing_ns:
            await self._change(running, partial(_finalizing, self._clock.now_ns()))
        batch = running.shown
        paths = await asyncio.to_thread(running.close)
        owner = Owner(batch.owner, batch.environment)
        files = [
            replace(
                self.new_file(owner, "batch_output", f"{batch.id}_{what}.jsonl", path.stat().st_size, batch.keep_ns),
                id=path.name,
            )
            for what, path in zip(("output", "error"), paths, strict=True)
            if path is not None
        ]

        def end(stored: Batch) -> Batch:
            counts = {"completed": batch.completed, "failed": batch.failed}
            last = "cancelled" if stored.cancelling_ns and status == "completed" else status
            ended_ns = self._clock.now_ns()
            return replace(stored, status=last, ended_ns=ended_ns, problems=problems, submission=None, **counts)

        running.batch = await asyncio.to_thread(self.store.change, batch.id, end, files)

    async def _change(self, running: Running, change: Callable[[Batch], Batch]) -> Batch:
        running.batch = await asyncio.to_thread(self.store.change, running.batch.id, change)
        return running.batch

    async def _sweep(self) -> None:
        try:
            for id in await asyncio.to_thread(self.store.sweep, self._clock.now_ns()):
                await asyncio.to_thread(self.shelf.remove, id)
        except MoatError as error:
            log.error("what has expired was not deleted: %s", error)

    async def _stop(self) -> None:
        """Begin nothing; what is under way may end. What is left goes on with the next process."""
        tasks = list(self._tasks.values())
        if not tasks:
            return
        for running in self._running.values():
            running.leaving = True
            if running.deployment is None:
                running.stopping.set()
            elif running.batch.id in self._tasks:
                self._tasks[running.batch.id].cancel()
        _, late = await asyncio.wait(tasks, timeout=self._pace.grace)
        for task in late:
            task.cancel()
        for task in late:
            with suppress(asyncio.CancelledError):
                await task


def owner_of(key: Key) -> Owner:
    """Whose files and batches a key works on: its tenant's, else its own."""
    return Owner(f"tenant/{key.tenant}" if key.tenant else f"key/{key.id}", key.environment)


def _started(now_ns: int, batch: Batch) -> Batch:
    status: BatchStatus = "in_progress" if batch.status == "validating" else batch.status
    return replace(batch, status=status, in_progress_ns=now_ns)


def _finalizing(now_ns: int, batch: Batch) -> Batch:
    status: BatchStatus = "finalizing" if batch.status == "in_progress" else batch.status
    return replace(batch, status=status, finalizing_ns=now_ns)
