"""A project as `moat.evals.gating.plan` sees it: everything by its digest."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from moat.bootstrap.models import all_targets, deployment_of
from moat.bootstrap.project import Project
from moat.bootstrap.suites import Names, shown, suite_files
from moat.domain.config import Config
from moat.domain.errors import InputError, NotFound
from moat.domain.releases import digest, prompt_digest
from moat.evals.datasets import load_dataset
from moat.evals.gating.plan import ProjectState, SuiteState, VersionState
from moat.evals.suites import Suite, load_suite

PIECE = 2**20
MAX_FILE = 64 * PIECE
"""Bytes of a file that are looked at."""
ANSWERING = ("use", "strategy", "weights", "quality", "rules", "overflow", "longer")
"""What of an alias decides who answers; prices, retries and caches do not change what is said."""


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
            yield name, _suite(suite, project.root)
        except (InputError, NotFound):
            if not lenient:
                raise


def _suite(suite: Suite, root: Path) -> SuiteState:
    dataset = load_dataset(suite.dataset, name=shown(suite.dataset, root))
    return SuiteState(
        prompt=suite.prompt,
        target="" if suite.prompt else _target(suite, root),
        scorers=suite.digest,
        gates=digest(suite.gates),
        dataset=digest((dataset.digest, suite.split)),
        model=suite.model,
    )


def _target(suite: Suite, root: Path) -> str:
    """Over what the suite says of its target, and the file that it names."""
    spec = msgspec.to_builtins(suite.target)
    path = str(spec.get("path", "")).partition(":")[0]
    files = [_content(folder / path) for folder in (root, suite.file.parent) if path]
    return digest((spec, files))


def _models(project: Project) -> dict[str, str]:
    try:
        config = project.settings.config
    except InputError:
        return {}
    return {alias: digest(_meaning(alias, config, project.root)) for alias in config.models}


def _meaning(alias: str, config: Config, root: Path) -> object:
    model = config.models[alias]
    names = sorted({deployment_of(target).provider for target in all_targets(model)})
    return [
        {field: getattr(model, field) for field in ANSWERING},
        [(name, config.providers.get(name), _files(config.providers.get(name, {}), root)) for name in names],
    ]


def _files(options: object, root: Path) -> list[str]:
    """Digests of the files that a provider's block names."""
    values = options.values() if isinstance(options, dict) else ()
    return [_content(root / value) for value in values if isinstance(value, str) and "://" not in value]


def _content(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > MAX_FILE:
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""
