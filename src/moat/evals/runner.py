"""Answer and score the cases of a suite through the one pipeline; stored as it goes, resumable."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from time import monotonic_ns

import msgspec

from moat.domain.calls import Call, Caller, new_id, new_trace
from moat.domain.errors import (
    AccessError,
    ConfigError,
    ConflictError,
    MoatError,
    NotFound,
    ProviderTimeout,
    StorageError,
)
from moat.domain.releases import PromptRef, PromptVersion, prompt_digest
from moat.domain.scores import Case, Result, Run, RunStatus, Score
from moat.evals.answer import Answered
from moat.evals.datasets import Dataset
from moat.evals.scorers import Bench, Scorer
from moat.evals.suites import Suite
from moat.pipeline.answers import Answer
from moat.pipeline.compose import Next
from moat.ports.clock import Clock
from moat.ports.runs import Runs

STREAK = 10
"""So many failures in a row, with no answer between, are not the cases' fault: the run stops."""
BATCH = 64
"""Results that may wait for storage; then answering waits too."""

SETUP_ERRORS = (ConfigError, NotFound, AccessError, StorageError)
"""Errors of the set-up, which no other case would escape: the run stops at the first."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What is evaluated on what."""

    suite: Suite
    dataset: Dataset
    prompt: PromptVersion
    model: str = ""
    """Model alias instead of the prompt's own."""
    deployments: tuple[str, ...] = ()
    """`provider/model` of everything behind the alias."""

    @property
    def alias(self) -> str:
        """The model alias that answers."""
        return self.model or self.prompt.model or self.suite.model

    def new_run(self, created_ns: int, *, commit: str = "", author: str = "") -> Run:
        """A run of this target that has not begun."""
        return Run(
            id=new_id("run"),
            suite=self.suite.name,
            suite_digest=self.suite.digest,
            dataset_digest=self.dataset.digest,
            prompt=self.prompt.name,
            version=self.prompt.version,
            prompt_digest=prompt_digest(self.prompt),
            model=self.alias,
            deployments=self.deployments,
            cases=len(self.dataset.cases),
            repeats=self.suite.repeats,
            created_ns=created_ns,
            commit=commit,
            author=author,
        )

    def check(self, run: Run) -> None:
        """Raise `ConflictError` unless a run is of exactly this target."""
        same = self.new_run(0)
        for what in ("suite_digest", "dataset_digest", "prompt_digest", "model", "deployments", "cases"):
            if getattr(run, what) != getattr(same, what):
                raise ConflictError(
                    f"the {what.partition('_')[0]} changed since this run was started",
                    where=run.id,
                    remedy="Start a new run.",
                )

    def stored(self, runs: Runs) -> list[Run]:
        """Stored runs of exactly this target, newest first. What other deployments answered under the same alias proves
        nothing: what a simulated one said says nothing of a real one.
        """
        found = runs.find(
            suite_digest=self.suite.digest,
            dataset_digest=self.dataset.digest,
            prompt_digest=prompt_digest(self.prompt),
            model=self.alias,
        )
        return [run for run in found if run.deployments == self.deployments]

    def find_run(self, runs: Runs) -> Run | None:
        """The newest finished one, else the newest to resume."""
        found = self.stored(runs)
        return next((run for run in found if run.status == "finished"), found[0] if found else None)


class Progress(msgspec.Struct, frozen=True):
    """How far a run is. `cost` is in picodollars and leaves out answers without a price."""

    done: int
    total: int
    errors: int
    cost: int


async def execute(
    run: Run,
    target: Target,
    *,
    ask: Next,
    runs: Runs,
    clock: Clock,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Run:
    """Answer and score what the run still lacks, and return it finished, as stored.

    `run` is new, or a stored one to resume: a case and repeat that has a result is not asked again. A case
    that fails is a result with an error. The run stops early, and can be resumed, when it is cancelled, at the
    first error of the set-up (`SETUP_ERRORS`), or after `STREAK` failures in a row (all of them, in a run
    with fewer answers): that streak is not stored, and its last error is raised. A run of another target is refused
    with `ConflictError`.
    """
    target.check(run)
    work = _Work(run, target, ask, runs, progress)
    try:
        work.providers.update(filter(None, runs.get(run.id).provider.split(", ")))
    except NotFound:
        runs.start(run)
    status: RunStatus = "interrupted"
    try:
        await work.run()
        status = "finished"
    finally:
        score = work.tally.mean() if status == "finished" else None
        runs.finish(run.id, status, clock.now_ns(), score, ", ".join(sorted(work.providers)))
    return runs.get(run.id)


class _Tally:
    """What is kept of the results in memory: counts, and sums of the gated scores by case."""

    def __init__(self, gated: Iterable[str]) -> None:
        self.done: set[tuple[str, int]] = set()
        self.errors = 0
        self.cost = 0
        self._scores: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in gated}

    def add(self, result: Result) -> None:
        """Count a stored result."""
        self.done.add((result.case, result.repeat))
        self.errors += bool(result.error)
        self.cost += result.cost or 0
        for score in result.scores:
            if score.name in self._scores and score.status != "not_run":
                self._scores[score.name][result.case].append(score.value or 0.0)

    def mean(self) -> float | None:
        """Mean over gates of the mean over cases of the mean over repeats; None when nothing was scored.

        What could not be scored counts 0, and so do answers that are missing, in equal share for every gate:
        which scores a case without an answer would have had is not known.
        """
        means = [
            sum(sum(values) / len(values) for values in cases.values()) / len(cases)
            for cases in self._scores.values()
            if cases
        ]
        if not means:
            return None
        return sum(means) / len(means) * (1 - self.errors / len(self.done))


