"""A project as `moat.evals.gating.plan` sees it: everything by its digest."""

from collections.abc import Iterator
from os.path import normpath
from pathlib import Path

import msgspec

from moat.bootstrap.behind import behind, content, user_behind
from moat.bootstrap.project import Project
from moat.bootstrap.suites import Names, shown, suite_files
from moat.bootstrap.targets import function_target
from moat.domain.errors import InputError, NotFound
from moat.domain.releases import digest, prompt_digest
from moat.evals.datasets import load_dataset
from moat.evals.gating.plan import ProjectState, SuiteState, VersionState
from moat.evals.suites import Suite, load_suite
from moat.evals.targets.spec import FunctionSpec, ModelSpec, PromptSpec, ReleaseSpec


def state_of(project: Project, *, lenient: bool) -> ProjectState:
    """What the files mean. `lenient`: a suite that cannot be read counts as none, as at a base that is not judged.

    Raises `InputError` or `NotFound` for one otherwise. A broken prompt file is none: lint says so.
    """
    catalog = project.catalog
    return ProjectState(
        prompts={
            name: tuple(
                VersionState(version=version, digest=prompt_digest(prompt), model=prompt.model)
                for version in catalog.versions(name)
                for prompt in [catalog.get(name, version)]
            )
            for name in catalog.names()
        },
        suites=dict(_suites(project, lenient=lenient)),
        models=_models(project),
    )


def _suites(project: Project, *, lenient: bool) -> Iterator[tuple[str, SuiteState]]:
    for name, path in suite_files(project.root).items():
        try:
            suite = load_suite(path, name=shown(path, project.root)).pinned(Names(project))
            yield name, _suite(suite, project)
        except (InputError, NotFound):
            if not lenient:
                raise


def _suite(suite: Suite, project: Project) -> SuiteState:
    dataset = load_dataset(suite.dataset, name=shown(suite.dataset, project.root))
    return SuiteState(
        prompt=suite.prompt,
        target="" if suite.prompt else _target(suite, project),
        scorers=suite.digest,
        gates=digest(suite.gates),
        demands=suite.gates,
        dataset=digest((dataset.digest, suite.split)),
        asked=(_named(suite.dataset, project), suite.split),
        replaced=_named(suite.file.parent / suite.replaces.dataset, project) if suite.replaces else "",
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
    path = str(spec.get("path", ""))
    return digest((spec, content(suite.file.parent / path) if path else ""))


def _models(project: Project) -> dict[str, str]:
    try:
        config = project.settings.config
    except InputError:
        return {}
    return {alias: behind(alias, project) for alias in config.models}
