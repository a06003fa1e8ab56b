"""The gate over a whole change: what is not as it was at the merge base is linted, evaluated, and priced."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from moat.bootstrap.economics import economics
from moat.bootstrap.estimating import Estimating
from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.gating_base import Base, BaseProject, checked_out
from moat.bootstrap.gating_data import check_data
from moat.bootstrap.gating_hosts import confined
from moat.bootstrap.gating_runs import Measurement, Measuring, Side, Thresholds, Watching, check_thresholds, side_of
from moat.bootstrap.gating_state import state_of
from moat.bootstrap.project import STATE_FOLDER, Project
from moat.bootstrap.reporting import judged_report
from moat.bootstrap.state import State
from moat.bootstrap.suite_files import suite_files
from moat.bootstrap.suites import check_suites, shown
from moat.domain.errors import InputError, MoatError, NotFound
from moat.domain.releases import PromptVersion
from moat.domain.scores import Run, Verdict
from moat.evals.datasets import Dataset
from moat.evals.datasets.dataset import HELD_OUT
from moat.evals.gating.outcome import Costed, Evaluated, Lint, Outcome
from moat.evals.gating.plan import Pair, Plan, ProjectState, plan
from moat.evals.gating.weakening import weakened
from moat.evals.reports.report import RunReport
from moat.evals.suites import Suite, load_suite
from moat.evals.targets.spec import HttpSpec
from moat.prompts.files import uncollected
from moat.prompts.lint import lint
from moat.prompts.problems import Problem


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What a command demands beside what the suites say."""

    environment: str
    """What is served there is the baseline, where anything is."""
    thresholds: Thresholds = {}
    max_increase: Decimal | None = None
    """Percent that a request may cost more."""
    suites: tuple[str, ...] = ()
    """Only these; empty: all."""
    everything: bool = False
    """Also what did not change."""
    release: bool = False
    """Open the held-out splits."""


