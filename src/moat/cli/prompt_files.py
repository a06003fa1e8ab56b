"""`moat prompt new|publish`: files of new versions, and the lock."""

from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.cli.arguments import parse_prompt
from moat.cli.output import counted, out
from moat.cli.prompt_reference import problems_of
from moat.domain.errors import ConflictError, NotFound, PromptError
from moat.domain.releases import PromptVersion
from moat.prompts.authoring import Bump, copied_text, create_files, first_text, next_version, prompt_path
from moat.prompts.files import PromptFile, read_text
from moat.prompts.lock import publish as add_to_lock
from moat.prompts.lock import read_lock
from moat.prompts.semver import is_version
from moat.prompts.tree import check_name, inside


def new(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="Prompt, and the version if not the next.")],
    from_: Annotated[str, typer.Option("--from", metavar="VERSION", help="Copy this version, not the newest.")] = "",
    major: Annotated[bool, typer.Option("--major", help="The next major version.")] = False,
    minor: Annotated[bool, typer.Option("--minor", help="The next minor version (default).")] = False,
    patch: Annotated[bool, typer.Option("--patch", help="The next patch version.")] = False,
) -> None:
    """Write a first version, or copy the newest to the next one, comments included; print the new file's path."""
    project = Project.find(ctx.obj)
    name, version = parse_prompt(prompt)
    check_name(name)
    bump = _bump({"major": major, "minor": minor, "patch": patch}, version)
    catalog = project.catalog
    broken = [entry.version for entry, _ in catalog.broken if entry.name == name]
    versions = [*(catalog.versions(name) if name in catalog.names() else ()), *broken]
    if from_ or versions:
        source = catalog.file(name, from_ or _newest(project, name))
        raw = read_text(inside(project.root, source.path), source.path)
        suffix = source.path[source.path.rindex(".") :]
        text = copied_text(raw, project.author) if suffix == ".yaml" else raw
    else:
        model = next(iter(project.settings.config.models), "")
        text, suffix = first_text(name, model=model, author=project.author), ".yaml"
    path = prompt_path(name, version or next_version([v for v in versions if is_version(v)], bump), suffix)
    if f"{name}@{version}" in read_lock(project.root):
        raise ConflictError(f"{name}@{version} was published before", where=path, remedy="Take the next version.")
    if version in versions:
        raise ConflictError("exists already", where=path, remedy="Leave the version out for the next one.")
    create_files(project.root, {path: text})
    out.print(path)


def publish(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="[NAME@VERSION]", help="Prompt and version.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="Every version that is not published yet.")] = False,
) -> None:
    """Write a version's digest into prompts.lock: from then on its content is fixed. Refuses one with lint errors."""
    if bool(prompt) == all_:
        raise PromptError("say which version to publish", remedy="`moat prompt publish NAME@VERSION`, or --all.")
    project = Project.find(ctx.obj)
    lock = read_lock(project.root)
    if all_:
        for _, error in project.catalog.broken:
            raise error
        files = [project.catalog.file(v.name, v.version) for v in project.catalog.all() if v.id not in lock]
    else:
        files = [project.catalog.file(*parse_prompt(prompt))]
    for file in files:
        _require_sound(project, file)
    add_to_lock(project.root, [file.prompt for file in files])
    _say(files, lock)


def _say(files: list[PromptFile], lock: dict[str, str]) -> None:
    fresh: list[PromptVersion] = [file.prompt for file in files if file.prompt.id not in lock]
    for version in fresh:
        out.print(f"published {version.id}")
    out.print(f"{counted(len(fresh), 'version')} added to prompts.lock; commit it.", style="dim")


def _require_sound(project: Project, file: PromptFile) -> None:
    for problem in problems_of(project, file):
        if problem.severity == "error":
            place = f"{problem.path}:{problem.line}" if problem.line else problem.path
            raise PromptError(problem.message, where=place, remedy=problem.remedy or "`moat lint` says more.")


def _bump(wanted: dict[Bump, bool], version: str) -> Bump:
    chosen = [name for name, is_wanted in wanted.items() if is_wanted]
    if len(chosen) + bool(version) > 1:
        raise PromptError("say one version only", remedy="NAME@VERSION, --major, --minor or --patch.")
    return chosen[0] if chosen else "minor"


def _newest(project: Project, name: str) -> str:
    if name not in project.catalog.names():
        raise NotFound(f"no version of {name} can be read", remedy="`moat lint` says why.")
    return project.catalog.versions(name)[-1]
