"""The results of a stored run, read anew each time: memory holds a page of them."""

from collections.abc import Iterator

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
