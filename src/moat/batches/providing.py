"""A batch that its provider runs: submitted whole, watched, and its results taken through the pipeline.

What a provider has run is a call like any other: it goes through the same stages, with a provider at their end that
already knows the answer, so that records, prices and budgets are right without being told.
"""

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from moat.batches.answered import Asked, Known, way_of
from moat.batches.lines import Line
from moat.batches.reserving import SpentLedger, prepare, wait
from moat.batches.running import EXPIRED, Running, Slices
from moat.domain.batches import Batch, BatchStatus, Submission, Way
from moat.domain.calls import Call, Deployment
from moat.domain.errors import (
    ContextOverflow,
    MoatError,
    ProviderError,
    ProviderOverloaded,
    ProviderRefused,
    StorageError,
    Unsupported,
)
from moat.pipeline.billing import Reserve
from moat.pipeline.recipe import build
from moat.pipeline.stages.meter import told
from moat.ports.batches import BatchApi, Batching, BatchResult, ProviderBatch
from moat.ports.ledger import Spending
from moat.ports.models import Models

T = TypeVar("T")

Change = Callable[[Batch], Batch]

SEPARATOR = "-"
GRACE_NS = 900 * 10**9
"""How long after its window a batch may still wait for what its provider has run."""


class Pace(NamedTuple):
    """Seconds."""

    first: float = 1.0
    """Between two looks at a provider's batch, at first."""
    most: float = 60.0
    """And at most."""
    grace: float = 5.0
    """How long lines under way may go on after the server was asked to stop."""


PACE = Pace()


def batch_api(models: Models, deployment: Deployment) -> BatchApi | None:
    """The batch API behind a deployment, if it has one."""
    provider = models.provider(deployment.provider)
    return provider.batches if isinstance(provider, Batching) else None