class ChangeGate:
    """Judges a project as it is now, edited files included, against a commit."""

    def __init__(
        self, project: Project, state: State, environ: Mapping[str, str], wishes: Wishes, watching: Watching
    ) -> None:
        self._project = project
        self._state = state
        self._environ = environ
        self._wishes = wishes
        self._evaluating = Evaluating(project, state, environ)
        self._datasets: dict[str, Dataset] = {}
        self._measuring = Measuring(project, state, wishes.thresholds, watching)

    def outcome(self, base: Base | None) -> Outcome:
        """Lint, and when nothing is wrong there, everything else. Without a base everything is new.

        Raises `RequestError` for wishes that name what there is not, `ConflictError` for a base that holds no project
        files that git can read.
        """
        repository = self._project.repository
        dirty = "+" if repository.is_dirty() else ""
        found = Outcome(
            base=base.commit if base else "",
            base_name=base.name if base else "",
            commit=f"{repository.commit()[:12]}{dirty}",
        )
        if base is None:
            return self._against(found, None)
        with checked_out(self._project, base) as old:
            if old is not None:
                self._state = confined(self._state, old, self._environ)
                self._evaluating = Evaluating(self._project, self._state, self._environ, confined=True)
            missing = () if old is not None else (f"{base.name} does not have this project: everything is new.",)
            return self._against(replace(found, notes=missing), old)

    def baseline(self, candidate: PromptVersion) -> PromptVersion | None:
        """What the environment serves, else the newest earlier version that no gate blocked."""
        return self._evaluating.baseline(candidate, self._wishes.environment)

    def versions(self, candidate: PromptVersion, baseline: PromptVersion | None) -> Outcome:
        """One version against another, or alone, in the suites that cover it. Raises what keeps it from being run."""
        suites = self._evaluating.suites_of(candidate.name, list(self._wishes.suites))
        check_thresholds(self._wishes.thresholds, suites)
        pairs = [
            Pair(suite=suite.name, prompt=candidate.name, version=candidate.version, reasons=("asked for",))
            for suite in suites
        ]
        release = self._wishes.release
        measured, tests = [], self._measuring.tests(suites)
        for suite in suites:
            other = side_of(self._evaluating, suite, baseline, release=release) if baseline is not None else None
            new = side_of(self._evaluating, suite, candidate, release=release)
            measured.append(self._measuring.measure(new, other, tests=tests))
        priced = [] if self._wishes.max_increase is None else [self._cost(candidate, baseline)]
        return Outcome(
            commit=self._project.repository.commit()[:12],
            evaluated=self._reported(list(zip(pairs, measured, strict=True))),
            costs=tuple(priced),
        )

    def page(self, evaluated: Evaluated) -> RunReport:
        """Case by case, for somebody who wants to see all of it."""
        suite = self._evaluating.suites[evaluated.pair.suite]
        dataset = self._datasets[evaluated.report.comparison.candidate.id]
        return judged_report(self._project, self._state, suite, dataset, evaluated.report)

    def _against(self, found: Outcome, old: BaseProject | None) -> Outcome:
        problems = self._problems(old)
        broken = any(problem.severity == "error" for problem in problems)
        found = replace(found, lint=Lint(verdict="regressed" if broken else "pass", problems=tuple(problems)))
        if broken:
            return found
        suites = self._evaluating.suites
        for name in self._wishes.suites:
            if name not in suites:
                raise NotFound(f"there is no suite {name!r}", remedy=f"Suites: {', '.join(suites) or 'none'}.")
        check_thresholds(self._wishes.thresholds, list(suites.values()))
        before = state_of(old, lenient=True) if old is not None else None
        now = state_of(self._project, lenient=False)
        planned = plan(now, before, everything=self._wishes.everything)
        lost = list(weakened(now, before, self._wishes.thresholds)) if before is not None else []
        found = replace(
            found,
            changes=planned.changes,
            weakened=tuple(loss.text for loss in lost if not loss.reason),
            notes=(*found.notes, *(f"{loss.text}. The suite says why: {loss.reason}" for loss in lost if loss.reason)),
        )
        return self._evaluated(found, planned, old, before)

    def _problems(self, old: BaseProject | None) -> list[Problem]:
        """Of lint, and of the datasets and their lock against the base's."""
        project = self._project
        with uncollected():
            suites = check_suites(project)
            problems = suites.problems + lint(
                project.root,
                models=set(project.settings.config.models),
                covered=suites.covered,
                catalog=project.catalog,
                economics=economics(project),
            )
        problems += _check_state(project)
        problems += check_data(project, old) if old is not None else ()
        return list(dict.fromkeys(problems))

    def _evaluated(
        self, found: Outcome, planned: Plan, old: BaseProject | None, before: ProjectState | None
    ) -> Outcome:
        measured: list[tuple[Pair, Measurement]] = []
        failures: list[str] = []
        notes = list(_notes(planned))
        tests = self._measuring.tests(self._evaluating.suites[pair.suite] for pair in planned.pairs)
        for pair in planned.pairs:
            suite = self._evaluating.suites[pair.suite]
            if self._wishes.suites and pair.suite not in self._wishes.suites:
                continue
            if suite.split == HELD_OUT and not self._wishes.release:
                old_suite = before.suites.get(pair.suite) if before is not None else None
                shut = old_suite is not None and old_suite.asked[1] != HELD_OUT
                (failures if shut else notes).append(_held_out(pair.suite))
                continue
            try:
                measured.append((pair, self._measure(pair, suite, old, tests)))
            except MoatError as error:
                failures.append(f"{pair.suite} on {pair.prompt or 'its target'} {pair.version}: {error}".strip())
        return replace(
            found,
            evaluated=self._reported(measured),
            costs=tuple(self._costs([pair for pair, _ in measured], old)),
            notes=(*found.notes, *notes),
            failures=tuple(failures),
        )

    def _reported(self, measured: list[tuple[Pair, Measurement]]) -> tuple[Evaluated, ...]:
        reports = self._measuring.judge([measurement for _, measurement in measured])
        self._datasets = {m.comparison.candidate.id: m.dataset for _, m in measured}
        return tuple(
            Evaluated(
                pair=pair,
                report=report,
                path=self._path(pair),
                reused=measurement.reused,
                marks=dict(measurement.marks),
            )
            for (pair, measurement), report in zip(measured, reports, strict=True)
        )

    def _measure(self, pair: Pair, suite: Suite, old: BaseProject | None, tests: int) -> Measurement:
        release = self._wishes.release
        if pair.prompt:
            candidate = self._project.catalog.get(pair.prompt, pair.version)
            baseline = self._baseline(pair, old)
            other = self._before(suite, baseline, old) if baseline is not None else None
            new = side_of(self._evaluating, suite, candidate, release=release)
            return self._measuring.measure(new, other, tests=tests)
        new = side_of(self._evaluating, suite, None, release=release)
        return self._measuring.measure(new, self._target_before(suite, old), tests=tests)

    def _before(self, suite: Suite, baseline: PromptVersion, old: BaseProject | None) -> Side:
        """The baseline as the base would have asked it: by its suite's model, and what that meant there. Where that is
        what it means now, or the base does not know the model, the project itself asks.
        """
        now = side_of(self._evaluating, suite, baseline, release=self._wishes.release)
        if old is None:
            return now
        before = _suite_at(old, suite.name)
        suite = replace(suite, model=before.model if before is not None else suite.model)
        then = side_of(self._asking(old), suite, baseline, release=self._wishes.release)
        one, other = ((side.evaluation.alias, side.evaluation.behind) for side in (now, then))
        return now if one == other or not then.evaluation.deployments else then

    def _target_before(self, suite: Suite, old: BaseProject | None) -> Side | Run | None:
        """What the suite's target was at the base, with its code and its files; of a service, what it said there. None
        where the base had no such suite.
        """
        before = _suite_at(old, suite.name) if old is not None else None
        if old is None or before is None or before.prompt:
            return None
        then = replace(suite, target=before.target, model=before.model, file=before.file)
        side = side_of(self._asking(old), then, None, release=self._wishes.release)
        if isinstance(then.target, HttpSpec):
            return self._measuring.stored_at(side.evaluation, old.commit)
        return side

    def _asking(self, old: BaseProject) -> Evaluating:
        """Asks what the base asked; judges are the same on both sides of a comparison."""
        return Evaluating(old.old_models, self._state, self._environ, judges=self._evaluating)

    def _baseline(self, pair: Pair, old: BaseProject | None) -> PromptVersion | None:
        """What the environment serves; else the newest version of the base, or, of everything, the version before."""
        if self._wishes.everything:
            return self.baseline(self._project.catalog.get(pair.prompt, pair.version))
        served = self._evaluating.served(pair.prompt, self._wishes.environment)
        if served is not None:
            return served
        if old is None or not pair.baseline_version:
            return None
        return old.catalog.get(pair.baseline_prompt, pair.baseline_version)

    def _path(self, pair: Pair) -> str:
        """The file to look at: the candidate's, else the suite's."""
        if pair.prompt:
            with suppress(InputError, NotFound):  # of a version that only the registry has
                return self._project.catalog.file(pair.prompt, pair.version).path
        return shown(self._evaluating.suites[pair.suite].file, self._project.root)

    def _costs(self, pairs: list[Pair], old: BaseProject | None) -> Iterator[Costed]:
        """Of each changed version once."""
        for pair in {(pair.prompt, pair.version): pair for pair in pairs if pair.prompt}.values():
            candidate = self._project.catalog.get(pair.prompt, pair.version)
            yield self._cost(candidate, self._baseline(pair, old))

    def _cost(self, candidate: PromptVersion, baseline: PromptVersion | None) -> Costed:
        limit = self._wishes.max_increase
        found = Estimating(self._project, self._state, self._evaluating).estimate(candidate, baseline, 0)
        verdict: Verdict = "pass"
        if limit is not None and baseline is not None:
            within = found.within(limit)
            verdict = "inconclusive" if within is None else "pass" if within else "regressed"
        pair = Pair(suite="", prompt=candidate.name, version=candidate.version, reasons=())
        percent = None if limit is None else float(limit)
        return Costed(estimate=found, limit_percent=percent, verdict=verdict, path=self._path(pair))


def _suite_at(old: BaseProject, name: str) -> Suite | None:
    """The base's suite of a name; None where it has none that can be read."""
    path = suite_files(old.root).get(name)
    with suppress(InputError):
        return load_suite(path, name=shown(path, old.root)) if path is not None else None
    return None


def _held_out(suite: str) -> str:
    return f"{suite} asks the {HELD_OUT} cases, which only `--release` opens."


def _check_state(project: Project) -> Iterator[Problem]:
    """`committed-state`: answers that come with a change are not those that anybody gave."""
    for path in sorted(project.repository.tracked(STATE_FOLDER))[:1]:
        yield Problem(
            rule="committed-state",
            path=path,
            message="is in git: runs that come with a change prove nothing, and are not believed",
            remedy=f"`git rm -r --cached {STATE_FOLDER}`, and write `{STATE_FOLDER}/` into .gitignore.",
        )


def _notes(planned: Plan) -> Iterator[str]:
    for name in planned.left_out:
        yield f"{name} changed too, and is not judged, since a newer version did: `moat gate {name}` judges it."
    for name in planned.uncovered:
        yield f"no suite evaluates {name}, which changed."
