"""The results of a stored run, read anew each time: memory holds a page of them."""

from collections.abc import Collection, Iterable, Iterator

from moat.domain.scores import Result
from moat.ports.runs import Runs


class StoredResults:
    """Can be gone through any number of times."""

    def __init__(self, runs: Runs, run_id: str) -> None:
        self._runs = runs
        self._run_id = run_id

    def __iter__(self) -> Iterator[Result]:
        """By case and repeat."""
        return self._runs.each(self._run_id)

    def scored(self) -> Iterator[Result]:
        """Without what was said."""
        return self._runs.scored(self._run_id)

    def of(self, cases: Collection[str]) -> Iterator[Result]:
        """Those of some cases."""
        return self._runs.each(self._run_id, cases)


def scored(results: Iterable[Result]) -> Iterable[Result]:
    """The same results; what was said may be missing from them."""
    return results.scored() if isinstance(results, StoredResults) else results


def of(results: Iterable[Result], cases: Collection[str]) -> Iterator[Result]:
    """Those of some cases."""
    if isinstance(results, StoredResults):
        return results.of(cases)
    return (result for result in results if result.case in cases)
