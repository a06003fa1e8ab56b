"""Answer and score the cases of a suite; stored as it goes, resumable."""

import asyncio
import math
from collections.abc import Callable, Collection, Iterator
from time import monotonic_ns

from msgspec.structs import replace

from moat.domain.calls import Caller
from moat.domain.environments import EVALS
from moat.domain.errors import (
    AccessError,
    ConfigError,
    DatasetError,
    MoatError,
    NoPrice,
    NotFound,
    ProviderError,
    ProviderOverloaded,
    ProviderTimeout,
    StorageError,
)
from moat.domain.scores import Case, Result, Run, RunStatus, Score
from moat.evals.answer import Answered
from moat.evals.running.evaluation import Evaluation
from moat.evals.running.flips import Flips, phases_of
from moat.evals.running.means import Means
from moat.evals.running.pacing import Pacer
from moat.evals.running.tally import Progress, Tally
from moat.evals.scorers import Bench, Scorer
from moat.evals.targets.chat import Chat
from moat.ports.clock import Clock
from moat.ports.runs import Runs

STREAK = 10
"""So many failures in a row, with no answer between, are not the cases' fault: the run stops."""
BATCH = 512
"""Results that may wait for storage; then answering waits too."""
GATHER = 0.05
"""Seconds between two transactions: what comes meanwhile is stored together."""
PATIENCE = 8
"""Times that a case is asked of something that has no room, before that is its error."""

SETUP_ERRORS = (ConfigError, NotFound, AccessError, StorageError, NoPrice)
"""Errors of the set-up, which no other case would escape: the run stops at the first."""


def feature(suite: str) -> str:
    """That its calls are recorded and guarded under."""
    return f"eval:{suite}"


async def execute(
    run: Run,
    evaluation: Evaluation,
    *,
    means: Means,
    runs: Runs,
    clock: Clock,
    progress: Callable[[Progress], None] = lambda _: None,
    only: Collection[str] | None = None,
) -> Run:
    """Answer and score what the run still lacks, and return it finished, as stored.

    `run` is new, or a stored one to resume: a case and repeat that has a result is not asked again. A case
    that fails is a result with an error. The run stops early, and can be resumed, when it is cancelled, when its
    budget is used up (what is under way is still stored), at the first error of the set-up (`SETUP_ERRORS`), or after
    `STREAK` failures in a row (all of them, in a run with fewer answers): that streak is not stored, and its last error
    is raised. A run of another evaluation is refused with `ConflictError`, and so is one that another process works on.
    `progress` hears how far it is before the first question, when the run is stored and nobody else's, and after each
    transaction. `only`: of the cases with these ids; unless they are all that was lacking, the run is then `stopped`.
    """
    evaluation.check(run)
    with runs.alone(run.id):
        try:
            run = runs.get(run.id)
        except NotFound:
            runs.start(run)
        if run.status == "finished":
            return run
        work = _Work(run, evaluation, means, runs, progress)
        work.only = only
        status: RunStatus = "interrupted"
        try:
            await work.run()
            status = "finished" if work.complete else "stopped"
        finally:
            score = work.tally.mean() if status == "finished" else None
            providers = ", ".join(sorted(work.providers))
            runs.finish(run.id, status, clock.now_ns(), score, providers, work.spent)
        return runs.get(run.id)


