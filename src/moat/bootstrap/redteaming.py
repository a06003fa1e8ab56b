"""Red-team runs of a project: what is attacked, with guards in front or without, and what came of it."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from moat import __version__
from moat.adapters.http_target import HttpTarget
from moat.bootstrap.eval_costs import Foreseen, foresee
from moat.bootstrap.evaluating import Evaluating, Watch
from moat.bootstrap.guarding import policies
from moat.bootstrap.project import Project
from moat.bootstrap.redteam_ports import Front
from moat.bootstrap.settings import resolve
from moat.bootstrap.state import State
from moat.bootstrap.suites import Names
from moat.bootstrap.targets import Targets
from moat.bootstrap.versions import find_version
from moat.domain.errors import ConflictError, NotFound, PromptError, RequestError, StorageError
from moat.domain.releases import digest
from moat.domain.scores import Run
from moat.evals.compare import Measured, compare
from moat.evals.datasets import Dataset, load_dataset
from moat.evals.gate import GateReport, judge
from moat.evals.redteam.attacks import Category, chosen, load, shipped
from moat.evals.redteam.cases import MIXED, Entrance, dataset
from moat.evals.redteam.harness import harness
from moat.evals.redteam.marked import marked
from moat.evals.redteam.rates import RedTeamReport, benign_categories, parts, rates, reasons
from moat.evals.redteam.suite import NAME, suite, to_lines
from moat.evals.redteam.telling import broken
from moat.evals.reports.junit import to_junit
from moat.evals.reports.report import build_report
from moat.evals.running.evaluation import Evaluation
from moat.evals.running.stored import StoredResults
from moat.evals.suites import Gate, Suite
from moat.evals.targets.spec import HttpSpec, ModelSpec

FOLDER = "red-team"
PROJECT_FOLDER = "redteam"
"""Of a project: files of attacks of its own."""
CHAT = "/chat/completions"


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which attacks, and how they are put."""

    categories: tuple[str, ...] = ()
    strategies: tuple[str, ...] = (MIXED,)
    seed: int = 0
    limit: int = 0


