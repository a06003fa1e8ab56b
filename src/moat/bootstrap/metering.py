"""What the server counts and looks up for its metrics."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from moat.bootstrap.engine import Work
from moat.bootstrap.project import Project
from moat.domain.errors import MoatError
from moat.domain.scores import Run
from moat.gateway.admission import DEFAULT_ENVIRONMENT
from moat.gateway.measured import EvalScore, Measured, Processes, Sending
from moat.gateway.serving import Live, Serving
from moat.ports.runs import Runs
from moat.telemetry.counting import Counting
from moat.telemetry.labels import Known, Labels
from moat.telemetry.measures import Measures
from moat.telemetry.shipper import Shipper

log = logging.getLogger("moat.server")

EVALS_SECONDS = 15.0
"""Between two looks at stored runs."""
MAX_RUNS = 500
"""Newest runs among which each suite's newest is looked for."""


class Metering:
    """The server's part of the metrics: everything that is counted from the spool, and the newest evaluations."""

    def __init__(self, project: Project, live: Live, runs: Runs, shipper: Shipper) -> None:
        self._runs = runs
        self._evals: tuple[EvalScore, ...] = ()
        self._counting = Counting(project.spool_path, project.feedback_path, Measures(Labels(_Names(live))))
        self._counting.open()
        shipper.before.append(self._counting.calls.count)
        shipper.before_feedback.append(self._counting.feedback.count)

    @property
    def works(self) -> Sequence[Work]:
        """What goes on in the background."""
        return self._counting.run, self._keep_evals

    def measured(
        self,
        dropped: Callable[[], int],
        processes: Callable[[], Processes],
        sending: Callable[[], Sequence[Sending]] = tuple,
        messages: Callable[[], Mapping[str, int]] = dict,
    ) -> Measured:
        """Where the metrics' numbers come from."""
        return Measured(
            dropped=dropped,
            measures=self._counting.measures,
            lag=self._counting.calls.lag,
            evals=lambda: self._evals,
            processes=processes,
            sending=sending,
            messages=messages,
        )

    async def _keep_evals(self) -> None:
        while True:
            try:
                self._evals = newest(await asyncio.to_thread(self._runs.runs, limit=MAX_RUNS))
            except MoatError as error:
                log.warning("evaluations are not in the metrics: %s", error)
            await asyncio.sleep(EVALS_SECONDS)


def newest(runs: Sequence[Run]) -> tuple[EvalScore, ...]:
    """Of runs, newest first: the first finished one of each suite, prompt and model."""
    found: dict[tuple[str, str, str], EvalScore] = {}
    for run in runs:
        if run.status == "finished" and run.score is not None:
            told = EvalScore(
                run.suite, run.prompt, run.version, run.model, run.score, run.verdict, run.finished_ns / 1e9
            )
            found.setdefault((run.suite, run.prompt, run.model), told)
    return tuple(found.values())


class _Names:
    """The project's names, as of the snapshot that is served."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._serving: Serving | None = None
        self._known = Known()

    def __call__(self) -> Known:
        serving = self._live.serving
        if serving is not self._serving:
            self._known = Known(
                environments=frozenset((*serving.environments, DEFAULT_ENVIRONMENT)),
                features=frozenset(serving.features) | serving.keys.features,
                models=frozenset(serving.aliases),
                releases=frozenset(serving.releases),
                tenants=serving.keys.tenants,
            )
            self._serving = serving
        return self._known
