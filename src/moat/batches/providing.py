"""A batch that its provider runs: submitted whole, watched, and its results taken through the pipeline.

What a provider has run is a call like any other: it goes through the same stages, with a provider at their end that
already knows the answer, so that records, prices and budgets are right without being told.
"""

import asyncio
import dataclasses
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from moat.batches.lines import Line
from moat.batches.reserving import SpentLedger, prepare, wait
from moat.batches.running import EXPIRED, Running, Slices
from moat.domain.batches import Batch, BatchStatus
from moat.domain.calls import Call, Deployment, Event, Plan
from moat.domain.errors import ContextOverflow, MoatError, ProviderError, ProviderRefused, StorageError, Unsupported
from moat.pipeline.recipe import build
from moat.ports.batches import BatchApi, Batching, BatchResult, ProviderBatch
from moat.ports.models import Capacity, Models, Provider

T = TypeVar("T")

SEPARATOR = "|"
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

    def __init__(self, running: Running, deployment: Deployment, submitted: Callable[[str], Awaitable[Batch]]) -> None:
        """`submitted` stores the provider's id of the batch, before anything else is done with it."""
        self._running = running
        self._deployment = deployment
        self._submitted = submitted

    async def run(self, pace: Pace) -> BatchStatus:
        """To its end; how it ended. Raises `ProviderRefused` when the provider does not take it."""
        if not self._running.batch.provider_batch and not await self._submit(pace):
            return "cancelled" if self._running.stopping.is_set() else "completed"
        found = await self._watch(pace)
        if found is None:
            return self._status("expired")
        if found.status == "failed":
            raise ProviderRefused(found.message or "the provider could not run the batch", where=str(self._deployment))
        await self._persist(lambda: self._take(found), pace)
        status = self._status(found.status)
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
        """False when there is nothing to be run. What was submitted by a process that died is found by its mark."""
        running, lines, sample = self._running, list[bytes](), None
        slices = Slices()
        for line in running.left():
            await slices.rest()
            request_id = ""
            try:
                call = running.call(line)
                request_id = call.id
                sent = replace(await prepare(call, running.ports), deployment=self._deployment)
                lines.append(self._api.line(sent, _name(line, sent)))
                sample = sample or sent
            except MoatError as error:
                running.fail(line, request_id, error)
        if sample is None or running.stopping.is_set():
            return False
        data, first = b"\n".join(lines) + b"\n", sample

        async def submit() -> str:
            mark = running.batch.id
            return await self._api.find(mark) or await self._api.submit(first, data, mark)

        running.batch = await self._submitted(await self._persist(submit, pace))
        return True

    async def _watch(self, pace: Pace) -> ProviderBatch | None:
        """Wait for its end; None when its provider does not come to one in time."""
        running, clock, seconds, told = self._running, self._running.ports.clock, pace.first, False
        id, expires_ns = running.batch.provider_batch, running.batch.expires_ns
        while clock.now_ns() < expires_ns + GRACE_NS:
            if not told and (running.stopping.is_set() or clock.now_ns() >= expires_ns):
                await self._persist(lambda: self._api.cancel(id), pace)
                told = True
            found = await self._persist(lambda: self._api.look(id), pace)
            if found.status != "running":
                return found
            if told:
                await asyncio.sleep(seconds)
            else:
                await wait(running.stopping, seconds)
            seconds = min(pace.most, seconds * 1.5)
        return None

    async def _take(self, found: ProviderBatch) -> None:
        """Make a recorded call of every result that is not one yet."""
        running = self._running
        places = {str(number): at for number, at, _ in running.input.raw_lines()}
        async for result in self._api.results(found):
            number, alias, release = [*result.name.split(SEPARATOR), "", "", ""][:3]
            if number not in places:
                continue
            line = running.input.line(int(number), places[number])
            if line.name in running.done:
                continue
            if not result.status:
                running.give_up(line, EXPIRED[0], result.message or EXPIRED[1])
                continue
            await self._record(line, result, alias, release)

    async def _record(self, line: Line, result: BatchResult, alias: str, release: str) -> None:
        running = self._running
        ports = running.priced_ports
        held = running.reserved.take(line.number)
        call = self._call(line, alias, release)
        known = _Known(ports.models, self._deployment, self._api, result)
        ledger = None if ports.ledger is None else SpentLedger(ports.ledger, held)
        ports = dataclasses.replace(ports, models=known, ledger=ledger, health=None, cache=None)
        try:
            try:
                await running.answer(line, call, build(ports))
            except ProviderError:
                raise
            except StorageError:
                if held is not None:
                    running.reserved.add(line.number, held)
                raise
            except MoatError:
                if call.journal.attempts:
                    raise
                # Its prompt is gone: what was paid for is recorded all the same.
                call = replace(call, prompt=None, model=alias)
                await running.answer(line, call, build(ports))
        except ProviderError as error:
            running.fail(line, call.id, error)

    def _call(self, line: Line, alias: str, release: str) -> Call:
        """As it was submitted: of that release, and whatever its key may do by now."""
        call = self._running.submitted_call(line)
        if call.prompt is not None:
            return replace(call, prompt=replace(call.prompt, release=release) if release else call.prompt)
        return replace(call, model=alias or call.model)

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
                await asyncio.sleep(max(error.retry_after or 0.0, seconds * random.uniform(0.5, 1.0)))
                seconds = min(pace.most, seconds * 2)


def _name(line: Line, sent: Call) -> str:
    """What is needed to record the answer travels with the line."""
    release = sent.journal.release
    alias = sent.plan.alias if sent.plan is not None else sent.model
    return SEPARATOR.join((str(line.number), alias, release.id if release is not None else ""))


class _Known:
    """Implements `Models`: whatever is asked, the deployment has answered it already."""

    def __init__(self, models: Models, deployment: Deployment, api: BatchApi, result: BatchResult) -> None:
        self._models = models
        self._deployment = deployment
        self._provider = _Answered(api, result)

    def plan(self, call: Call) -> Plan:
        """See `Models`."""
        return Plan(alias=call.model, deployments=(self._deployment,))

    def roomier(self, call: Call, error: ContextOverflow) -> Call:
        """See `Models`."""
        raise error

    def provider(self, name: str) -> Provider:
        """See `Models`."""
        return self._provider

    def capacity(self, deployment: Deployment) -> Capacity:
        """See `Models`."""
        return self._models.capacity(deployment)


class _Answered:
    """Implements `Provider`."""

    def __init__(self, api: BatchApi, result: BatchResult) -> None:
        self._api = api
        self._result = result

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """See `Provider`."""
        for event in self._api.read(call, self._result):
            yield event

    async def aclose(self) -> None:
        """Nothing to release."""
