"""Suites, datasets and judges of a project, beside what is stored and locked of them: what is broken is listed too."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from moat.bootstrap.calibrating import FEW, Calibrating
from moat.bootstrap.datasets import Entry, datasets
from moat.bootstrap.project import Project
from moat.bootstrap.suite_files import suite_files
from moat.bootstrap.suites import Suites, shown
from moat.domain.errors import InputError, MoatError
from moat.evals.calibration.agreement import Coefficient, Shift, SliceMeasures
from moat.evals.calibration.standing import Calibration, standing
from moat.evals.datasets import Dataset, load_dataset, select
from moat.evals.datasets.card import card_path
from moat.evals.datasets.lock import Locked, read_locks
from moat.evals.reports.views import suite_gate
from moat.evals.scorers.judging import Judging
from moat.evals.suites import Suite
from moat.evals.targets.spec import (
    FunctionSpec,
    HttpSpec,
    ModelSpec,
    PromptSpec,
    ReleaseSpec,
    ResponsesSpec,
)
from moat.ports.evaluations import (
    DatasetInfo,
    JudgeCalibration,
    JudgeMeasure,
    JudgeSlice,
    JudgeStanding,
    SuiteInfo,
    SuiteScorer,
)
from moat.ports.runs import Runs


class Counted(NamedTuple):
    """What is said of a dataset without its cases."""

    cases: int
    digest: str


Stamp = tuple[tuple[int, int, int], ...]


class Shelf:
    """Datasets that were read before: how many cases, and their digest, as long as the files do not change."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, str], tuple[Stamp, Counted]] = {}

    def counted(self, path: Path, *, name: str, split: str | None) -> Counted:
        """Of the whole dataset, or what a suite with this `split` asks of it. Raises `DatasetError`."""
        stamp = tuple(_stamp(file) for file in (path, card_path(path)))
        key = path, "*" if split is None else f"={split}"
        known = self._known.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        whole = load_dataset(path, name=name)
        found: Dataset = whole if split is None else select(whole, split, open_held_out=True)
        counted = Counted(len(found.cases), found.digest)
        self._known[key] = stamp, counted
        return counted


class EvalListing:
    """Lists what one project has, whose files are as they are now."""

    def __init__(self, project: Project, runs: Runs, shelf: Shelf) -> None:
        self._project = project
        self._runs = runs
        self._shelf = shelf

    def suites(self) -> list[SuiteInfo]:
        """See `moat.ports.evaluations.Evaluations`."""
        read = Suites(self._project)
        return [self._suite(name, path, read) for name, path in suite_files(self._project.root).items()]

    def datasets(self) -> list[DatasetInfo]:
        """See `moat.ports.evaluations.Evaluations`."""
        locks = read_locks(self._project.root)
        asked = self._askers()
        return [self._dataset(entry, locks.get(entry.name), asked) for entry in datasets(self._project.root)]

    def judges(self, calibrating: Calibrating) -> list[JudgeStanding]:
        """See `moat.ports.evaluations.Evaluations`."""
        found = []
        for suite in self._readable():
            judges = [scorer for scorer in suite.scorers if scorer.judges]
            labels = Counter(label.score for label in calibrating.labels(suite.name)) if judges else Counter[str]()
            for scorer in judges:
                held = standing(scorer, self._project.root, time.time_ns())
                assert held is not None  # it is a judge
                found.append(
                    JudgeStanding(
                        suite=suite.name,
                        scorer=scorer.name,
                        prompt=scorer.reference if isinstance(scorer, Judging) else "",
                        models=tuple(dict.fromkeys(scorer.models)),
                        labels=labels[scorer.name],
                        standing=held.state,
                        words=held.words,
                        calibration=_calibration(held.calibration) if held.calibration is not None else None,
                    )
                )
        return found

    def _suite(self, name: str, path: Path, read: Mapping[str, Suite]) -> SuiteInfo:
        last = next(iter(self._runs.runs(suite=name, limit=1)), None)
        where = shown(path, self._project.root)
        try:
            suite = read[name]
            digest = suite.digest
        except MoatError as error:
            return SuiteInfo(name=name, path=where, problems=(str(error),), last_run=last)
        dataset = _relative(suite.dataset, self._project.root)
        counted: Counted | None = None
        problems: tuple[str, ...] = ()
        try:
            counted = self._shelf.counted(suite.dataset, name=dataset, split=suite.split)
        except InputError as error:
            problems = (str(error),)
        return SuiteInfo(
            name=name,
            path=where,
            problems=problems,
            target=suite.target.kind if suite.target is not None else "prompt",
            prompt=suite.prompt,
            answers=_answers(suite),
            model=suite.model,
            digest=digest,
            dataset=dataset,
            dataset_digest=counted.digest if counted is not None else "",
            cases=counted.cases if counted is not None else None,
            split=suite.split,
            slices=suite.slices,
            scorers=tuple(_scorers(suite)),
            gates=tuple(map(suite_gate, suite.gates)),
            repeats=suite.repeats,
            least=suite.least,
            stop=suite.stop,
            budget=suite.budget,
            last_run=last,
        )

    def _dataset(self, entry: Entry, locked: Locked | None, asked: Mapping[Path, list[str]]) -> DatasetInfo:
        counted, problem = None, ""
        try:
            counted = self._shelf.counted(entry.path, name=entry.name, split=None)
        except InputError as error:
            problem = str(error)
        return DatasetInfo(
            name=entry.path.stem,
            path=entry.name,
            state=_state(counted, locked),
            version=locked.version if locked is not None else None,
            digest=counted.digest if counted is not None else "",
            cases=counted.cases if counted is not None else None,
            reason=locked.reason if locked is not None else "",
            author=locked.author if locked is not None else "",
            locked=locked.locked if locked is not None else "",
            suites=tuple(asked.get(entry.path.resolve(), ())),
            problem=problem,
        )

    def _askers(self) -> Mapping[Path, list[str]]:
        """Names of the suites that ask each dataset."""
        found: defaultdict[Path, list[str]] = defaultdict(list)
        for suite in self._readable():
            found[suite.dataset.resolve()].append(suite.name)
        return found

    def _readable(self) -> Iterator[Suite]:
        """Suites that are sound; the list of suites says what is wrong with the others."""
        read = Suites(self._project)
        for name in read:
            try:
                yield read[name]
            except MoatError:
                continue


