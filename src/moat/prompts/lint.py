"""What is wrong with a project's prompts and tools, without running any model.

Rules: `unreadable`, `version-name`, `template`, `missing-partial`, `undeclared-variable`, `unused-variable`,
`unknown-model`, `reserved-parameter`, `parameter`, `output-schema`, `tool-schema`, `tool-example`, `token-budget`,
`edited-version`, `missing-version`, `secret`; and as warnings `uncovered`, `pii`, `token-growth`, `version-order`.
Each family of rules is a file of `moat.prompts.linting`.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from moat.domain.errors import InputError
from moat.prompts.catalog import Catalog
from moat.prompts.files import Broken, PromptFile, read_text
from moat.prompts.linting import locked, parameters, templates, texts, tokens
from moat.prompts.linting.places import Lines
from moat.prompts.linting.tokens import Economics
from moat.prompts.linting.tools import tool
from moat.prompts.lock import LOCK, read_lock
from moat.prompts.problems import Problem, from_error
from moat.prompts.semver import is_version
from moat.prompts.tree import TOOLS, entries, inside


def lint(
    root: Path,
    *,
    models: AbstractSet[str],
    covered: AbstractSet[str],
    catalog: Catalog | None = None,
    economics: Economics | None = None,
) -> list[Problem]:
    """All findings, in order of path, line, column and rule.

    `models` are the aliases of `moat.yaml`; `covered` names the prompts that some suite evaluates; `catalog` saves
    reading the prompts once more; `economics` prices what grew.
    """
    catalog = catalog or Catalog.load(root)
    lines = Lines(root)
    problems = [problem for broken in catalog.broken for problem in _unreadable(root, broken)]
    try:
        lock = read_lock(root)
    except InputError as error:
        lock = {}
        problems.append(from_error("unreadable", LOCK, error))
    files = catalog.files()
    for file in files:
        problems += _version(file, models, lines)
        problems += locked.edited(file, lock)
    for _, group in groupby(files, key=lambda file: file.prompt.name):
        versions = list(group)
        problems += locked.out_of_order(versions, lock)
        problems += tokens.growth(versions, lock, economics or Economics())
    present = {(file.prompt.name, file.prompt.version) for file in files}
    problems += locked.missing(lock, present | {(b.entry.name, b.entry.version) for b in catalog.broken})
    for entry in entries(root, TOOLS):
        problems += tool(root, entry)
    problems += _uncovered(files, covered)
    # A partial's flaw shows in every version that includes it; it is one finding.
    return sorted(set(problems), key=lambda p: (p.path, p.line, p.column, p.rule, p.message))


def lint_version(root: Path, file: PromptFile, *, models: AbstractSet[str]) -> list[Problem]:
    """The findings in one version and what it includes, without reading any other; not those of the lock."""
    return sorted(set(_version(file, models, Lines(root))), key=lambda p: (p.path, p.line, p.column, p.rule))


def _version(file: PromptFile, models: AbstractSet[str], lines: Lines) -> Iterator[Problem]:
    yield from templates.templates(file, lines)
    yield from parameters.model(file, models, lines)
    yield from parameters.params(file, lines)
    yield from parameters.output(file, lines)
    yield from texts.texts(file, lines)
    yield from tokens.budget(file, lines)


def _unreadable(root: Path, broken: Broken) -> Iterator[Problem]:
    """Why it cannot be read; and what must not be in it all the same, since it is in git."""
    path = broken.entry.path
    yield from_error("unreadable" if is_version(broken.entry.version) else "version-name", path, broken.error)
    with suppress(InputError):
        yield from texts.source_text(path, read_text(inside(root, path), path))


def _uncovered(files: list[PromptFile], covered: AbstractSet[str]) -> Iterator[Problem]:
    newest = {file.prompt.name: file for file in files}
    for name in sorted(newest.keys() - covered):
        yield Problem(
            rule="uncovered",
            severity="warning",
            path=newest[name].path,
            line=1,
            message=f"no suite evaluates {name}",
            remedy=f"Write one below evals/ with `prompt: {name}`.",
        )
