"""`moat prompt`: write, look at, compare, trace, publish, import and export prompts."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from moat.bootstrap.project import Project
from moat.bootstrap.state import State, open_state
from moat.cli.arguments import Prompt
from moat.cli.group import Json, group
from moat.cli.output import out, print_json, print_table
from moat.cli.prompt_diff import diff
from moat.cli.prompt_exchange import export, import_
from moat.cli.prompt_files import new, publish
from moat.cli.prompt_history import history
from moat.cli.prompt_reference import PromptAnywhere, find_prompt
from moat.documents import read_yaml
from moat.domain.errors import PromptError
from moat.domain.releases import PromptVersion, prompt_digest
from moat.prompts.lock import is_edited, read_lock
from moat.prompts.templates import JinjaRenderer

app = group(no_args_is_help=True)
app.command()(new)


@app.command("list")
def list_prompts(
    ctx: typer.Context, name: Annotated[str, typer.Argument(help="Only this prompt.")] = "", json: Json = False
) -> None:
    """List all versions: published or not, where they are served, and the score of the newest eval run."""
    project = Project.find(ctx.obj)
    catalog = project.catalog
    versions = [catalog.get(name, version) for version in catalog.versions(name)] if name else catalog.all()
    lock = read_lock(project.root)
    with open_state(project) as state:
        served = _served(state)
        scores = _scores(state, name)
    rows = [
        {
            "id": prompt.id,
            "digest": prompt_digest(prompt),
            "model": prompt.model,
            "published": _published(lock, prompt),
            "served": served.get(prompt.id, []),
            "score": scores.get((prompt.id, prompt_digest(prompt))),
            "description": prompt.metadata.get("description", ""),
        }
        for prompt in versions
    ]
    if json:
        print_json(rows)
        return
    print_table(
        ["prompt", "digest", "model", "published", "served in", "score>", "description"],
        (
            [
                row["id"],
                row["digest"].removeprefix("sha256:")[:10],
                row["model"],
                row["published"],
                ", ".join(row["served"]),
                "" if row["score"] is None else f"{row['score']:.3f}",
                row["description"],
            ]
            for row in rows
        ),
        empty="No prompts yet: `moat prompt new NAME`.",
    )


@app.command()
def show(ctx: typer.Context, prompt: Prompt, json: Json = False) -> None:
    """Show one version (NAME@VERSION), or what an environment serves (NAME@ENVIRONMENT)."""
    version = find_prompt(Project.find(ctx.obj), prompt)
    if json:
        print_json({"prompt": version, "digest": prompt_digest(version)})
        return
    out.print(f"{version.id}", style="bold", end="  ")
    out.print(f"{prompt_digest(version)}", style="dim")
    out.print(f"model {version.model}  params {msgspec.json.encode(version.params).decode()}")
    for key, value in version.metadata.items():
        out.print(f"{key}: {', '.join(value) if isinstance(value, list) else value}", style="dim")
    for name, variable in version.variables.items():
        optional = "" if variable.default is msgspec.UNSET else f" = {variable.default!r}"
        out.print(f"  {name}: {variable.type}{optional}  {variable.description}")
    for tool in version.tools:
        out.print(f"  tool {tool}")
    for message in version.messages:
        out.print(f"\n[{message.role}]", style="bold")
        out.print(message.content)


app.command()(diff)


@app.command()
def render(
    ctx: typer.Context,
    prompt: PromptAnywhere,
    var: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; JSON for anything but text.")] = None,
    vars_: Annotated[
        Path | None, typer.Option("--vars", metavar="FILE", help="JSON or YAML object with variables.")
    ] = None,
    json: Json = False,
) -> None:
    """Render a version, or what an environment serves, to messages."""
    project = Project.find(ctx.obj)
    version = find_prompt(project, prompt)
    values = {**(_read_variables(vars_) if vars_ else {}), **_variables(version, var or [])}
    messages = JinjaRenderer(where=project.catalog.where).render(version, values)
    if json:
        print_json(messages)
        return
    for message in messages:
        out.print(f"[{message['role']}]", style="bold")
        out.print(message["content"])


app.command()(history)
app.command()(publish)
app.command("import")(import_)
app.command()(export)


def _served(state: State) -> dict[str, list[str]]:
    """Environments that send a version a share of their calls, by its id."""
    found: dict[str, list[str]] = {}
    for assignment in state.releases.current():
        for arm in assignment.arms:
            if arm.weight > 0:
                release = state.releases.get(arm.release)
                environments = found.setdefault(f"{release.prompt}@{release.version}", [])
                if assignment.environment not in environments:
                    environments.append(assignment.environment)
    return found


def _scores(state: State, name: str) -> dict[tuple[str, str], float | None]:
    """Score of the newest finished run by id and digest: a run of other content under this number does not count."""
    runs = [run for run in state.runs.runs(prompt=name, limit=10_000) if run.status == "finished"]
    return {(f"{run.prompt}@{run.version}", run.prompt_digest): run.score for run in reversed(runs)}


def _published(lock: dict[str, str], prompt: PromptVersion) -> str:
    if prompt.id not in lock:
        return "no"
    return "edited since" if is_edited(lock, prompt) else "yes"


def _read_variables(path: Path) -> dict[str, Any]:
    document = read_yaml(path)
    if not isinstance(document.data, dict):
        raise PromptError("does not hold an object", where=str(path))
    return document.data


def _variables(version: PromptVersion, given: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise PromptError(f"{text!r} is not NAME=VALUE", where="--var")
        declared = version.variables.get(name)
        if declared is None or declared.type == "string":
            values[name] = value
            continue
        try:
            values[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            raise PromptError(f"the value of {name!r} is not JSON", where="--var") from None
    return values
