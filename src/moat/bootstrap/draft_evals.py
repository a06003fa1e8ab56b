"""Eval runs of drafts that the server has started: each in a process of its own, on money set aside for it."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from moat.bootstrap.draft_messages import Began, DraftOrder, Ended, Failed, Said, Went
from moat.bootstrap.limits import PLAYGROUND_LIMIT
from moat.domain.calls import Call, Caller, new_id, new_trace
from moat.domain.environments import PLAYGROUND
from moat.domain.errors import ConflictError, MoatError, NotFound, Unavailable
from moat.domain.keys import Key
from moat.domain.scores import RunStatus
from moat.ports.drafts import DraftEval, EvalWish, OwnDraftEvals, StartingEval
from moat.ports.ledger import Spending
from moat.spend.ledger import Held, LimitLedger
from moat.spend.limits import dollars

MAX_AT_ONCE = 2
KEPT = 100
"""Runs that are remembered after their end."""
BEGIN_SECONDS = 120.0
END_SECONDS = 30.0
MAX_LINE = 2**22
"""Bytes of a message."""

_decoder: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)


class _Running:
    """One that goes on, or has ended."""

    def __init__(self, process: Process, held: Held, state: DraftEval) -> None:
        self.process = process
        self.state = state
        self.outcome: RunStatus = "interrupted"
        """How it stands when its process is gone; until then it goes on."""
        self.follower: asyncio.Task[None] | None = None
        self._held: Held | None = held

    @property
    def goes_on(self) -> bool:
        """Does its process live?"""
        return not self.state.finished_ns

    def settle(self, spent: int | None) -> None:
        """Give back what it did not take; None: that is not known."""
        if self._held is not None:
            self._held.settle(Spending(0, None if spent is None else _paid(self.state, spent)))
            self._held = None


class BackgroundDraftEvals:
    """Implements `moat.ports.drafts.DraftEvals` on the server's event loop; `get` may run in another thread."""

    def __init__(self, root: Path, ledger: LimitLedger, environ: Mapping[str, str]) -> None:
        self._root = root
        self._ledger = ledger
        self._environ = environ
        self._known: dict[str, _Running] = {}
        self._people: dict[str, StartingEval | None] = {}
        """Who has one under way, or about to be: then what it is."""

    async def start(self, wish: EvalWish, key: Key) -> DraftEval:
        """Begin, or go on with what is stored of exactly this. Raises what keeps it from beginning."""
        person = key.actor
        most = dollars(wish.budget, "budget") if wish.budget else None
        if person in self._people:
            own = next((run.state.id for run in self._known.values() if run.goes_on and run.state.person == person), "")
            raise ConflictError(
                "an eval run of yours is under way", where=own, remedy="Wait for its end, or cancel it: one at a time."
            )
        if len(self._people) >= MAX_AT_ONCE:
            raise ConflictError(
                f"{MAX_AT_ONCE} eval runs of drafts are under way", remedy="Try again when one is done."
            )
        self._people[person] = StartingEval(prompt=wish.name, version=wish.version, suite=wish.suite)
        try:
            began = await self._begin(wish, key, most)
        except BaseException:
            del self._people[person]
            raise
        return began.state

    def get(self, id: str) -> DraftEval:
        """How far it is."""
        return self._find(id).state

    def own(self, person: str) -> OwnDraftEvals:
        """Those that a person has started."""
        starting = self._people.get(person)
        # At one stroke: the loop remembers others meanwhile.
        known = list(self._known.values())
        runs = tuple(run.state for run in reversed(known) if run.state.person == person)
        return OwnDraftEvals(starting=starting, runs=runs)

    async def cancel(self, id: str) -> DraftEval:
        """End it, and wait for what it stores."""
        found = self._find(id)
        await self._end(found)
        return found.state

    async def aclose(self) -> None:
        """End all of them."""
        await asyncio.gather(*(self._end(found) for found in self._known.values()))

    async def _begin(self, wish: EvalWish, key: Key, most: int | None) -> _Running:
        budget, held = await self._ledger.set_aside(PLAYGROUND_LIMIT, _call_of(key), most)
        process: Process | None = None
        try:
            process = await self._process(DraftOrder(str(self._root), wish, key.actor, budget))
            async with asyncio.timeout(BEGIN_SECONDS):
                first = await _heard(process)
                if isinstance(first, Failed):
                    raise self._explained(first.error)
                if not isinstance(first, Began):
                    raise Unavailable("the eval run did not begin", remedy="The server's log may say why.")
                await self._ended(first.run.id)
            running = _Running(process, held, _state(wish, key.actor, budget, first))
        except BaseException as error:
            held.settle(Spending(0, 0))
            if process is not None:
                await _kill(process)
            if isinstance(error, TimeoutError):
                raise Unavailable(f"the eval run did not begin within {BEGIN_SECONDS:.0f} s") from None
            raise
        self._remember(running)
        self._people[key.actor] = None
        running.follower = asyncio.create_task(self._follow(running))
        return running

    def _explained(self, error: MoatError) -> MoatError:
        """Where another process has the run, and it is one of the server's: whose."""
        other = self._known.get(error.where)
        if not isinstance(error, ConflictError) or other is None or not other.goes_on:
            return error
        return ConflictError(
            f"{other.state.person} has this draft scored by the suite already",
            where=other.state.id,
            remedy="Look at that run: what it asks need not be asked again.",
        )

    async def _ended(self, id: str) -> None:
        """Once the process that worked on a run before, and has let go of it, has said how it ended."""
        before = self._known.get(id)
        if before is not None and before.follower is not None:
            await asyncio.wait((before.follower,))

    async def _process(self, order: DraftOrder) -> Process:
        command = (sys.executable, "-P", "-m", "moat.bootstrap.draft_eval")
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, cwd=self._root, env=dict(self._environ), limit=MAX_LINE
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        with suppress(ConnectionError):  # it is no more: then it says nothing, which is told
            await process.stdin.drain()
        return process

    async def _follow(self, running: _Running) -> None:
        """Hear it to its end, then settle."""
        try:
            while (said := await _heard(running.process)) is not None:
                running.state = _changed(running.state, said)
                if isinstance(said, Ended):
                    running.outcome = said.run.status
                    running.settle(said.run.spent)
            code = await running.process.wait()
            if code and not running.state.problem:
                running.state = replace(
                    running.state, problem=f"its process ended with code {code}; the log may say why"
                )
        finally:
            await _kill(running.process)
            running.settle(None)  # if it never said: then what was set aside is gone
            running.state = replace(running.state, status=running.outcome, finished_ns=time.time_ns())
            self._people.pop(running.state.person, None)

    async def _end(self, running: _Running) -> None:
        follower = running.follower
        if follower is None or follower.done():
            return
        if running.process.stdin is not None:
            running.process.stdin.close()
        await asyncio.wait((follower,), timeout=END_SECONDS)
        if not follower.done():
            await _kill(running.process)
            await asyncio.wait((follower,))

    def _find(self, id: str) -> _Running:
        found = self._known.get(id)
        if found is None:
            raise NotFound(
                f"no eval run of a draft {id!r} was started here",
                remedy="The server knows those since its start; `GET /api/v1/runs` has all that are stored.",
            )
        return found

    def _remember(self, running: _Running) -> None:
        self._known.pop(running.state.id, None)
        self._known[running.state.id] = running
        over = [id for id, known in self._known.items() if not known.goes_on]
        for id in over[:-KEPT]:
            del self._known[id]


