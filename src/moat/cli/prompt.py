"""`moat prompt`: look at prompts."""

from typing import Annotated, Any

import msgspec
import typer

from moat.bootstrap.project import Project
from moat.bootstrap.wiring import open_state
from moat.cli.arguments import Prompt, parse_prompt
from moat.cli.group import Json, group
from moat.cli.output import out, print_json, print_table
from moat.domain.errors import PromptError
from moat.domain.releases import PromptVersion, prompt_digest
from moat.prompts.templates import JinjaRenderer

app = group(no_args_is_help=True)


@app.command("list")
def list_prompts(ctx: typer.Context, json: Json = False) -> None:
    """List all versions, with the environments that serve them."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        releases = {release.id: release for release in state.releases.releases()}
        served: dict[str, list[str]] = {}
        for assignment in state.releases.current():
            for arm in assignment.arms:
                release = releases[arm.release]
                served.setdefault(f"{release.prompt}@{release.version}", []).append(assignment.environment)
    versions = project.catalog.all()
    if json:
        print_json([{"id": v.id, "digest": prompt_digest(v), "served": served.get(v.id, [])} for v in versions])
        return
    print_table(
        ["prompt", "version", "model", "served in", "description"],
        (
            [v.name, v.version, v.model, ", ".join(served.get(v.id, [])), str(v.metadata.get("description", ""))]
            for v in versions
        ),
        empty="No prompts yet: write prompts/<name>/1.0.0.yaml.",
    )


@app.command()
def show(ctx: typer.Context, prompt: Prompt, json: Json = False) -> None:
    """Show one version (NAME@VERSION)."""
    version = _find(ctx, prompt)
    if json:
        print_json({"prompt": version, "digest": prompt_digest(version)})
        return
    out.print(f"{version.id}", style="bold", end="  ")
    out.print(f"{prompt_digest(version)}", style="dim")
    out.print(f"model {version.model}  params {msgspec.json.encode(version.params).decode()}")
    for name, variable in version.variables.items():
        optional = "" if variable.default is msgspec.UNSET else f" = {variable.default!r}"
        out.print(f"  {name}: {variable.type}{optional}  {variable.description}")
    for message in version.messages:
        out.print(f"\n[{message.role}]", style="bold")
        out.print(message.content)


@app.command()
def render(
    ctx: typer.Context,
    prompt: Prompt,
    var: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; JSON for anything but text.")] = None,
    json: Json = False,
) -> None:
    """Render one version (NAME@VERSION) to messages."""
    version = _find(ctx, prompt)
    messages = JinjaRenderer().render(version, _variables(version, var or []))
    if json:
        print_json(messages)
        return
    for message in messages:
        out.print(f"[{message['role']}]", style="bold")
        out.print(message["content"])


def _find(ctx: typer.Context, prompt: str) -> PromptVersion:
    name, version = parse_prompt(prompt)
    return Project.find(ctx.obj).catalog.get(name, version)


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
