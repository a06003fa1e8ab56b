"""`moat prompt import|export`: prompts of other tools."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.cli.arguments import parse_prompt
from moat.cli.group import Json
from moat.cli.output import err, out, print_json
from moat.cli.prompt_reference import PromptAnywhere, find_prompt, problems_of
from moat.domain.errors import ConflictError, PromptError, StorageError
from moat.prompts.authoring import create_files
from moat.prompts.exchange import AUTO, FORMS, Imported, export_prompt, read_foreign
from moat.prompts.exchange.placing import Placed, placed
from moat.prompts.files import read_prompt

FORMATS = ", ".join(FORMS)


def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="File of another tool.")],
    format_: Annotated[str, typer.Option("--format", help=f"{AUTO}, {FORMATS}.")] = AUTO,
    name: Annotated[str, typer.Option(help="Name of the prompt, if not the file's.")] = "",
    version: Annotated[str, typer.Option(help="Version, if not the file's (3 becomes 3.0.0; without one 1.0.0).")] = "",
    model: Annotated[str, typer.Option(help="Model alias of moat.yaml, if not the file's.")] = "",
    json: Json = False,
) -> None:
    """Write prompts of Langfuse, MLflow, promptfoo, OpenAI or a text file as prompt files; never over existing ones.

    What cannot be taken along is an error or a note. A file with several prompts is imported whole or not at all.
    """
    project = Project.find(ctx.obj)
    form, items = read_foreign(file, format_)
    several = len({item.prompt.name for item in items}) > 1
    plans = [
        placed(project.root, item, name=_name(item, name, several=several), version=version, model=model)
        for item in items
    ]
    create_files(project.root, _together(plans))
    notes = [_with_problems(project, plan) for plan in plans]
    if json:
        written = [
            {"id": plan.id, "files": list(plan.files), "notes": said} for plan, said in zip(plans, notes, strict=True)
        ]
        print_json({"format": form.name, "imported": written})
        return
    for plan, said in zip(plans, notes, strict=True):
        out.print(f"{plan.id}  from {form.name}", style="bold")
        for path in plan.files:
            out.print(f"  wrote  {path}")
        for note in said:
            out.print(f"  note   {note}", style="yellow")


def export(
    ctx: typer.Context,
    prompt: PromptAnywhere,
    format_: Annotated[str, typer.Option("--format", help=f"{FORMATS}.")],
    output: Annotated[Path | None, typer.Option(help="File to write; else it is printed.")] = None,
) -> None:
    """Write a version as another tool reads it; what that has no place for is listed."""
    exported = export_prompt(find_prompt(Project.find(ctx.obj), prompt), format_)
    if output is None:
        sys.stdout.write(exported.text)
    else:
        _write(output, exported.text)
    for note in exported.notes:
        err.print(f"note: {note}", style="yellow")


def _name(item: Imported, name: str, *, several: bool) -> str:
    """As given. Several prompts keep their own names below it."""
    if not name or not several:
        return name
    return f"{name}/{item.prompt.name}" if item.prompt.name else name


def _together(plans: list[Placed]) -> dict[str, str]:
    """All files at once. Raises `ConflictError` when two prompts would be one file with other content."""
    files: dict[str, str] = {}
    for plan in plans:
        for path, text in plan.files.items():
            if files.setdefault(path, text) != text:
                raise ConflictError(
                    "two prompts of the file would be the same version",
                    where=path,
                    remedy="Give them names or versions in the file.",
                )
    return files


def _with_problems(project: Project, plan: Placed) -> list[str]:
    """Notes, and what lint says of the new file: an unknown model, say."""
    problems = problems_of(project, read_prompt(project.root, *parse_prompt(plan.id)))
    return [*plan.notes, *(str(problem) for problem in problems)]


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError:
        raise ConflictError("exists already", where=str(path), remedy="Choose another file.") from None
    except UnicodeEncodeError:
        raise PromptError("the prompt holds what UTF-8 cannot", where=str(path)) from None
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=str(path)) from None
