"""Runs that nobody keeps: of evaluations without a project."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from msgspec.structs import replace

from moat.domain.errors import NotFound
from moat.domain.scores import Judgement, Result, Run, RunStatus


class MemoryRuns:
    """Implements `moat.ports.runs.Runs`, for as long as it lives."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._results: dict[str, dict[tuple[str, int], Result]] = {}
        self._judgements: list[Judgement] = []

    def start(self, run: Run) -> None:
        """Keep it."""
        self._runs[run.id] = run
        self._results[run.id] = {}

    def alone(self, run_id: str) -> AbstractContextManager[None]:
        """Always: nobody else sees these runs."""
        return nullcontext()

    def add(self, run_id: str, results: Sequence[Result], spent: int = 0) -> None:
        """Keep what is new."""
        self._runs[run_id] = replace(self._runs[run_id], spent=max(spent, self._runs[run_id].spent))
        for result in results:
            self._results[run_id].setdefault((result.case, result.repeat), result)

    def finish(
        self, run_id: str, status: RunStatus, finished_ns: int, score: float | None, provider: str, spent: int = 0
    ) -> None:
        """Close it."""
        self.add(run_id, (), spent)
        run = self._runs[run_id]
        self._runs[run_id] = replace(run, status=status, finished_ns=finished_ns, score=score, provider=provider)

    def judge(self, judgement: Judgement) -> None:
        """Keep it."""
        self._judgements.append(judgement)
        self._runs[judgement.run] = replace(self._runs[judgement.run], verdict=judgement.verdict)

    def judgements(self, run_id: str) -> list[Judgement]:
        """Newest first."""
        return [found for found in reversed(self._judgements) if found.run == run_id]

    def get(self, run_id: str) -> Run:
        """By its id."""
        if run_id not in self._runs:
            raise NotFound(f"there is no run {run_id!r}")
        return self._runs[run_id]

    def results(self, run_id: str) -> list[Result]:
        """By case and repeat."""
        found = self._results[run_id]
        return [found[key] for key in sorted(found)]

    def each(self, run_id: str, cases: Collection[str] | None = None) -> Iterator[Result]:
        """The same."""
        return (result for result in self.results(run_id) if cases is None or result.case in cases)

    def scored(self, run_id: str, after: tuple[str, int] | None = None) -> Iterator[Result]:
        """The same, whole: nothing needs to be read."""
        return (each for each in self.results(run_id) if after is None or (each.case, each.repeat) > after)

    def runs(self, *, suite: str = "", prompt: str = "", limit: int = 50) -> list[Run]:
        """Newest first."""
        found = [r for r in reversed(self._runs.values()) if suite in ("", r.suite) and prompt in ("", r.prompt)]
        return found[:limit]

    def find(self, *, suite_digest: str, dataset_digest: str, prompt_digest: str, model: str) -> list[Run]:
        """Of exactly this."""
        wanted = (suite_digest, dataset_digest, prompt_digest, model)
        return [r for r in self.runs() if (r.suite_digest, r.dataset_digest, r.prompt_digest, r.model) == wanted]
