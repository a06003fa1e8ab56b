"""Recorded calls that somebody wants as cases: written into the project's files, never into a dataset that is locked.

Whoever may propose need not be who agrees on a dataset, and results stand on the cases that are locked. So cases for a
locked dataset go into a file of proposals beside it, from which a command takes them.
"""

import re
from pathlib import Path

from msgspec.structs import replace

from moat.bootstrap.datasets import DATASETS, Entry, Recorded, datasets, read, whole
from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.bootstrap.suites import shown
from moat.domain.audit import Act
from moat.domain.errors import ConflictError, DatasetError, NotFound
from moat.domain.scores import Case
from moat.domain.spans import Span
from moat.evals.datasets.growing import grown, redacted
from moat.evals.datasets.lock import read_locks
from moat.evals.datasets.writing import append
from moat.evals.rerun import Unusable
from moat.ports.evaluations import CaseProposed, NewCase
from moat.ports.traces import TraceReader
from moat.prompts.variables import nearest

PROPOSED = ".proposed"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\Z")


class CaseProposals:
    """Takes cases into the files of one project."""

    def __init__(self, project: Project, state: State, traces: TraceReader) -> None:
        self._project = project
        self._state = state
        self._traces = traces

    def propose(self, dataset: str, new: NewCase, actor: str) -> CaseProposed:
        """See `moat.ports.evaluations.Evaluations`."""
        entry = self._find(dataset)
        held = self._holder(entry)
        case = self._case(new)
        there = [case for each in dict.fromkeys((entry, held)) if each.path.exists() for case in read(each).cases]
        added = bool(grown(there, [case]).cases)
        if added:
            detail = {"cases": 1, "call": new.request_id or new.trace_id}
            self._state.audit.record(Act(actor, "traces.export", held.name, detail=detail))
            append(held.path, [case], name=held.name)
        return CaseProposed(dataset=held.name, case=case, added=added, next=_next(entry, held))

    def _find(self, given: str) -> Entry:
        """Of the project's datasets only; a plain name that none has is a new one. Raises `NotFound`."""
        root = self._project.root
        known = [each for each in datasets(root) if not Path(each.name).is_absolute()]
        found = [each for each in known if given in (each.name, each.path.name, each.path.stem)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(each.name for each in found)
            raise DatasetError(f"{given!r} names {len(found)} datasets", where="name", remedy=f"Say which: {names}.")
        if _NAME.match(given):
            return Entry(f"{DATASETS}/{given}.jsonl", root.resolve() / DATASETS / f"{given}.jsonl")
        remedy = nearest(given, [each.path.stem for each in known])
        raise NotFound(f"there is no dataset {given!r}", where=DATASETS, remedy=remedy)

    def _holder(self, entry: Entry) -> Entry:
        """The dataset itself, or the file of its proposals when it is locked or no case can be added to its format."""
        if entry.name not in read_locks(self._project.root) and entry.path.suffix.lower() == ".jsonl":
            return entry
        path = entry.path.with_name(f"{entry.path.stem}{PROPOSED}.jsonl")
        return Entry(shown(path, self._project.root.resolve()), path)

    def _case(self, new: NewCase) -> Case:
        """The call as a case, masked. Raises `ConflictError` with the reason why it is none."""
        call = self._call(new)
        try:
            case = Recorded(self._project, self._state).case(call)
        except Unusable as reason:
            raise ConflictError(f"the call is no case: {reason}", where=new.request_id or new.trace_id) from None
        known = replace(case, id=new.id or case.id, expected=new.expected, labels=new.labels, tags=new.tags)
        return redacted(known)

    def _call(self, new: NewCase) -> Span:
        call = whole(self._traces, new.trace_id or new.request_id)
        if call is None:
            raise NotFound("no such call is recorded", where=new.trace_id or new.request_id)
        return call


def _next(entry: Entry, held: Entry) -> tuple[str, ...]:
    name = entry.path.stem
    agreed = (f"moat dataset check {name}", f"moat dataset lock {name} --reason TEXT")
    if held == entry:
        return agreed
    if entry.path.suffix.lower() != ".jsonl":
        return (f"moat dataset check {held.name}", f"moat dataset export {name} --to {entry.path.stem}.jsonl")
    return (f"moat dataset import {held.name} {name}", f"rm {held.name}", *agreed)