class _Work:
    """One execution of a run: workers answer and score, one writer stores."""

    def __init__(self, run: Run, target: Target, ask: Next, runs: Runs, progress: Callable[[Progress], None]) -> None:
        suite = target.suite
        self._run = run
        self._target = target
        self._ask = ask
        self._runs = runs
        self._progress = progress
        self._ref = PromptRef(name=target.prompt.name, version=target.prompt.version)
        self._caller = Caller(feature=f"eval:{suite.name}", session=run.id, environment="eval")
        bench = Bench(ask=ask, caller=self._caller, prompt=target.prompt)
        self._scorers: list[Scorer] = [scorer.bind(bench) for scorer in suite.scorers]
        self._total = run.cases * run.repeats
        self._queue: asyncio.Queue[Result | None] = asyncio.Queue(BATCH)
        self._streak: list[Result] = []
        self.tally = _Tally([gate.score for gate in suite.gates] or [scorer.name for scorer in suite.scorers])
        self.providers: set[str] = set()

    async def run(self) -> None:
        """Answer, score and store what is not stored yet; what is answered is stored however this ends."""
        for result in self._runs.results(self._run.id):
            self.tally.add(result)
        todo = self._todo()
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write())
                workers = [group.create_task(self._work(todo)) for _ in range(self._target.suite.concurrency)]
                await asyncio.gather(*workers)
                for result in self._streak:
                    await self._queue.put(result)
                await self._queue.put(None)
                await writer
        except BaseExceptionGroup as group:
            explained, bugs = group.split(MoatError)
            if explained is None or bugs is not None:
                raise
            raise _first(explained) from None
        finally:
            self._store(self._waiting())

    def _todo(self) -> Iterator[tuple[Case, int]]:
        """Every case once, then every case again: an interrupted run has whole repeats."""
        for repeat in range(self._run.repeats):
            for case in self._target.dataset.cases:
                if (case.id, repeat) not in self.tally.done:
                    yield case, repeat

    async def _work(self, todo: Iterator[tuple[Case, int]]) -> None:
        for case, repeat in todo:
            await self._answer(case, repeat)

    async def _answer(self, case: Case, repeat: int) -> None:
        call = Call(
            id=new_id("req"),
            caller=self._caller,
            trace=new_trace(),
            model=self._target.alias,
            prompt=msgspec.structs.replace(self._ref, variables=case.variables),
            messages=case.messages,
            repeat=repeat,
        )
        answer = Answer()
        failure: MoatError | None = None
        limit = self._target.suite.timeout
        began = monotonic_ns()
        try:
            async with asyncio.timeout(limit), aclosing(self._ask(call)) as events:
                async for event in events:
                    answer.add(event)
        except SETUP_ERRORS:
            raise
        except MoatError as error:
            failure = error
        except TimeoutError:
            failure = ProviderTimeout(f"no complete answer within {limit:g} s, the suite's timeout")
        await self._keep(await self._score(case, call, answer, failure, monotonic_ns() - began), failure)

    async def _score(
        self, case: Case, call: Call, answer: Answer, failure: MoatError | None, latency_ns: int
    ) -> Result:
        usage, cost = call.journal.usage, call.journal.cost
        text, tool_calls = answer.text or answer.refusal, answer.tool_calls
        if failure is not None:
            scores = [
                Score(name=scorer.name, status="not_run", reason="there is no answer") for scorer in self._scorers
            ]
        else:
            view = Answered(text, tool_calls=tool_calls, refusal=answer.refusal, latency_ns=latency_ns, cost=cost)
            scores = [await scorer.score(case, view) for scorer in self._scorers]
        self.providers.update(attempt.deployment.provider for attempt in call.journal.attempts)
        return Result(
            case=case.id,
            repeat=call.repeat,
            output=text,
            tool_calls=tool_calls,
            scores=scores,
            error=str(failure) if failure else "",
            latency_ns=latency_ns,
            input_tokens=usage.input,
            output_tokens=usage.output,
            cost=cost,
            trace_id=call.trace.trace_id,
        )

    async def _keep(self, result: Result, failure: MoatError | None) -> None:
        """Queue a result; hold failures back until an answer shows that they are the cases' own."""
        if failure is not None:
            self._streak.append(result)
            if len(self._streak) >= min(STREAK, self._total):
                raise failure
            return
        held, self._streak = self._streak, []
        for kept in (*held, result):
            await self._queue.put(kept)

    async def _write(self) -> None:
        """Store what waits, in one transaction each time: at once when answers are slow, in batches when not."""
        while (first := await self._queue.get()) is not None:
            self._store([first, *self._waiting()])

    def _waiting(self) -> list[Result]:
        waiting = []
        while not self._queue.empty():
            result = self._queue.get_nowait()
            if result is None:
                self._queue.put_nowait(None)
                break
            waiting.append(result)
        return waiting

    def _store(self, results: list[Result]) -> None:
        if results:
            self._runs.add(self._run.id, results)
            for result in results:
                self.tally.add(result)
            self._progress(Progress(len(self.tally.done), self._total, self.tally.errors, self.tally.cost))


def _first(group: BaseExceptionGroup[MoatError]) -> MoatError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, MoatError)
    return error
