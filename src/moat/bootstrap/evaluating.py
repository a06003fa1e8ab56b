"""Evaluations of a project: suites, data, prompts and stored runs brought together on the one pipeline."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace as with_ports
from functools import cached_property
from pathlib import Path

from msgspec.structs import replace

from moat.adapters.http_target import HttpTarget
from moat.adapters.system import SystemClock
from moat.bootstrap.background import BackgroundTasks
from moat.bootstrap.eval_answers import open_answers
from moat.bootstrap.kept_secret import digest_key
from moat.bootstrap.models import ProviderShelf
from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.bootstrap.suites import Suites, shown, unknown_required
from moat.bootstrap.targets import Targets
from moat.bootstrap.wiring import Standing, pipeline_ports
from moat.domain.calls import Call, Event
from moat.domain.errors import ConfigError, ConflictError, NotFound
from moat.domain.releases import PromptRef, PromptVersion, digest, prompt_digest
from moat.domain.scores import Judgement, Run
from moat.domain.struct_types import describe_all
from moat.evals.compare import Comparison, Measured, compare
from moat.evals.datasets import Dataset, dataset_digest, load_dataset, select
from moat.evals.datasets.fitting import check_fitting
from moat.evals.early import Stopping, stopping
from moat.evals.gate import slices_of
from moat.evals.runner import execute, feature
from moat.evals.running.blocked import refusing
from moat.evals.running.budget import RunBudget
from moat.evals.running.evaluation import Evaluation
from moat.evals.running.means import Means
from moat.evals.running.pacing import Pacer
from moat.evals.running.stored import StoredResults
from moat.evals.running.tally import Progress
from moat.evals.suites import Suite
from moat.evals.targets.target import Target
from moat.pipeline.compose import Next
from moat.pipeline.ports import Ports
from moat.pipeline.recipe import build
from moat.ports.cache import ResponseCache
from moat.ports.prompts import Resolution
from moat.prompts.catalog import Catalog
from moat.prompts.rollouts import settled
from moat.prompts.templates import JinjaRenderer
from moat.telemetry.spool import SegmentSpool

Watch = Callable[[Progress], None]


class UnderTest:
    """Implements `moat.ports.prompts.Prompts` for one evaluation.

    The version under test is what was read for it, whatever any environment serves under the same number.
    """

    def __init__(self, prompt: PromptVersion | None, catalog: Catalog) -> None:
        """Without a version under test, exact ones only: judges are prompts too."""
        self._prompt = prompt
        self._catalog = catalog

    def resolve(self, ref: PromptRef, sticky: str) -> Resolution:
        """The version under test, or another exact one."""
        tested = self._prompt
        if tested is not None and (ref.name, ref.version) == (tested.name, tested.version):
            return Resolution(tested, None)
        return Resolution(self._catalog.get(ref.name, ref.version), None)

    def shadow(self, ref: PromptRef, sticky: str) -> str:
        """None: an evaluation asks for what it wants to know."""
        return ""


def baseline_digest(baseline: PromptVersion | None) -> str:
    """As judgements name it: empty when there is none."""
    return prompt_digest(baseline) if baseline is not None else ""


class Evaluating:
    """Runs suites and judges versions. Calls are recorded like any other: the spool takes them."""

    def __init__(
        self,
        project: Project,
        state: State,
        environ: Mapping[str, str],
        *,
        judges: "Evaluating | None" = None,
        confined: bool = False,
        fitted: Callable[[Ports], Ports] = lambda ports: ports,
    ) -> None:
        """`judges`: who judges and plays users when it is not this project's models. `confined`: as `Targets`,
        and of providers too. `fitted`: the ports as they are wanted.
        """
        describe_all()
        self._project = project
        self._state = state
        self._environ = environ
        self._judges = judges
        self._confined = confined
        self._fitted = fitted
        self._targets = Targets(project, state, environ, judges.project if judges is not None else project, confined)
        self._datasets: dict[Path, Dataset] = {}
        self.user = ""
        """Who its calls are made for, and pays for them; empty: the project."""

    @property
    def project(self) -> Project:
        """Whose prompts, models and code answer."""
        return self._project

    @cached_property
    def suites(self) -> Mapping[str, Suite]:
        """All suites of the project by name; reading one raises a `MoatError` when it is broken."""
        return Suites(self._project)

    def suites_of(self, prompt: str, names: list[str]) -> list[Suite]:
        """The named suites, or all that cover a prompt. Raises `NotFound`."""
        for name in names:
            if name not in self.suites:
                raise NotFound(f"there is no suite {name!r}", remedy=f"Suites: {', '.join(self.suites) or 'none'}.")
        chosen = [self.suites[name] for name in names] or list(self.suites.values())
        found = [suite for suite in chosen if suite.prompt == prompt]
        if not found:
            which = f"none of {', '.join(names)}" if names else "no suite in evals/"
            raise NotFound(f"{which} covers {prompt!r}", remedy=f"Write evals/<suite>.yaml with `prompt: {prompt}`.")
        return found

    def required(self, prompt: str, environment: str) -> list[Suite]:
        """The suites an environment requires of a prompt: those of its list that cover it.

        Raises `ConfigError` when moat.yaml requires a suite that there is not.
        """
        settings = self._project.settings
        for error in unknown_required(settings, self.suites):
            raise error
        names = settings.config.environments[environment].require
        return [self.suites[name] for name in names if self.suites[name].prompt == prompt]

    def target(
        self, suite: Suite, prompt: PromptVersion, model: str = "", *, open_held_out: bool = False
    ) -> Evaluation:
        """A suite on a version."""
        return self._targets.of_prompt(suite, self._dataset(suite, open_held_out), prompt, model)

    def of_suite(self, suite: Suite, model: str = "", *, open_held_out: bool = False) -> Evaluation:
        """A suite on what it names itself. Raises a `MoatError` when that cannot be had."""
        return self._targets.of_suite(suite, self._dataset(suite, open_held_out), model)

    def asked(self, run: Run) -> Dataset:
        """The cases that a stored run asked: all of its suite's, a split, or some of them.

        Raises `NotFound` when the suite is gone, `ConflictError` when its data changed since.
        """
        if run.suite not in self.suites:
            raise NotFound(f"the suite {run.suite!r} is gone", where="evals/")
        suite = self.suites[run.suite]
        whole = self._whole(suite)
        if whole.digest == run.dataset_digest:
            return whole
        ids = {result.case for result in self._state.runs.scored(run.id)}
        cases = tuple(case for case in whole.cases if case.id in ids)
        if dataset_digest(cases) != run.dataset_digest:
            raise ConflictError(
                "the dataset changed since the run", where=run.id, remedy="Run the suite again on both versions."
            )
        return Dataset(cases, run.dataset_digest)

    def _whole(self, suite: Suite) -> Dataset:
        path = suite.dataset
        if path not in self._datasets:
            self._datasets[path] = load_dataset(path, name=shown(path, self._project.root))
        return self._datasets[path]

    def _dataset(self, suite: Suite, open_held_out: bool) -> Dataset:
        return select(self._whole(suite), suite.split, open_held_out=open_held_out)

    async def run(
        self,
        evaluation: Evaluation,
        *,
        fresh: bool,
        watch: Watch,
        cache: bool = True,
        known: Run | None = None,
        only: Collection[str] | None = None,
    ) -> Run:
        """The stored run of exactly this when it is finished; else it is run, or resumed.

        `fresh`: run again, and ask again. Without `cache` no answer is taken that was given before, and none is kept.
        `known`: what `stored_or_new` said before. `only`: as `execute`.
        """
        run = known or self.stored_or_new(evaluation, fresh=fresh)
        if run.status == "finished":
            return run
        _check_model(evaluation)
        if evaluation.prompt is not None:
            path, root = evaluation.suite.dataset, self._project.root
            check_fitting(evaluation.dataset.cases, evaluation.prompt, path, name=shown(path, root))
        clock = SystemClock()
        budget, pacer = RunBudget(evaluation.suite.budget), Pacer(evaluation.suite.concurrency)
        tested = feature(evaluation.suite.name)
        async with AsyncExitStack() as stack:
            sides = [self] if self._judges is None else [self, self._judges]
            asks = []
            for side in sides:
                kept = open_answers(side.project, self._environ, refresh=fresh) if cache else nullcontext()
                answers = stack.enter_context(kept)
                asks.append(
                    await stack.enter_async_context(side.pipeline(evaluation.prompt, budget, pacer, answers, tested))
                )
            await stack.enter_async_context(_closing(evaluation.target))
            ask = _divided(refusing(asks[0]), asks[-1], tested)
            if self.user:
                ask = _on_behalf_of(self.user, ask)
            means, runs = Means(ask, budget, pacer), self._state.runs
            return await execute(run, evaluation, means=means, runs=runs, clock=clock, progress=watch, only=only)

    def stored_or_new(self, evaluation: Evaluation, *, fresh: bool = False) -> Run:
        """The stored run of exactly this, finished or to be resumed; else one that has not begun, and is not stored."""
        known = None if fresh else evaluation.find_run(self._state.runs)
        if known is not None:
            return known
        repository = self._project.repository
        commit = f"{repository.commit()}{'+' if repository.is_dirty() else ''}"
        return evaluation.new_run(SystemClock().now_ns(), commit=commit, author=self._project.author)

    @asynccontextmanager
    async def pipeline(
        self,
        prompt: PromptVersion | None,
        budget: RunBudget | None = None,
        pacer: Pacer | None = None,
        answers: ResponseCache | None = None,
        tested: str | None = None,
    ) -> AsyncIterator[Next]:
        """The pipeline for a while, with this version in the place of what is served under its number.

        `tested`: the feature of what is under test. Judges and simulated users, which have another, are not guarded:
        they have to see what guards would take for an attack. None: everything is guarded.
        """
        shelf = ProviderShelf(self._environ, self._state.hosts, confined=self._confined)
        if pacer is not None:
            shelf.told = pacer.report
        with self._spool() as spool:
            catalog = self._project.catalog
            prompts, renderer = UnderTest(prompt, catalog), JinjaRenderer(where=catalog.where)
            background = BackgroundTasks()  # nothing comes there: an evaluation has no shadows
            standing = Standing(
                *(self._environ, shelf, spool, background), health=pacer, digest_key=digest_key(self._project)
            )
            ports = pipeline_ports(self._project.settings, prompts, renderer, standing)
            try:
                fitted = with_ports(self._fitted(ports), ledger=budget, cache=answers)
                ask = build(fitted)
                yield ask if tested is None else _divided(ask, build(with_ports(fitted, guards=None)), tested)
            finally:
                await shelf.aclose()

    def compare(self, evaluation: Evaluation, candidate: Run, baseline: Run | None) -> Comparison:
        """Case by case."""
        return self._compared(evaluation.suite, baseline, candidate, evaluation.dataset)

    def compare_stored(self, candidate: Run, baseline: Run) -> Comparison:
        """Two stored runs, case by case. Raises as `asked`, and `ConflictError` when they do not compare."""
        return self._compared(self.suites[candidate.suite], baseline, candidate, self.asked(candidate))

    def stopping(self, suite: Suite, candidate: Run, baseline: Run | None) -> Stopping | None:
        """What ends a comparison of two stored runs: what did when a gate judged them, with the same part of alpha."""
        gates, before = digest(suite.gates), baseline.prompt_digest if baseline else ""
        judged = (
            judgement.tests
            for judgement in self._state.runs.judgements(candidate.id)
            if (judgement.gates_digest, judgement.baseline) == (gates, before)
        )
        return stopping(suite, next(judged, 0))

    def _compared(self, suite: Suite, baseline: Run | None, candidate: Run, dataset: Dataset) -> Comparison:
        old = self._measured(baseline) if baseline else None
        rule = self.stopping(suite, candidate, baseline)
        return compare(old, self._measured(candidate), dataset, slices_of(suite.gates), stopping=rule)

    def judged(self, evaluation: Evaluation, baseline: PromptVersion | None) -> tuple[Run, Judgement | None] | None:
        """A finished run of exactly this target, or one stopped early, and what its gates as they are now found.

        The newest judgement against the baseline, else the newest against another, else the newest run without
        one; None when there is no run.
        """
        runs = [run for run in evaluation.stored(self._state.runs) if run.status in ("finished", "stopped")]
        gates = digest(evaluation.suite.gates)
        pairs = [(run, j) for run in runs for j in self._state.runs.judgements(run.id) if j.gates_digest == gates]
        if pairs:
            return max(pairs, key=lambda pair: (pair[1].baseline == baseline_digest(baseline), pair[1].created_ns))
        whole = next((run for run in runs if run.status == "finished"), None)
        return (whole, None) if whole is not None else None

    def baseline(self, prompt: PromptVersion, environment: str) -> PromptVersion | None:
        """What a version must be compared with before the environment may serve it; None when there is nothing.

        What it serves now, else the newest earlier version that no gate blocked.
        """
        served = self.served(prompt.name, environment)
        if served is not None:
            return served
        standing: PromptVersion | None = None
        catalog = self._project.catalog
        for version in catalog.versions(prompt.name) if prompt.name in catalog.names() else ():
            if version == prompt.version:
                break
            earlier = self._project.catalog.get(prompt.name, version)
            if prompt_digest(earlier) != prompt_digest(prompt) and not self._blocked(earlier, standing):
                standing = earlier
        return standing

    def served(self, prompt: str, environment: str) -> PromptVersion | None:
        """What an environment serves everybody, or did until the rollout under way began; as it was released."""
        release = settled(self._state.releases.history(prompt, environment))
        return self._state.releases.get(release).content if release else None

    def _blocked(self, prompt: PromptVersion, baseline: PromptVersion | None) -> bool:
        """Did a suite's gates find this content worse than the baseline, the last time they compared the two?"""
        runs = self._state.runs.runs(prompt=prompt.name, limit=1000)
        found = [
            (judgement.created_ns, run.suite, judgement.verdict)
            for run in runs
            if run.verdict and run.prompt_digest == prompt_digest(prompt)
            for judgement in self._state.runs.judgements(run.id)
            if judgement.baseline == baseline_digest(baseline)
        ]
        return "regressed" in {suite: verdict for _, suite, verdict in sorted(found)}.values()

    def _measured(self, run: Run) -> Measured:
        return Measured(run, StoredResults(self._state.runs, run.id))

    @contextmanager
    def _spool(self) -> Iterator[SegmentSpool]:
        telemetry = self._project.settings.config.telemetry
        spool = SegmentSpool(self._project.spool_path, fsync=telemetry.fsync, interval=telemetry.fsync_interval)
        spool.open()
        try:
            yield spool
        finally:
            spool.close()


def _check_model(evaluation: Evaluation) -> None:
    """Raise `ConfigError` where neither the version nor the suite names the model that shall answer."""
    if evaluation.prompt is not None and not evaluation.alias:
        raise ConfigError(
            f"no model shall answer: neither {evaluation.prompt.id} nor the suite names one",
            where=f"suite {evaluation.suite.name}",
            remedy="Write `model: ALIAS` into the suite, or name one with `--model`.",
        )


def _divided(tested: Next, judging: Next, feature: str) -> Next:
    """One asks what is under test, under a feature, the other everything that only serves to measure it."""

    def ask(call: Call) -> AsyncGenerator[Event, None]:
        return (tested if call.caller.feature == feature and call.operation == "chat" else judging)(call)

    return ask


def _on_behalf_of(user: str, next: Next) -> Next:
    """The same, with this user as its caller's."""

    def ask(call: Call) -> AsyncGenerator[Event, None]:
        return next(replace(call, caller=replace(call.caller, user=user)))

    return ask


@asynccontextmanager
async def _closing(target: Target) -> AsyncIterator[None]:
    """Some targets hold connections."""
    try:
        yield
    finally:
        if isinstance(target, HttpTarget):
            await target.aclose()
