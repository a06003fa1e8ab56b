"""Judges and people of a project: answers given out for labelling, labels taken in, and the two compared."""

import datetime
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from moat.bootstrap.eval_answers import open_answers
from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.bootstrap.suites import shown
from moat.domain.calls import Caller
from moat.domain.environments import EVALS
from moat.domain.errors import ConflictError, DocumentError, InputError, NotFound, StorageError
from moat.domain.scores import Case, Result
from moat.evals.answer import Answered
from moat.evals.calibration.agreement import Coefficient, Pair, measures, measures_of_slices, people_agree
from moat.evals.calibration.estimating import Estimate, estimate
from moat.evals.calibration.sampling import item_id, pick, row, written
from moat.evals.calibration.standing import Calibration, judge_identity, keep, write
from moat.evals.datasets import load_dataset
from moat.evals.judges.labels import (
    Item,
    Label,
    Placed,
    items,
    labels_text,
    merged,
    read_labels,
    read_rows,
    value_of,
)
from moat.evals.judges.material import response_of
from moat.evals.running.budget import RunBudget
from moat.evals.scorers import Bench, Scorer
from moat.evals.scorers.judging import Judging, all_of
from moat.evals.slices import TAGS, slices
from moat.evals.suites import Suite

FOLDER = "evals/labels"
CONCURRENCY = 8
FEW = 30
"""With fewer labels than this, intervals are too wide to say much."""


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """What to give out."""

    score: str = ""
    """Empty: the suite's only judge."""
    count: int | None = 50
    """None: all answers."""
    stratified: bool = False
    blind: bool = False


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken in."""

    path: str
    suite: str
    score: str
    labels: int
    """New or changed ones."""
    answers: int
    """Labelled ones, the older included."""
    raters: tuple[str, ...]
    agreement: Coefficient | None
    """Krippendorff's alpha among people, over all labels of this score; None when no answer has two."""


