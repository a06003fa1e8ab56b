"""`evals.lock`: which version of each dataset is agreed on, in git beside `prompts.lock`, so that nobody makes scores
go up by changing the questions.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import yaml

from moat.documents import decode, read_yaml
from moat.domain.errors import DatasetError, DocumentError, InputError
from moat.evals.datasets.dataset import Dataset, load_dataset
from moat.prompts.lock import replace_file, turn
from moat.prompts.problems import Problem, from_error

LOCK = "evals.lock"


class Locked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The version of a dataset that results are measured on."""

    version: Annotated[int, msgspec.Meta(ge=1)]
    """Counts the times that it was locked with another content."""
    digest: Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$")]
    cases: Annotated[int, msgspec.Meta(ge=1)]
    reason: Annotated[str, msgspec.Meta(min_length=1)]
    """Why it is as it is now and no longer as before."""
    author: str = ""
    locked: str = ""
    """When: ISO 8601, UTC."""


Locks = Mapping[str, Locked]
"""By the dataset's path from the project, `evals/datasets/support.jsonl`."""


def read_locks(root: Path) -> dict[str, Locked]:
    """What a project's lock says; nothing when there is none. Raises `DatasetError` with file and line."""
    path = root / LOCK
    if not path.exists():
        return {}
    try:
        document = read_yaml(path, name=LOCK)
    except DocumentError as error:
        raise DatasetError(error.what, where=error.where, remedy=error.remedy) from error
    return decode(document, dict[str, Locked], error=DatasetError) if document.data is not None else {}


def lock_dataset(root: Path, path: str, dataset: Dataset, *, reason: str, author: str, now: str) -> Locked:
    """Agree on a dataset as it is: the next version when it is another than the one locked, the same one otherwise,
    for a better reason where one is given.

    Raises `DatasetError` without a reason, and for the old one again, `StorageError` when the disk refuses. Processes
    take turns.
    """
    reason = reason.strip()
    with turn(root, LOCK):
        locks = read_locks(root)
        before = locks.get(path)
        same = before is not None and before.digest == dataset.digest
        if before is not None and same and reason in ("", before.reason):
            return before
        remedy = "Say what changed and why it had to: --reason TEXT."
        if not reason:
            raise DatasetError("a dataset is not locked without a reason", where=path, remedy=remedy)
        if before is not None and reason == before.reason:
            raise DatasetError(f"this was the reason of version {before.version}", where=path, remedy=remedy)
        locks[path] = Locked(
            version=before.version + (not same) if before else 1,
            digest=dataset.digest,
            cases=len(dataset.cases),
            reason=reason,
            author=author,
            locked=now,
        )
        content = {name: msgspec.to_builtins(locks[name]) for name in sorted(locks)}
        replace_file(root / LOCK, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000))
    return locks[path]


def check_dataset(locks: Locks, path: str, digest: str) -> Iterator[Problem]:
    """`edited-dataset`, and as a warning `unlocked-dataset`, of a dataset as it is. Nothing where nothing is locked."""
    locked = locks.get(path)
    if locked is None and locks:
        yield Problem(
            rule="unlocked-dataset",
            severity="warning",
            path=path,
            line=1,
            message=f"is not in {LOCK}",
            remedy=f"`moat dataset lock {path} --reason TEXT` says that it is agreed on.",
        )
    elif locked is not None and locked.digest != digest:
        yield Problem(
            rule="edited-dataset",
            path=path,
            line=1,
            message=f"was edited since version {locked.version} was locked: results no longer compare",
            remedy=f"Restore it, or say why with `moat dataset lock {path} --reason TEXT`; "
            f"`moat dataset diff {path}` shows what changed.",
        )


def check_locked(root: Path, digests: Mapping[str, str] | None = None) -> list[Problem]:
    """Everything wrong with what is locked: datasets that were edited, that are gone, that cannot be read, a broken
    lock. `digests` by path are of datasets that were read already and should be locked too.
    """
    try:
        locks = read_locks(root)
    except DatasetError as error:
        return [from_error("unreadable", LOCK, error)]
    problems = list(check_missing(locks, root))
    for path, digest in (digests or {}).items():
        problems += check_dataset(locks, path, digest)
    for path in locks.keys() - (digests or {}).keys():
        if (root / path).is_file():
            try:
                problems += check_dataset(locks, path, load_dataset(root / path, name=path).digest)
            except InputError as error:
                problems.append(from_error("dataset", path, error))
    return problems


def check_missing(locks: Locks, root: Path) -> Iterator[Problem]:
    """`missing-dataset`, for what is locked and gone."""
    for path, locked in locks.items():
        if not (root / path).is_file():
            yield Problem(
                rule="missing-dataset",
                path=LOCK,
                message=f"version {locked.version} of {path} is locked, and the file is gone",
                remedy=f"Restore it (`git log` has it), or take it out of {LOCK} to give it up for good.",
            )


def check_bumped(before: Locks, after: Locks, given: Iterable[str] = ()) -> Iterator[Problem]:
    """`edited-dataset`, of a lock against an earlier one, as a merge's is against its base: whoever changes a digest
    raises the version and gives a reason of its own. What is `given` up, by path, may be missing.
    """
    for path, old in before.items():
        new = after.get(path)
        if new is None:
            if path not in set(given):
                yield _bump(path, f"version {old.version} was locked, and is no longer in {LOCK}", "Put it back.")
        elif new.digest != old.digest and new.version <= old.version:
            yield _bump(path, f"the digest changed and the version is still {new.version}", "")
        elif new.digest != old.digest and new.reason == old.reason:
            yield _bump(path, f"version {new.version} has the same reason as version {old.version}", "")
        elif new.digest == old.digest and new.version != old.version:
            yield _bump(path, f"version {old.version} became {new.version} without a change", "")


def check_replaced(before: Locks, after: Locks, path: str, other: str) -> Iterator[Problem]:
    """`edited-dataset`, for a suite that asked `path`, which was locked, and asks `other` now, which is not: another
    file is another content, and needs its version and its reason as well.
    """
    if path in before and other not in after:
        yield Problem(
            rule="edited-dataset",
            path=other,
            line=1,
            message=f"is not in {LOCK}, and is asked instead of {path}, of which version "
            f"{before[path].version} was locked",
            remedy=f"Ask {path} again, or say why with `moat dataset lock {other} --reason TEXT`.",
        )


def _bump(path: str, what: str, remedy: str) -> Problem:
    again = f"`moat dataset lock {path} --reason TEXT` writes it as it should be."
    return Problem(rule="edited-dataset", path=LOCK, message=f"{path}: {what}", remedy=remedy or again)
