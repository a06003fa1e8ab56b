"""What a change may not do to the questions of a suite that was there before: swap them, or ask them twice."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from moat.bootstrap.project import Project
from moat.bootstrap.suite_files import suite_files
from moat.bootstrap.suites import shown
from moat.domain.errors import InputError
from moat.evals.datasets import Dataset, load_dataset
from moat.evals.datasets.lock import check_bumped, check_replaced, read_locks
from moat.evals.datasets.similarity import near_duplicates
from moat.evals.suites import Suite, load_suite
from moat.prompts.problems import Problem, from_error

SHOWN = 3
"""Pairs that a message names."""


def check_data(project: Project, old: Project) -> Iterator[Problem]:
    """`edited-dataset`: the lock against the base's, and datasets that took a locked one's place without a lock;
    `duplicate-cases`: of a dataset that changed, cases that say the same, where the base had them not.
    """
    try:
        before, after = read_locks(old.root), read_locks(project.root)
    except InputError as error:
        yield from_error("edited-dataset", "evals.lock", error)
        return
    then, now = _suites(old.root), _suites(project.root)
    yield from check_bumped(before, after)
    for name in then.keys() & now.keys():
        path, other = shown(then[name].dataset, old.root), shown(now[name].dataset, project.root)
        yield from check_replaced(before, after, path, other)
        yield from _check_copies(other, _dataset(now[name]), _dataset(then[name]))


def _check_copies(path: str, now: Dataset | None, before: Dataset | None) -> Iterator[Problem]:
    if now is None or before is None or now.digest == before.digest:
        return
    known = {frozenset((pair.first, pair.second)) for pair in near_duplicates(before.cases)}
    pairs = [pair for pair in near_duplicates(now.cases) if frozenset((pair.first, pair.second)) not in known]
    same = [pair for pair in pairs if pair.similarity == 1]
    for found, what in ((same, "say the same"), (pairs[len(same) :], "say nearly the same")):
        if found:
            named = ", ".join(f"{pair.first} and {pair.second}" for pair in found[:SHOWN])
            yield Problem(
                rule="duplicate-cases",
                severity="error" if found is same else "warning",
                path=path,
                line=1,
                message=f"{len(found)} pairs of cases {what}, and count as evidence of their own: {named}",
                remedy="Take them out, or give those that belong together one `cluster`.",
            )


def _suites(root: Path) -> Mapping[str, Suite]:
    """Those that can be read; lint says what is wrong with the others."""
    found = {}
    for name, path in suite_files(root).items():
        with suppress(InputError):
            found[name] = load_suite(path, name=shown(path, root))
    return found


def _dataset(suite: Suite) -> Dataset | None:
    with suppress(InputError):
        return load_dataset(suite.dataset)
    return None
