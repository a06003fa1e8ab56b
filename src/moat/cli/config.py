"""`moat config`: the project's configuration."""

import msgspec
import typer

from moat.bootstrap.config_checks import check_config
from moat.bootstrap.connections import ProjectConnections
from moat.bootstrap.limits import unpriced
from moat.bootstrap.plugins import SHIPPED, provider_kind
from moat.bootstrap.policy_checks import idle
from moat.bootstrap.project import Project
from moat.bootstrap.quality import passed_over
from moat.bootstrap.settings import environment
from moat.bootstrap.state import open_state
from moat.cli.group import Json, group
from moat.cli.output import counted, out, print_json
from moat.domain.config import Config

app = group(no_args_is_help=True)


@app.command()
def check(ctx: typer.Context, json: Json = False) -> None:
    """Check moat.yaml and policies: keys, types, references, suites, secrets, variables, data handling, providers' own
    options.
    """
    project = Project.find(ctx.obj)
    settings = project.settings
    prices = check_config(project, environment())
    notes = [*passed_over(project), *unpriced(settings.config, prices), *idle(project), *_withheld(project)]
    summary = {
        "file": str(project.root / "moat.yaml"),
        "providers": {name: options["kind"] for name, options in settings.config.providers.items()},
        "models": {alias: model.use for alias, model in settings.config.models.items()},
        "environments": sorted(settings.config.environments),
        "notes": notes,
    }
    if json:
        print_json(summary)
        return
    sections = ("providers", "models", "environments")
    counts = ", ".join(counted(len(summary[name]), name.removesuffix("s")) for name in sections)
    out.print(f"{summary['file']} is good: {counts}.")
    for note in notes:
        out.print(f"note: {note}.", style="yellow")


def _withheld(project: Project) -> list[str]:
    """Which providers would not get their credentials here, by what was used before."""
    if not project.state_path.exists():
        return []
    with open_state(project) as state:
        states = ProjectConnections(lambda: project.settings, environment(), state.hosts).states()
    return [
        f"{found.provider}: {' and '.join(found.credentials)} is not sent to {' and '.join(found.hosts)} until "
        f"`moat providers trust {found.provider}`"
        for found in states
        if found.standing == "withheld"
    ]


@app.command()
def schema() -> None:
    """Print the JSON Schema of moat.yaml, for editors."""
    kinds = [provider_kind(name, "moat.yaml").config for name in SHIPPED]
    (config, *options), components = msgspec.json.schema_components([Config, *kinds], ref_template="#/$defs/{name}")
    providers = components["Config"]["properties"]["providers"]
    providers["additionalProperties"] = {"anyOf": [*options, {"type": "object", "required": ["kind"]}]}
    for name, kind in zip(SHIPPED, kinds, strict=True):
        components[kind.__name__]["properties"]["kind"] = {"const": name}
    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **config, "$defs": components})