def _state(counted: Counted | None, locked: Locked | None) -> Literal["locked", "edited", "not locked", "broken"]:
    if counted is None:
        return "broken"
    if locked is None:
        return "not locked"
    return "locked" if locked.digest == counted.digest else "edited"


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _relative(path: Path, root: Path) -> str:
    """Without the way back that a suite's path takes: `evals/../data/cases.jsonl` is `data/cases.jsonl`."""
    return shown(path.resolve(), root.resolve())


def _scorers(suite: Suite) -> Iterator[SuiteScorer]:
    gated = {gate.score for gate in suite.gates}
    for scorer in suite.scorers:
        yield SuiteScorer(name=scorer.name, kind=scorer.kind, judge=scorer.judges, gated=scorer.name in gated)


def _answers(suite: Suite) -> str:
    """What answers, in words. Of a service only the host: its address may hold what is nobody's business."""
    match suite.target:
        case PromptSpec(prompt=prompt, version=version):
            return f"{prompt}@{version}" if version else prompt
        case ReleaseSpec(prompt=prompt, environment=environment):
            return f"{prompt}@{environment}"
        case ModelSpec(model=model):
            return model
        case HttpSpec(url=url):
            return urlsplit(url).hostname or ""
        case FunctionSpec(path=path) | ResponsesSpec(path=path):
            return path
    return suite.prompt


def _calibration(found: Calibration) -> JudgeCalibration:
    measures = found.measures
    return JudgeCalibration(
        created=found.created,
        expires=found.expires,
        failed=found.failed,
        n=measures.n,
        people=measures.people,
        threshold=measures.threshold,
        tp=measures.tp,
        fn=measures.fn,
        fp=measures.fp,
        tn=measures.tn,
        kappa=_measure(measures.kappa),
        alpha=_measure(measures.alpha),
        alpha_people=_measure(measures.alpha_people) if measures.alpha_people is not None else None,
        tpr=_measure(measures.tpr),
        tnr=_measure(measures.tnr),
        shift=_measure(measures.shift),
        length_bias=_measure(measures.length_bias) if measures.length_bias is not None else None,
        lean=_measure(measures.sway.lean) if measures.sway is not None else None,
        consistent=_measure(measures.sway.consistent) if measures.sway is not None else None,
        slices=tuple(_slice(each) for each in found.slices),
    )


def _slice(found: SliceMeasures) -> JudgeSlice:
    return JudgeSlice(
        name=found.name,
        n=found.n,
        few=found.n < FEW,
        tp=found.tp,
        fn=found.fn,
        fp=found.fp,
        tn=found.tn,
        kappa=_measure(found.kappa),
        tpr=_measure(found.tpr),
        tnr=_measure(found.tnr),
        shift=_measure(found.shift),
        length_bias=_measure(found.length_bias) if found.length_bias is not None else None,
    )


def _measure(found: Coefficient | Shift) -> JudgeMeasure:
    value = found.mean if isinstance(found, Shift) else found.value
    return JudgeMeasure(value=value, low=found.low, high=found.high)
