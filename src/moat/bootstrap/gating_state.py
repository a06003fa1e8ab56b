"""A project as `moat.evals.gating.plan` sees it: everything by its digest."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from os.path import normpath
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from moat.bootstrap.behind import behind, content, invented, user_behind
from moat.bootstrap.project import Project
from moat.bootstrap.suite_files import suite_files
from moat.bootstrap.suites import Names, shown
from moat.bootstrap.targets import function_target
from moat.domain.config import Config
from moat.domain.errors import DocumentError, InputError, NotFound
from moat.domain.releases import digest, prompt_digest
from moat.evals.calibration.standing import standing
from moat.evals.datasets import load_dataset
from moat.evals.datasets.lock import Locked, read_locks
from moat.evals.gating.function_code import code_of
from moat.evals.gating.plan import ProjectState, SuiteState, VersionState
from moat.evals.project_code import find_function
from moat.evals.scorers.functions import Python
from moat.evals.scorers.limits import Cost
from moat.evals.scorers.logic import Composite
from moat.evals.scorers.scorer import Scorer
from moat.evals.scorers.structure import JsonSchema
from moat.evals.suites import Suite, load_suite
from moat.evals.targets.spec import FunctionSpec, HttpSpec, ModelSpec, PromptSpec, ReleaseSpec, ResponsesSpec


def state_of(project: Project, *, lenient: bool) -> ProjectState:
    """What the files mean. `lenient`: a suite may be one that cannot be read, as at a base that is not judged.

    Raises `InputError` or `NotFound` for one otherwise. A broken prompt file is none: lint says so.
    """
    catalog, config = project.catalog, _config(project)
    suites = list(_suites(project, lenient=lenient))
    return ProjectState(
        prompts={
            name: tuple(
                VersionState(
                    version=version, digest=prompt_digest(prompt), model=prompt.model, output=digest(prompt.output)
                )
                for version in catalog.versions(name)
                for prompt in [catalog.get(name, version)]
            )
            for name in catalog.names()
        },
        suites={name: found for name, found in suites if isinstance(found, SuiteState)},
        unreadable={name: found for name, found in suites if isinstance(found, str)},
        models={alias: behind(alias, project) for alias in config.models} if config else {},
        invented={alias: invented(alias, project) for alias in config.models} if config else {},
        required={name: frozenset(rules.require) for name, rules in config.environments.items()} if config else {},
        red_team=frozenset(config.gate.red_team) if config else frozenset(),
    )


def _suites(project: Project, *, lenient: bool) -> Iterator[tuple[str, SuiteState | str]]:
    """With those that cannot be read go the reasons."""
    locks: Mapping[str, Locked] = {}
    with suppress(InputError):  # lint says so
        locks = read_locks(project.root)
    for name, path in suite_files(project.root).items():
        try:
            suite = load_suite(path, name=shown(path, project.root)).pinned(Names(project))
            yield name, _suite(suite, project, locks)
        except (InputError, NotFound) as error:
            if not lenient:
                raise
            yield name, str(error)


def _suite(suite: Suite, project: Project, locks: Mapping[str, Locked]) -> SuiteState:
    dataset = load_dataset(suite.dataset, name=shown(suite.dataset, project.root))
    named = _named(suite.dataset, project)
    lock = locks.get(named)
    gated = [scorer for scorer in suite.scorers if scorer.name in suite.gated]
    return SuiteState(
        prompt=suite.prompt,
        target="" if suite.prompt else _target(suite, project),
        answers=_answers(suite),
        asking="" if suite.prompt else _asking(suite),
        recorded=_recorded(suite),
        scorers=suite.digest,
        measures={scorer.name: _measure(scorer, project) for scorer in suite.scorers},
        calibrated={scorer.name: known for scorer in gated if (known := _calibration(scorer, project))},
        shaped=frozenset(
            scorer.name
            for scorer in gated
            if any(isinstance(part, JsonSchema) and part.schema is None for part in _parts(scorer))
        ),
        repeats=(suite.least or suite.repeats, suite.repeats),
        timeout=suite.timeout,
        gates=digest(suite.gates),
        demands=suite.gates,
        dataset=digest((dataset.digest, suite.split)),
        asked=(named, suite.split),
        locked=f"{lock.version}: {lock.reason}" if lock else "",
        replaced=tuple(
            replace(each, dataset=_named(suite.file.parent / each.dataset, project)) if each.dataset else each
            for each in suite.replaces
        ),
        user=user_behind(project, dataset.cases),
        model=suite.model if isinstance(suite.target, PromptSpec | ReleaseSpec) else "",
        asks=tuple(sorted(_asks(suite, project))),
    )


def _named(path: Path, project: Project) -> str:
    """From the project, however the suite writes it."""
    return shown(Path(normpath(path)), Path(normpath(project.root)))


def _asks(suite: Suite, project: Project) -> set[str]:
    """Aliases that answer where the suite itself says what does; of a release, those of any version of its prompt."""
    match suite.target:
        case ModelSpec(model=alias):
            return {alias}
        case ReleaseSpec(prompt=name) if name in project.catalog.names():
            versions = project.catalog.versions(name)
            return {project.catalog.get(name, version).model or suite.model for version in versions}
        case _:
            return set()


def _target(suite: Suite, project: Project) -> str:
    """Over what the suite says of its target, and the code or the file that it names."""
    spec = msgspec.to_builtins(suite.target)
    if isinstance(suite.target, FunctionSpec):
        return digest((spec, function_target(suite, suite.target, project).digest))
    return digest((spec, _recorded(suite)))


def _recorded(suite: Suite) -> str:
    return content(suite.file.parent / suite.target.path) if isinstance(suite.target, ResponsesSpec) else ""


def _asking(suite: Suite) -> str:
    """Over what the suite says of its target. The version of a service is as the code of a function: what is tested."""
    target = suite.target
    return digest(msgspec.to_builtins(replace(target, version="") if isinstance(target, HttpSpec) else target))


def _answers(suite: Suite) -> str:
    match suite.target:
        case FunctionSpec(path=name) | ResponsesSpec(path=name) | HttpSpec(url=name) | ModelSpec(model=name) as spec:
            return f"{spec.kind} {name}"
        case ReleaseSpec(prompt=name, environment=environment):
            return f"release of {name} in {environment}"
        case _:
            return f"prompt {suite.prompt}"


def _measure(scorer: Scorer, project: Project) -> dict[str, Any]:
    """Its identity, with the prices that it counts by; of a function without what only stands beside it in its file."""
    found = dict(scorer.identity)
    if isinstance(scorer, Python):
        found["source"] = code_of(find_function(scorer.path, project.root, scorer.name))
    if any(isinstance(part, Cost) for part in _parts(scorer)) and (config := _config(project)):
        aliases = {name: model.price for name, model in config.models.items() if model.price}
        deployed = {name: block.price for name, block in config.deployments.items() if block.price}
        found["prices"] = digest((aliases, deployed))
    return found


def _calibration(scorer: Scorer, project: Project) -> str:
    with suppress(DocumentError):  # said where the suite is run
        held = standing(scorer, project.root, time.time_ns())
        return digest(held.calibration) if held is not None and held.state == "calibrated" else ""
    return ""


def _parts(scorer: Scorer) -> Iterator[Scorer]:
    """The scorer, and those that it is made of."""
    yield scorer
    for part in scorer.parts if isinstance(scorer, Composite) else ():
        yield from _parts(part)


def _config(project: Project) -> Config | None:
    with suppress(InputError):
        return project.settings.config
    return None
