"""The process that runs one eval of a draft: beside the server, whose calls must not wait for it, and whose memory the
project's own scorers have no business in.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from moat.bootstrap.draft_messages import Began, DraftOrder, Ended, Failed, Message, Went
from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.gating_judges import judge_marks, unproven
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.state import State, open_state
from moat.domain.errors import MoatError
from moat.domain.releases import PromptVersion
from moat.domain.scores import DRAFT, Run
from moat.evals.case_scores import tabulate
from moat.evals.gate import Question, judge_all
from moat.evals.running.evaluation import Evaluation, narrowed
from moat.evals.running.flips import phases_of
from moat.evals.running.tally import Progress
from moat.evals.score_comparison import ScoreComparison, compare_score, paired_scores
from moat.ports.drafts import DraftScore
from moat.prompts.drafts import read_draft

SECONDS = 1.0
"""Between two looks at the scores so far; longer when a look takes long."""
SHARE = 10
"""A look may take the tenth part of the time."""


Say = Callable[[Message], None]


class DraftRun:
    """One eval of one draft."""

    def __init__(self, project: Project, state: State, order: DraftOrder, say: Say) -> None:
        self._say = say
        self._project = project
        self._runs = state.runs
        self._wish = order.wish
        self._person = order.person
        self._evaluating = Evaluating(project, state, environment())
        self._evaluating.user = order.person
        self._prompt = read_draft(project.root, order.wish).prompt
        evaluation = self._evaluation(self._prompt)
        known = evaluation.find_run(self._runs)
        self._run = known or evaluation.new_run(time.time_ns(), commit=DRAFT, author=order.person)
        # What a run that goes on has cost before is not paid again.
        cap = order.budget + self._run.spent
        own = evaluation.suite.budget
        self._candidate = replace(
            evaluation, suite=replace(evaluation.suite, budget=cap if own is None else min(cap, own))
        )
        self._began = False
        self._next_look = 0.0

    async def run(self) -> None:
        """Say how it goes, until it is finished, or cancelled. Raises `ConflictError` when another process has the run,
        and what else keeps it from beginning.
        """
        done = await self._evaluating.run(self._candidate, fresh=False, watch=self._watch, known=self._run)
        if not self._began:  # it was finished before
            self._say(Began(done))
        self._say(self._judged(done))

    def stopped(self) -> None:
        """Say how far it came, if it has begun."""
        if not self._began:
            return
        run = self._runs.get(self._run.id)
        # Its end could not be stored, such as on a full disk.
        self._say(Ended(replace(run, status="interrupted") if run.status == "running" else run, self._scores()))

    def _evaluation(self, prompt: PromptVersion) -> Evaluation:
        [suite] = self._evaluating.suites_of(prompt.name, [self._wish.suite])
        return narrowed(self._evaluating.target(suite, prompt, self._wish.model), (), self._wish.limit)

    def _watch(self, seen: Progress) -> None:
        if not self._began:  # the run is this process's from now on: what it costs is this person's
            self._began = True
            self._say(Began(self._runs.get(self._run.id)))
        began = time.monotonic()
        if began < self._next_look and seen.done < seen.total:
            return
        self._say(Went(seen.done, seen.total, seen.errors, seen.cost, self._scores()))
        now = time.monotonic()
        self._next_look = now + max(SECONDS, SHARE * (now - began))

    def _scores(self) -> tuple[DraftScore, ...]:
        """Over the cases that are stored so far."""
        results = list(self._runs.scored(self._run.id))
        answered = {result.case for result in results}
        cases = [case for case in self._candidate.dataset.cases if case.id in answered]
        # Every case is asked once before any is asked again.
        repeats = max(1, min(self._run.repeats, len(results) // len(self._candidate.dataset.cases)))
        table = tabulate(results, repeats, phases_of(self._run))
        found = paired_scores(None, table, cases, adaptive=bool(self._run.least))
        return _told([compare_score(score) for score in found])

    def _judged(self, run: Run) -> Ended:
        """By the suite's gates, against what is stored of the served version. The judgement is nobody's evidence: it is
        not stored.
        """
        part = self._part()
        if part:
            return Ended(run, self._scores(), summary=part)
        baseline = self._baseline()
        comparison = self._evaluating.compare(self._candidate, run, baseline)
        name, scores = baseline.id if baseline is not None else "", _told(comparison.scores)
        suite = self._candidate.suite
        if not suite.gates:
            return Ended(run, scores, name, summary="The suite has no gates.")
        marks = judge_marks(self._project, suite, comparison)
        [report] = judge_all([Question(comparison, suite.gates, unproven(marks))])
        return Ended(run, scores, name, report.verdict, report.summary)

    def _part(self) -> str:
        """Why there is no verdict, when only some of the suite's cases were asked: gates speak of the suite, and the
        stored run of the served version is of all of it.
        """
        prompt, asked = self._prompt, len(self._candidate.dataset.cases)
        [suite] = self._evaluating.suites_of(prompt.name, [self._wish.suite])
        cases = len(self._evaluating.target(suite, prompt, self._wish.model).dataset.cases)
        if asked == cases:
            return ""
        return f"Only {asked:,} of the suite's {cases:,} cases: compared with nothing, and no verdict. Run all for one."

    def _baseline(self) -> Run | None:
        served = self._evaluating.served(self._prompt.name, self._wish.environment)
        if served is None:
            return None
        found = self._evaluation(served).find_run(self._runs)
        return found if found is not None and found.status == "finished" else None


async def _until_told(run: DraftRun) -> None:
    """Run it until nobody wants it any more: when our input ends, the server has cancelled it, or is gone."""
    task, loop = asyncio.ensure_future(run.run()), asyncio.get_running_loop()

    def wait() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(task.cancel)

    threading.Thread(target=wait, daemon=True).start()
    try:
        await task
    except asyncio.CancelledError:
        run.stopped()


def _told(scores: Sequence[ScoreComparison]) -> tuple[DraftScore, ...]:
    return tuple(
        DraftScore(
            name=score.name,
            n=score.candidate.n,
            missing=score.candidate.missing,
            mean=score.candidate.mean,
            low=None if score.candidate.mean is None else score.candidate.low,
            high=None if score.candidate.mean is None else score.candidate.high,
        )
        for score in scores
    )


def main() -> None:
    """Read the order, run it, say how it went."""
    server = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the project's own code prints is no message

    def say(message: Message) -> None:
        server.write(msgspec.json.encode(message) + b"\n")
        server.flush()

    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=DraftOrder)
    project = Project(Path(order.root))
    try:
        with open_state(project) as state:
            run = DraftRun(project, state, order, say)
            try:
                asyncio.run(_until_told(run))
            except MoatError:
                run.stopped()
                raise
    except MoatError as error:
        say(Failed.of(error))


if __name__ == "__main__":
    main()