class Approach(msgspec.Struct, frozen=True, kw_only=True):
    """How what is attacked is reached."""

    variable: str = ""
    given: dict[str, Any] = {}
    model: str = ""
    """Alias in place of the prompt's own; of a service the model it is asked for."""
    headers: dict[str, str] = {}
    """Sent to a service; `${VAR}` stands for a variable of the environment."""
    instructions: str = ""
    """What must not leak from a service."""


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may take."""

    repeats: int = 1
    budget: int | None = None
    concurrency: int = 8
    judge: str = ""
    """Prompt of a judge, `name@version`, that looks at each answer too."""


class Aim(NamedTuple):
    """What is attacked, with how words get into it."""

    evaluation: Evaluation
    service: bool
    """It is asked over HTTP: what guards it stands elsewhere."""


class RedTeam:
    """Attacks on what a project has."""

    def __init__(self, project: Project, state: State, environ: Mapping[str, str]) -> None:
        self._project = project
        self._state = state
        self._environ = environ

    def categories(self) -> tuple[Category, ...]:
        """Those that Moat brings along, and the project's own."""
        return all_categories(self._project.root)

    def attacks(self, selection: Selection, entrance: Entrance) -> Dataset:
        """The cases for what has this entrance."""
        found = chosen(self.categories(), selection.categories)
        return dataset(found, entrance, names=selection.strategies, seed=selection.seed, limit=selection.limit)

    def aim(self, target: str, selection: Selection, approach: Approach, effort: Effort) -> Aim:
        """`NAME@VERSION`, `NAME@ENVIRONMENT`, a model's alias, or the URL of a service that speaks OpenAI's chat.

        Raises a `MoatError` for what there is not.
        """
        if target.startswith(("http://", "https://")):
            return Aim(self._service(target, selection, approach, effort), service=True)
        if "@" not in target and target in self._project.settings.config.models:
            return Aim(self._model(target, selection, effort), service=False)
        name, _, version = target.partition("@")
        prompt = find_version(self._project, self._state, name, version or self._newest(name))
        cases = self.attacks(selection, Entrance.of_prompt(prompt, approach.variable, approach.given))
        alias = approach.model or prompt.model
        if not alias:
            raise PromptError(f"{prompt.id} names no model", remedy="Name one with `--model`.")
        asked = self._suite(cases, effort, prompt=prompt.name)
        return Aim(self._targets.of_prompt(asked, cases, prompt, approach.model), service=False)

    def _model(self, alias: str, selection: Selection, effort: Effort) -> Evaluation:
        set_up = harness(selection.seed)
        cases = self.attacks(selection, Entrance(tools=set_up.tools))
        asked = self._suite(cases, effort, instructions=set_up.system)
        spec = ModelSpec(kind="model", model=alias, system=set_up.system, params={"tools": list(set_up.definitions)})
        return self._targets.of_suite(replace(asked, target=spec), cases)

    def _service(self, url: str, selection: Selection, approach: Approach, effort: Effort) -> Evaluation:
        address = url if urlsplit(url).path.endswith(CHAT) else url.rstrip("/") + CHAT
        spec = HttpSpec(
            kind="http",
            url=address,
            headers=approach.headers,
            body={"model": approach.model or "default", "messages": "{{ messages }}"},
            output="choices.0.message.content",
            tool_calls="choices.0.message.tool_calls",
            private_network=True,
        )
        raw = msgspec.to_builtins(spec)
        resolved = msgspec.convert(resolve(raw, self._project.settings, [], self._environ), HttpSpec)
        secrets = [value for name, value in resolved.headers.items() if value != approach.headers[name]]
        cases = self.attacks(selection, Entrance())
        asked = self._suite(cases, effort, instructions=approach.instructions)
        target = HttpTarget(spec, resolved, [part for value in secrets for part in (value, value.split()[-1])])
        return Evaluation(suite=asked, dataset=cases, target=target, settled=False)

    def behind(self, aim: Aim, front: Front) -> Evaluation:
        """The attack with what stands in front in its identity: what was answered there says nothing of elsewhere."""
        found = aim.evaluation
        target = marked(found.target) if front.obedient else found.target
        if aim.service:
            return found
        settings = self._project.settings
        rules = policies(settings.root, settings.config, settings.document) if front.guarded else []
        guards = [__version__, msgspec.structs.asdict(front.scope), [rule.config for rule in rules]] if rules else []
        return replace(found, target=target, behind=digest([found.behind, guards, front.obedient]))

    def foreseen(self, evaluation: Evaluation) -> Foreseen:
        """What it will cost, as far as that is known."""
        return foresee(self._project, self._state, evaluation, evaluation.find_run(self._state.runs))

    async def run(self, evaluation: Evaluation, front: Front, *, fresh: bool, cache: bool, watch: Watch) -> Run:
        """The stored run of exactly this, gone on with or begun. Answers that guards block are refusals."""
        cases = evaluation.dataset.cases
        fitted = partial(front.fitted, cases=cases)
        evaluating = Evaluating(self._project, self._state, self._environ, fitted=fitted)
        return await evaluating.run(evaluation, fresh=fresh, watch=watch, cache=cache and not front.obedient)

    def report(
        self, run: Run, baseline: Run | None = None, gates: tuple[Gate, ...] = (), against: str = ""
    ) -> RedTeamReport:
        """What came of stored runs. Raises `ConflictError` where they do not compare."""
        cases, judged = self._judged(run, baseline, gates)
        return RedTeamReport(
            run=judged.comparison.candidate,
            target=_named(run),
            baseline=baseline,
            against=against or (_named(baseline) if baseline is not None else ""),
            verdict=judged.verdict if gates else None,
            reasons=reasons(judged),
            rates=rates(judged.comparison, benign_categories(cases)),
            broken=tuple(broken(cases, self._state.runs.each(run.id))),
            failures=judged.comparison.candidate_failures,
        )

    def junit(self, run: Run, baseline: Run | None = None, gates: tuple[Gate, ...] = ()) -> bytes:
        """The same as JUnit XML: a test for each case, and one for each demand."""
        cases, judged = self._judged(run, baseline, gates)
        old = self._measured(baseline) if baseline is not None else None
        return to_junit([build_report(judged, self._measured(run), cases, baseline=old)])

    def _judged(self, run: Run, baseline: Run | None, gates: tuple[Gate, ...]) -> tuple[Dataset, GateReport]:
        cases = self.cases(run)
        old = self._measured(baseline) if baseline is not None else None
        return cases, judge(compare(old, self._measured(run), cases, parts(cases)), gates)

    def _measured(self, run: Run) -> Measured:
        return Measured(run, StoredResults(self._state.runs, run.id))

    def stored(self, limit: int = 20) -> list[Run]:
        """Runs of attacks, newest first."""
        return self._state.runs.runs(suite=NAME, limit=limit)

    def found(self, run_id: str) -> Run:
        """A stored run. Raises `NotFound`, also for one that attacked nothing."""
        run = self._state.runs.get(run_id)
        if any("kind" not in case.labels or "category" not in case.labels for case in self.cases(run).cases):
            raise NotFound(f"{run.id} is no run of attacks", remedy="`moat redteam list` shows those.")
        return run

    def cases(self, run: Run) -> Dataset:
        """What a run asked: as it was kept, or by a suite of the project."""
        path = self._file(run.dataset_digest)
        if not path.is_file():
            return Evaluating(self._project, self._state, self._environ).asked(run)
        found = load_dataset(path, name=path.name)
        if found.digest != run.dataset_digest:
            raise ConflictError("what the run asked was changed since", where=str(path))
        return found

    def _suite(self, cases: Dataset, effort: Effort, *, prompt: str = "", instructions: str = "") -> Suite:
        made = suite(self._kept(cases), prompt=prompt, instructions=instructions, **msgspec.structs.asdict(effort))
        return made.pinned(Names(self._project))

    @property
    def _targets(self) -> Targets:
        return Targets(self._project, self._state, self._environ, self._project)

    def _newest(self, name: str) -> str:
        """Raises `NotFound` for what is neither a prompt nor a model."""
        if name in self._project.catalog.names():
            return self._project.catalog.versions(name)[-1]
        models = ", ".join(sorted(self._project.settings.config.models)) or "none"
        raise NotFound(
            f"there is neither a prompt nor a model {name!r}",
            remedy=f"Models: {models}. Prompts: {', '.join(self._project.catalog.names()) or 'none'}.",
        )

    def _file(self, dataset_digest: str) -> Path:
        return self._project.folder / FOLDER / f"{dataset_digest.removeprefix('sha256:')[:32]}.jsonl"

    def _kept(self, cases: Dataset) -> Path:
        """Their file, written once: runs are shown and compared by what they asked."""
        path = self._file(cases.digest)
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            if not path.is_file():
                with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as draft:
                    draft.write(to_lines(cases))
                Path(draft.name).replace(path)
        except OSError as error:
            raise StorageError(f"the attacks cannot be kept: {error.strerror}", where=str(path)) from None
        return path


def all_categories(root: Path | None) -> tuple[Category, ...]:
    """Those that Moat brings along, and those of the project in a folder. Raises `ConfigError` for ids that clash."""
    folder = root / PROJECT_FOLDER if root is not None else None
    own = [load(path, name=f"{PROJECT_FOLDER}/{path.name}") for path in sorted(folder.glob("*.yaml"))] if folder else []
    found = (*shipped(), *own)
    seen: dict[str, str] = {}
    for category in found:
        for attack in category.attacks:
            if attack.id in seen:
                raise RequestError(
                    f"the attack {attack.id!r} is in {seen[attack.id]} and in {category.category}",
                    where=PROJECT_FOLDER,
                    remedy="Give yours another id.",
                )
            seen[attack.id] = category.category
    return found


def _named(run: Run) -> str:
    return f"{run.prompt}@{run.version}" if run.prompt else run.target