class ProviderRun:
    """One batch at its provider."""

    def __init__(self, running: Running, deployment: Deployment, change: Callable[[Change], Awaitable[Batch]]) -> None:
        """`change` stores what is known of the batch, before anything else is done with it."""
        self._running = running
        self._deployment = deployment
        self._change = change

    async def run(self, pace: Pace) -> BatchStatus:
        """To its end; how it ended. Raises `ProviderRefused` when the provider does not take it."""
        if not self._running.batch.provider_batch and not await self._submit(pace):
            return "cancelled" if self._running.stopping.is_set() else "completed"
        found = await self._watch(pace)
        if found is not None and found.status == "failed":
            raise ProviderRefused(found.message or "the provider could not run the batch", where=str(self._deployment))
        if found is not None:
            await self._persist(lambda: self._take(found), pace)
        status = self._status("expired" if found is None else found.status)
        if status != "cancelled":
            for line in self._running.left():
                self._running.give_up(line, *EXPIRED)
        return status

    def _status(self, found: str) -> BatchStatus:
        if found in ("cancelled", "expired") and self._running.stopping.is_set():
            return "cancelled"
        return "completed" if found == "completed" else "expired"

    @property
    def _api(self) -> BatchApi:
        """Of the provider as it is now."""
        api = batch_api(self._running.ports.models, self._deployment)
        if api is None:
            raise Unsupported(f"{self._deployment.provider} has no batches any more", where=str(self._deployment))
        return api

    async def _submit(self, pace: Pace) -> bool:
        """False when there is nothing to be run. What a process that died has submitted is found again."""
        running = self._running
        id = await self._persist(self._found, pace) if running.batch.submission is not None else ""
        if not id and not running.stopping.is_set():
            id = await self._submit_lines(pace)
        if id:
            await self._change(lambda batch: replace(batch, provider_batch=id))
        return bool(id)

    async def _submit_lines(self, pace: Pace) -> str:
        """Its id; empty when there is nothing to be run."""
        asked, began_ns = await self._requests(), self._running.ports.clock.now_ns()
        if asked.sample is None:
            return ""
        submission = Submission(began_ns=began_ns, lines=len(asked.lines), ways=asked.ways)
        await self._change(lambda batch: replace(batch, submission=submission))
        sample, data, mark = asked.sample, b"\n".join(asked.lines) + b"\n", self._running.batch.id
        taken = False
        """May the provider have taken it, although it has not said so?"""

        async def submit() -> str:
            nonlocal taken
            if taken and (id := await self._found()):
                return id
            if self._running.stopping.is_set():
                return ""
            try:
                return await self._api.submit(sample, data, mark)
            except ProviderError as error:
                taken = error.sent and not isinstance(error, ProviderOverloaded)
                raise

        return await self._persist(submit, pace)

    async def _found(self) -> str:
        """The id of what was submitted; empty when the provider has not got it."""
        batch = self._running.batch
        assert batch.submission is not None, "noted before it is submitted"
        return await self._api.find(batch.id, batch.submission)

    async def _requests(self) -> "_Requests":
        """All lines that are left, as the provider takes them."""
        running, asked, slices = self._running, _Requests(), Slices()
        for line in running.left():
            await slices.rest()
            request_id = ""
            try:
                call = running.call(line)
                request_id = call.id
                sent = replace(await prepare(call, running.ports), deployment=self._deployment)
                assert sent.plan is not None, "Route makes the plan"
                if self._deployment not in sent.plan.deployments:  # by a policy that is new, say
                    raise Unsupported("it may not be asked of the provider that runs this batch any more")
                if sent.journal.handled is not None:
                    sent = sent.journal.handled.sent(sent)
                hold = running.reserved.held(line.number)
                if hold is not None:
                    sent = told(sent, hold, Reserve(sent, running.priced_ports))
                name = SEPARATOR.join((running.batch.id, str(line.number), str(asked.number_of(way_of(sent)))))
                asked.lines.append(self._api.line(sent, name))
                asked.sample = asked.sample or sent
            except MoatError as error:
                running.fail(line, request_id, error)
        return asked

    async def _watch(self, pace: Pace) -> ProviderBatch | None:
        """Wait for its end; None when its provider does not come to one in time."""
        running, clock, seconds, cancelled = self._running, self._running.ports.clock, pace.first, False
        id, expires_ns = running.batch.provider_batch, running.batch.expires_ns
        while clock.now_ns() < expires_ns + GRACE_NS:
            if not cancelled and (running.stopping.is_set() or clock.now_ns() >= expires_ns):
                await self._persist(lambda: self._api.cancel(id), pace)
                cancelled = True
            found = await self._persist(lambda: self._api.look(id), pace)
            if found.status != "running":
                return found
            await self._rest(seconds)
            seconds = min(pace.most, seconds * 1.5)
        return None

    async def _take(self, found: ProviderBatch) -> None:
        """Make a recorded call of every result that is not one yet."""
        running, places, slices = self._running, dict[int, int](), Slices()
        for number, at, _ in running.input.raw_lines():
            await slices.rest()
            places[number] = at
        async with aclosing(self._api.results(found)) as results:
            async for result in results:
                await slices.rest()
                number, way = self._named(result.name)
                if way is None or number not in places:
                    continue
                line = running.input.line(number, places[number])
                if line.name in running.done:
                    continue
                if result.status:
                    await self._record(line, result, way)
                elif not running.stopping.is_set():
                    running.give_up(line, EXPIRED[0], result.message or EXPIRED[1])

    def _named(self, name: str) -> tuple[int, Way | None]:
        """Number of a line, and how it was asked; None for a name that is none of ours."""
        batch = self._running.batch
        mark, *numbers = name.split(SEPARATOR)
        if batch.submission is None or mark != batch.id or len(numbers) != 2:
            return 0, None
        number, way = (int(text) if text.isdecimal() else -1 for text in numbers)
        ways = batch.submission.ways
        return number, ways[way] if 0 <= way < len(ways) else None

    async def _record(self, line: Line, result: BatchResult, way: Way) -> None:
        running = self._running
        ports = running.priced_ports
        held = running.reserved.take(line.number)
        # Whatever its key may do by now.
        call = replace(running.submitted_call(line), model=way.alias)
        known = Known(ports.models, self._deployment, self._api, result)
        ledger = None if ports.ledger is None else SpentLedger(ports.ledger, held)
        ports = dataclasses.replace(ports, prompts=Asked(way), models=known, ledger=ledger, health=None, cache=None)
        try:
            await running.answer(line, call, build(ports))
        except StorageError:
            if held is not None:
                running.reserved.add(line.number, held)
            raise
        except MoatError as error:
            running.fail(line, call.id, error)
            if held is not None:  # perhaps it did not come to be settled
                held.settle(Spending(0, 0))

    async def _rest(self, seconds: float) -> None:
        """Before another look. Being told to stop ends it, once."""
        if self._running.stopping.is_set():
            await asyncio.sleep(seconds)
        else:
            await wait(self._running.stopping, seconds)

    async def _persist(self, step: Callable[[], Awaitable[T]], pace: Pace) -> T:
        """Until it succeeds, or its batch's time is over. Raises `ProviderRefused`: that would not go away."""
        seconds = pace.first
        while True:
            try:
                return await step()
            except ContextOverflow:
                raise
            except ProviderError as error:
                refused = isinstance(error, ProviderRefused) and error.status < 500
                clock, expires_ns = self._running.ports.clock, self._running.batch.expires_ns
                if refused or clock.now_ns() >= expires_ns + GRACE_NS:
                    raise
                await self._rest(max(error.retry_after or 0.0, seconds * random.uniform(0.5, 1.0)))
                seconds = min(pace.most, seconds * 2)


class _Requests:
    """What is to be submitted."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.sample: Call | None = None
        """None when there is nothing."""
        self._ways: dict[tuple[str, ...], tuple[int, Way]] = {}

    @property
    def ways(self) -> tuple[Way, ...]:
        """By number, counted from 0."""
        return tuple(way for _, way in self._ways.values())

    def number_of(self, way: Way) -> int:
        """The number of a way, perhaps a new one."""
        release, version = way.release.id if way.release else "", way.version.id if way.version else ""
        name = (way.alias, release, version, way.arm, way.experiment)
        return self._ways.setdefault(name, (len(self._ways), way))[0]
