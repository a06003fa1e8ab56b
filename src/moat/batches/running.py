"""One batch under way: its lines, its results, and what is reserved for it."""

import asyncio
import dataclasses
import time
from collections.abc import Iterator
from contextlib import aclosing, suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from moat.batches.files import FileShelf, ResultFile
from moat.batches.lines import FORMATS, Input, Line, answer_line, call_of, unanswered_line
from moat.batches.reserving import WITHHELD, BatchPrices, Reservation, Whole, prepare, too_much, worst_of
from moat.domain.batches import Batch
from moat.domain.calls import Call, Deployment, Event, Finished
from moat.domain.errors import ContextOverflow, LimitExceeded, MoatError, NotFound, ProviderDown, Unsupported
from moat.domain.keys import Key
from moat.gateway.serving import Live
from moat.pipeline.compose import Next
from moat.pipeline.ports import Ports
from moat.ports.ledger import Worst

SLICE_SECONDS = 0.002
"""Users' calls wait no longer than this for a batch that is read."""

EXPIRED = ("batch_expired", "the line was not run before the batch's completion window ended")


class Slices:
    """Lets others have their turn now and then while much is read."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def rest(self) -> None:
        """Returns at once most of the time."""
        if time.perf_counter() - self._began >= SLICE_SECONDS:
            await asyncio.sleep(0)
            self._began = time.perf_counter()


class Running:
    """A batch that has not ended. Its result files say what is done: nothing else is needed to go on after a crash."""

    def __init__(self, batch: Batch, live: Live, shelf: FileShelf, max_line: int) -> None:
        """Raises `StorageError`."""
        self.batch = batch
        """As it is stored; the counts here are the newer ones."""
        self.live = live
        self.input = Input(shelf.path(batch.input_file), batch.endpoint, max_line)
        self.reserved = Reservation()
        self.stopping = asyncio.Event()
        """No further line is begun: the batch is being cancelled."""
        self.leaving = False
        """The server ends: what is left goes on with the next one."""
        if batch.cancelling_ns:
            self.stopping.set()
        self.paths = (shelf.path(batch.output_file), shelf.path(batch.error_file))
        self._answers, self._errors = (ResultFile(path) for path in self.paths)
        answered, failed = self._answers.names(), self._errors.names()
        self.done = answered | failed
        """By `custom_id`."""
        self.completed, self.failed = len(answered), len(failed)

    @property
    def shown(self) -> Batch:
        """The batch as it is at this moment."""
        return replace(self.batch, completed=self.completed, failed=self.failed)

    @property
    def ports(self) -> Ports:
        """Of the present snapshot."""
        ports = self.live.serving.ports
        assert ports is not None, "a server that takes batches has them"
        return ports

    def left(self) -> Iterator[Line]:
        """Lines that have no result."""
        return (line for line in self.input.lines() if line.name not in self.done)

    def call(self, line: Line) -> Call:
        """A line as a call, when the key may still make it. Raises a `MoatError`."""
        key, caller = self.live.serving.keys.named(self.batch.caller.key), self.batch.caller
        if key.tenant != caller.tenant or (key.environment and key.environment != caller.environment):
            raise NotFound.for_this_key()
        batch = replace(self.batch, caller=replace(caller, models=key.models))
        return call_of(batch, line, key)

    def submitted_call(self, line: Line) -> Call:
        """A line as a call that was made already: whatever its key may do by now."""
        caller = replace(self.batch.caller, models=())
        return call_of(replace(self.batch, caller=caller), line, Key(id=caller.key, hash="", tenant=caller.tenant))

    async def reserve(self, *, owed: bool = False) -> None:
        """Hold the worst case of every line that is left, or of none. Raises `LimitExceeded`."""
        slices = Slices()
        try:
            for line in self.left():
                await slices.rest()
                await self._reserve(line, owed)
        except LimitExceeded as error:
            held = self.reserved.end()
            raise too_much(error, held, await self._whole()) from None
        except BaseException:
            self.reserved.end()
            raise

    async def _whole(self) -> Whole:
        """Of every line that is left and would go out."""
        slices, whole = Slices(), Whole()
        for line in self.left():
            await slices.rest()
            with suppress(MoatError):
                prepared = await self._prepared(line, owed=True)
                whole = whole.plus(prepared[1]) if prepared else whole
        return whole

    async def _reserve(self, line: Line, owed: bool) -> None:
        prepared = await self._prepared(line, owed=owed)
        ledger = self.priced_ports.ledger
        if prepared is not None and ledger is not None:
            call, worst = prepared
            self.reserved.add(line.number, await ledger.reserve(call, worst, owed=owed))

    async def _prepared(self, line: Line, *, owed: bool) -> tuple[Call, Worst] | None:
        """A line as it would go out, with the most that it may take; None where nothing is held for it."""
        ports = self.priced_ports
        if ports.ledger is None:
            return None
        try:
            call = self.call(line)
            if not ports.ledger.watches(call):
                return None
            call = await prepare(call, ports)
        except MoatError as error:
            if owed or isinstance(error, (ContextOverflow, Unsupported, *WITHHELD)):
                return None  # it gets its error when it is run; keys and prompts may have changed since it was checked
            raise
        assert call.plan is not None, "Route makes the plan"
        deployments = [self.deployment] if self.deployment else call.plan.deployments
        return call, worst_of(call, ports, deployments)

    @property
    def deployment(self) -> Deployment | None:
        """Whose batch API runs it; None when the gateway does."""
        provider, _, model = self.batch.deployment.partition("/")
        return Deployment(provider, model) if provider else None

    @property
    def priced_ports(self) -> Ports:
        """With the prices that hold for this batch."""
        ports = self.ports
        if not self.batch.deployment:
            return ports
        return dataclasses.replace(ports, prices=BatchPrices(ports.prices, self.live.serving.batch_discounts))

    async def answer(self, line: Line, call: Call, run: Next) -> None:
        """Run a call and keep its answer. Raises the `MoatError` that it ends with.

        The answer is kept before the call is recorded: a process that dies in between leaves a line that is not run
        again, and its cost in the spool as that of a call whose end nobody saw.
        """
        events: list[Event] = []
        async with aclosing(run(call)) as stream:
            async for event in stream:
                events.append(event)
                if isinstance(event, Finished):
                    self._keep(line, call, events)

    def _keep(self, line: Line, call: Call, events: list[Event]) -> None:
        body, _ = FORMATS[self.batch.endpoint].body(call.journal.sent or call, events)
        try:
            kept = answer_line(line.name, call.id, 200, body)
        except msgspec.DecodeError:
            raise ProviderDown("sent an answer that is not JSON") from None
        self._answers.append(kept)
        self.done.add(line.name)
        self.completed += 1

    def fail(self, line: Line, request_id: str, error: MoatError) -> None:
        """Keep a line's error, unless it has a result."""
        if line.name not in self.done:
            body = FORMATS[self.batch.endpoint].error(error)
            self._note(line, answer_line(line.name, request_id, error.status, body))

    def give_up(self, line: Line, code: str, message: str) -> None:
        """Note that a line was never run."""
        if line.name not in self.done:
            self._note(line, unanswered_line(line.name, code, message))

    def _note(self, line: Line, kept: bytes) -> None:
        self._errors.append(kept)
        self.done.add(line.name)
        self.failed += 1
        self.reserved.give_back(line.number)

    def close(self) -> tuple[Path | None, Path | None]:
        """Put the results on disk; the paths of those that there are: answers, errors."""
        found = []
        for path, file in zip(self.paths, (self._answers, self._errors), strict=True):
            found.append(path if file.size else None)
            file.close()
        return found[0], found[1]

    def release(self) -> None:
        """Let go of everything: the batch goes on elsewhere, later, or never. Idempotent."""
        self.reserved.end()
        self._answers.release()
        self._errors.release()