class _Work:
    """One execution of a run: workers answer and score, one writer stores."""

    def __init__(
        self, run: Run, evaluation: Evaluation, means: Means, runs: Runs, progress: Callable[[Progress], None]
    ) -> None:
        suite = evaluation.suite
        self._run = run
        self._evaluation = evaluation
        self._budget = means.budget
        self._pacer = means.pacer or Pacer(suite.concurrency)
        self._budget.crowded = self._pacer.crowded
        self._runs = runs
        self._progress = progress
        bench = Bench(
            ask=means.ask,
            caller=Caller(feature=feature(suite.name), session=run.id, environment=EVALS),
            prompt=evaluation.prompt,
            embedder=means.embedder,
        )
        self._target = evaluation.target.bind(bench)
        self._scorers: list[Scorer] = [scorer.bind(bench) for scorer in suite.scorers]
        self._flips = Flips(run, suite.gated)
        self._queue: asyncio.Queue[Result | None] = asyncio.Queue(BATCH)
        self._streak: list[Result] = []
        self._done: set[tuple[str, int]] = set()
        self.tally = Tally(suite.gated, run.repeats, phases_of(run))
        self.only: Collection[str] | None = None
        self.providers = set(filter(None, run.provider.split(", ")))

    @property
    def _total(self) -> int:
        return self._flips.answers

    @property
    def complete(self) -> bool:
        """Is every case and repeat of the run stored?"""
        return self.tally.done >= self._total

    @property
    def spent(self) -> int:
        """By the run so far, with what no result shows."""
        return max(self._budget.spent, self.tally.spent)

    async def run(self) -> None:
        """Answer, score and store what is not stored yet; what is answered is stored however this ends."""
        for result in self._runs.each(self._run.id):
            self._done.add((result.case, result.repeat))
            self.tally.add(result)
            self._flips.add(result)
            self._budget.expect(None if isinstance(self._target, Chat) else result.cost)
        self.tally.spent = max(self.tally.spent, self._run.spent)
        self._budget.learn(self.tally.spent)
        self._tell()
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write())
                for repeats, cases in self._flips.rounds():
                    todo = self._todo(repeats, cases)
                    most = min(self._evaluation.suite.concurrency, self._total)
                    workers = [group.create_task(self._work(todo)) for _ in range(most)]
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
        if not self.complete:
            self._check_budget()

    def _check_budget(self) -> None:
        """Raise why the budget ended the run."""
        reached = self._budget.reached
        if reached is None:
            return
        if not self._evaluation.settled:
            reached.remedy = "Run it with a higher --budget: from the start, as the service states no `version`."
        raise reached

    def _todo(self, repeats: range, some: Collection[str] | None) -> Iterator[tuple[Case, int]]:
        """Every case once, then every case again: an interrupted run has whole repeats."""
        for repeat in repeats:
            for case in self._evaluation.dataset.cases:
                if any(chosen is not None and case.id not in chosen for chosen in (self.only, some)):
                    continue
                if self._budget.reached is not None:
                    return
                if (case.id, repeat) not in self._done:
                    yield case, repeat

    async def _work(self, todo: Iterator[tuple[Case, int]]) -> None:
        for case, repeat in todo:
            async with self._pacer:
                result, failure = await self._result(case, repeat)
            left = PATIENCE
            while isinstance(failure, ProviderOverloaded) and (left := left - 1):
                self._pacer.refused(failure.retry_after)
                async with self._pacer:
                    result, failure = await self._result(case, repeat)
            if self._budget.reached is None or _is_whole(result, failure):
                await self._keep(result, failure)
            else:
                self.tally.lose(result)

    async def _result(self, case: Case, repeat: int) -> tuple[Result, MoatError | None]:
        """A case, answered and scored; and why there is no answer."""
        limit = self._evaluation.suite.timeout
        began = monotonic_ns()
        try:
            answer = await self._answer(case, repeat, limit)
        except SETUP_ERRORS:
            raise
        except MoatError as error:
            return self._failed(case, repeat, error, began), error
        except TimeoutError:
            late = ProviderTimeout(f"no complete answer within {limit:g} s, the suite's timeout")
            return self._failed(case, repeat, late, began), late
        if repeat:
            answer = replace(answer, repeat=repeat)
        try:
            scores = [_checked(await scorer.score(case, answer)) for scorer in self._scorers]
        except BaseException:
            self.tally.lose(_result(case, repeat, answer, []))
            raise
        self.providers.update(answer.providers)
        return _result(case, repeat, answer, scores), None

    async def _answer(self, case: Case, repeat: int, limit: float) -> Answered:
        """Of a target that does not ask through the pipeline, the budget hears here what it cost."""
        if isinstance(self._target, Chat):
            async with asyncio.timeout(limit):
                return await self._target.answer(case, repeat)
        await self._budget.begin()
        cost: int | None = None
        try:
            async with asyncio.timeout(limit):
                answer = await self._target.answer(case, repeat)
            cost = answer.cost
            return answer
        except MoatError as error:
            cost = 0 if _is_unsent(error) else None
            raise
        finally:
            self._budget.end(cost)

    def _failed(self, case: Case, repeat: int, error: MoatError, began: int) -> Result:
        scores = [Score(name=scorer.name, status="not_run", reason="there is no answer") for scorer in self._scorers]
        return Result(case=case.id, repeat=repeat, scores=scores, error=str(error), latency_ns=monotonic_ns() - began)

    async def _keep(self, result: Result, failure: MoatError | None) -> None:
        """Queue a result; hold failures back until an answer shows that they are the cases' own."""
        if failure is not None:
            self._streak.append(result)
            if len(self._streak) >= min(STREAK, self._total):
                if len(self._streak) > 1:
                    failure.what = f"stopped after {len(self._streak)} failures in a row, the last: {failure.what}"
                raise failure
            return
        self._flips.add(result)
        held, self._streak = self._streak, []
        for kept in (*held, result):
            await self._queue.put(kept)

    async def _write(self) -> None:
        """Store what waits, in one transaction each time: at once when answers are slow, in batches when not."""
        while (first := await self._queue.get()) is not None:
            self._store([first, *self._waiting()])
            await asyncio.sleep(GATHER)

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
            self._runs.add(self._run.id, results, self.spent)
            for result in results:
                self.tally.add(result)
            self._budget.learn(self.tally.spent)
            self._tell()

    def _tell(self) -> None:
        tally, budget = self.tally, self._budget
        self._progress(
            Progress(tally.done, self._total, tally.errors, budget.spent, tally.cached, tally.saved, budget.cap)
        )


def _is_unsent(error: MoatError) -> bool:
    """Did it cost nothing, since nobody took the question?"""
    return isinstance(error, DatasetError | ProviderOverloaded) or (isinstance(error, ProviderError) and not error.sent)


def _is_whole(result: Result, failure: MoatError | None) -> bool:
    """When the budget ended while a case was under way: was it answered and scored all the same?"""
    return failure is None and not any(score.status == "error" for score in result.scores)


def _checked(score: Score) -> Score:
    """A number that is none is an error, never part of a mean."""
    if score.value is None or math.isfinite(score.value):
        return score
    return replace(score, value=None, status="error", reason=f"the scorer answered {score.value}. {score.reason}")


def _result(case: Case, repeat: int, answer: Answered, scores: list[Score]) -> Result:
    return Result(
        case=case.id,
        repeat=repeat,
        output=answer.text,
        tool_calls=list(answer.tool_calls),
        scores=scores,
        latency_ns=answer.latency_ns,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        cost=answer.cost,
        trace_id=answer.trace_id,
        messages=list(answer.messages),
        context=list(answer.context),
        cached=answer.cached,
    )


def _first(group: BaseExceptionGroup[MoatError]) -> MoatError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, MoatError)
    return error