def _call_of(key: Key) -> Call:
    """A call of the person's, for the ledger to find the budget."""
    caller = Caller(key=key.id, tenant=key.tenant, feature=PLAYGROUND, user=key.actor, environment=PLAYGROUND)
    return Call(id=new_id("req"), caller=caller, trace=new_trace())


def _state(wish: EvalWish, person: str, budget: int, began: Began) -> DraftEval:
    run = began.run
    total = run.cases * run.repeats
    finished = run.status == "finished"
    return DraftEval(
        id=run.id,
        prompt=wish.name,
        version=wish.version,
        suite=wish.suite,
        person=person,
        status="running",
        done=total if finished else 0,
        total=total,
        errors=0,
        spent=0,
        earlier=run.spent,
        found=run.version if finished else "",
        budget=budget,
        scores=(),
        baseline="",
        verdict="",
        summary="",
        problem="",
        started_ns=time.time_ns(),
        finished_ns=0,
    )


def _changed(state: DraftEval, said: Said) -> DraftEval:
    match said:
        case Went(done, total, errors, spent, scores):
            state = replace(state, done=done, total=total, errors=errors, scores=scores)
            return replace(state, spent=_paid(state, spent))
        case Ended(run, scores, baseline, verdict, summary):
            done = state.total if run.status == "finished" else state.done
            state = replace(state, done=done, spent=_paid(state, run.spent), scores=scores)
            return replace(state, baseline=baseline, verdict=verdict, summary=summary)
        case Failed():
            return replace(state, problem=str(said.error))
    return state


def _paid(state: DraftEval, spent: int) -> int:
    """Since its start, of all that the stored run has cost."""
    return max(0, spent - state.earlier)


async def _heard(process: Process) -> Said | None:
    """The next message; None when no more comes."""
    assert process.stdout is not None
    line = await process.stdout.readline()
    return _decoder.decode(line) if line else None


async def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