class Calibrating:
    """Judges and people of one project."""

    def __init__(self, project: Project, state: State, evaluating: Evaluating, environ: Mapping[str, str]) -> None:
        self._project = project
        self._state = state
        self._evaluating = evaluating
        self._environ = environ

    def judges(self) -> Iterator[tuple[Suite, Scorer]]:
        """All judges of all suites."""
        for suite in self._evaluating.suites.values():
            for scorer in suite.scorers:
                if scorer.judges:
                    yield suite, scorer

    def find(self, reference: str) -> tuple[Suite, Scorer]:
        """By `suite/scorer`, or by the scorer's name alone where one suite has it. Raises `NotFound`."""
        known = {f"{suite.name}/{scorer.name}": (suite, scorer) for suite, scorer in self.judges()}
        found = [name for name in known if reference in (name, name.partition("/")[2])]
        if len(found) == 1:
            return known[found[0]]
        if found:
            raise NotFound(f"several suites have a judge {reference!r}", remedy=f"Name one: {', '.join(found)}.")
        there = ", ".join(known) or "none; write one into a suite: {kind: judge, metric: relevance}"
        raise NotFound(f"there is no judge {reference!r}", remedy=f"Judges: {there}.")

    def export(self, run_id: str, file: Path, wanted: Export) -> int:
        """Write answers of a run for people to label; how many. Raises `ConflictError` for a file that exists."""
        run = self._state.runs.get(run_id)
        score = wanted.score or self._only_judge(run.suite)
        cases = self._cases(run.suite)
        results = self._state.runs.each(run.id)
        count = run.cases * run.repeats if wanted.count is None else wanted.count
        picked = pick(results, score, count, seed=run.id, stratified=wanted.stratified)
        if not picked:
            raise NotFound("the run has no answers", where=run.id)
        rows = [row(run.id, score, cases.get(each.result.case), each, blind=wanted.blind) for each in picked]
        content = written(rows, as_csv=file.suffix.lower() == ".csv", blind=wanted.blind)
        try:
            with file.open("xb") as out:
                out.write(content)
        except FileExistsError:
            raise ConflictError("exists already", where=str(file), remedy="Name another file.") from None
        except OSError as error:
            raise StorageError(f"cannot be written: {error.strerror}", where=str(file)) from None
        return len(rows)

    def take(self, file: Path, *, suite: str, rater: str) -> list[Imported]:
        """Take labels in, all or none: by suite and score. `suite` is for answers that are of no run, `rater` for rows
        that name nobody. Raises `DocumentError` with the line.
        """
        rows = read_rows(_content(file), str(file))
        if not rows:
            raise DocumentError("nobody labelled anything: every `value` is empty", where=str(file))
        origins = self._origins({placed.row.item for placed in rows if placed.row.item})
        new: dict[str, list[Label]] = {}
        for placed in rows:
            of_suite, label = self._label(placed, origins, suite, rater)
            new.setdefault(of_suite, []).append(label)
        known = {name: self.labels(name) for name in new}
        return [each for name, labels in new.items() for each in self._store(name, known[name], labels)]

    def labels(self, suite: str) -> list[Label]:
        """What people said of a suite's answers so far."""
        path = f"{FOLDER}/{suite}.jsonl"
        file = self._project.root / path
        return read_labels(_content(file), path) if file.exists() else []

    async def calibrate(
        self,
        reference: str,
        *,
        labels: Path | None = None,
        threshold: float = 0.5,
        days: int = 90,
        budget: int | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[Calibration, str]:
        """Ask a judge about the answers that people labelled, compare, and keep what was found; with the file's path.

        `budget` in picodollars. Raises `InputError` when there are too few labels to compare anything, and
        `LimitExceeded` when the budget does not suffice: what was asked for it is in the cache.
        """
        suite, scorer = self.find(reference)
        known = self.labels(suite.name) if labels is None else read_labels(_content(labels), str(labels))
        labelled = items(known, scorer.name)
        pairs, why = await self._pairs(suite, scorer, labelled, RunBudget(budget), progress)
        if len(pairs) < 2:
            failed = f": {why}" if why else ""
            raise InputError(
                f"{scorer.name!r} has {len(labelled)} labelled answers, of which the judge scored {len(pairs)}{failed}",
                where=f"{FOLDER}/{suite.name}.jsonl",
                remedy=f"`moat judge export RUN FILE` gives out answers to label; {FEW} and more are useful.",
            )
        found = measures(pairs, threshold)
        if not math.isfinite(found.shift.error):
            raise InputError(
                f"the {len(pairs)} labelled answers are to one case, or to cases of one cluster",
                where=f"{FOLDER}/{suite.name}.jsonl",
                remedy="Label answers to other cases too: only independent ones show how sure a comparison is.",
            )
        cases = self._cases(suite.name)
        asked = (cases[case] for case in dict.fromkeys(pair.case for pair in pairs))
        members = slices(asked, suite.slices or TAGS)
        today = datetime.datetime.now(datetime.UTC).date()
        used = [label for label in known if label.score == scorer.name]
        calibration = Calibration(
            suite=suite.name,
            scorer=scorer.name,
            identity=judge_identity(scorer),
            prompt=scorer.reference if isinstance(scorer, Judging) else "",
            models=tuple(dict.fromkeys(scorer.models)),
            labels=f"sha256:{sha256(labels_text(used)).hexdigest()}",
            measures=found,
            slices=measures_of_slices(pairs, members, threshold),
            failed=len(labelled) - len(pairs),
            created=today,
            expires=today + datetime.timedelta(days=days),
        )
        return calibration, keep(self._project.root, calibration)

    def estimate(self, run_id: str, score: str) -> Estimate:
        """What people would score a run, from its labels and its judge. Raises `InputError` when labels are missing."""
        run = self._state.runs.get(run_id)
        score = score or self._only_judge(run.suite)
        labelled = items([label for label in self.labels(run.suite) if label.run == run.id], score)
        return estimate(run.id, score, self._state.runs.each(run.id), labelled, self._cases(run.suite))

    async def _pairs(
        self,
        suite: Suite,
        scorer: Scorer,
        labelled: Sequence[Item],
        budget: RunBudget,
        progress: Callable[[int, int], None],
    ) -> tuple[list[Pair], str]:
        """With the judge's word beside the people's; and why it had none on another, empty when it always had."""
        cases = self._cases(suite.name)
        todo = [item for item in labelled if item.case in cases]
        pairs: dict[int, Pair] = {}
        why = "" if len(todo) == len(labelled) else "the dataset does not have their cases"
        numbered = iter(enumerate(todo))
        done = 0
        caller = Caller(feature=f"calibrate:{suite.name}", environment=EVALS)
        with open_answers(self._project, self._environ, refresh=False) as answers:
            async with self._evaluating.pipeline(None, budget, None, answers, "") as ask:
                bound = scorer.bind(Bench(ask=ask, caller=caller))

                async def work() -> None:
                    nonlocal done, why
                    for index, item in numbered:
                        pair = await _judged(bound, cases[item.case], item)
                        if isinstance(pair, Pair):
                            pairs[index] = pair
                        else:
                            why = pair
                        done += 1
                        progress(done, len(todo))

                await all_of([work() for _ in range(CONCURRENCY)])
        if budget.reached is not None:
            raise budget.reached
        return [pairs[index] for index in sorted(pairs)], why

    def _cases(self, suite: str) -> dict[str, Case]:
        found = self._evaluating.suites.get(suite)
        if found is None:
            return {}
        dataset = load_dataset(found.dataset, name=shown(found.dataset, self._project.root))
        return {case.id: case for case in dataset.cases}

    def _only_judge(self, suite: str) -> str:
        names = [scorer.name for each, scorer in self.judges() if each.name == suite]
        if len(names) != 1:
            what = f"it has the judges {', '.join(names)}" if names else "it has no judge"
            raise InputError(
                f"which score of {suite!r} shall people give? {what}",
                remedy="Name it with `--score`: any word will do.",
            )
        return names[0]

    def _origins(self, wanted: set[str]) -> dict[str, tuple[str, str, Result]]:
        """Run, suite and result of each item, the newest runs first."""
        found: dict[str, tuple[str, str, Result]] = {}
        for run in self._state.runs.runs(limit=10_000):
            if len(found) == len(wanted):
                break
            for result in self._state.runs.each(run.id):
                item = item_id(run.id, result.case, result.repeat)
                if item in wanted:
                    found[item] = (run.id, run.suite, result)
        return found

    def _label(
        self, placed: Placed, origins: Mapping[str, tuple[str, str, Result]], suite: str, rater: str
    ) -> tuple[str, Label]:
        given, place = placed.row, placed.place
        who = given.rater.strip() or rater
        if not who or not given.score:
            raise DocumentError(
                "it says not who labelled" if given.score else "it says not which score was asked for",
                where=place,
                remedy="Fill in `rater`, or give `--rater`." if given.score else "Fill in `score`.",
            )
        if given.item and given.item not in origins:
            raise DocumentError(
                "no stored run has this answer", where=place, remedy="Import where the run was made, or keep its runs."
            )
        run, of_suite, result = origins.get(given.item, ("", suite, None))
        if result is None and (given.answer is None or not (given.case and suite)):
            raise DocumentError(
                "it says not which answer is meant",
                where=place,
                remedy="Fill in `item`, or `case` and `answer` together with `--suite`.",
            )
        if of_suite and of_suite not in self._evaluating.suites:
            raise NotFound(f"there is no suite {of_suite!r}", where=place)
        return of_suite, Label(
            score=given.score,
            case=result.case if result else given.case,
            answer=response_of(_answered(result)) if result else given.answer or "",
            value=value_of(given.value, self._words(of_suite, given.score), place),
            rater=who,
            comment=given.comment,
            run=run,
            repeat=result.repeat if result else given.repeat,
            weight=given.weight if given.weight > 0 else 1.0,
            context=list(result.context) if result else [],
            messages=list(result.messages) if result else [],
        )

    def _words(self, suite: str, score: str) -> dict[str, float]:
        scorers = self._evaluating.suites[suite].scorers
        return next((each.words for each in scorers if isinstance(each, Judging) and each.name == score), {})

    def _store(self, suite: str, known: list[Label], new: list[Label]) -> Iterator[Imported]:
        path = f"{FOLDER}/{suite}.jsonl"
        labels = merged(known, new)
        write(self._project.root, path, labels_text(labels))
        before = {label.key: label for label in known}
        for score in dict.fromkeys(label.score for label in new):
            found = items(labels, score)
            yield Imported(
                path=path,
                suite=suite,
                score=score,
                labels=sum(label.score == score and before.get(label.key) != label for label in labels),
                answers=len(found),
                raters=tuple(sorted({label.rater for label in labels if label.score == score})),
                agreement=people_agree([item.values for item in found], [item.weight for item in found]),
            )


async def _judged(scorer: Scorer, case: Case, item: Item) -> Pair | str:
    """Or why there is no score."""
    answer = Answered(item.answer, context=item.context, messages=item.messages, repeat=item.repeat)
    score = await scorer.score(case, answer)
    if score.value is None:
        return score.reason
    return Pair(
        case=case.id,
        people=item.values,
        judged=score.value,
        length=len(item.answer),
        cluster=case.cluster,
        weight=item.weight,
        orders=_orders(score.evidence.get("votes", ())),
    )


def _orders(votes: Iterable[dict[str, Any]]) -> tuple[float, float] | None:
    """Of a pairwise judge, its first vote in both orders."""
    values = next((vote["evidence"]["values"] for vote in votes if "values" in vote.get("evidence", {})), None)
    return (values[0], values[1]) if values else None


def _answered(result: Result) -> Answered:
    return Answered(result.output, tool_calls=result.tool_calls, messages=result.messages, context=result.context)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", where=str(file)) from None
