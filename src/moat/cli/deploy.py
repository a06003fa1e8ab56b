"""`moat deploy`: files for the systems that a server runs beside."""

from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.alert_rules import rules_of
from moat.bootstrap.project import Project
from moat.cli.file_output import write
from moat.cli.group import group
from moat.cli.output import out
from moat.domain.alerting import Rule
from moat.domain.errors import NotFound
from moat.telemetry.alerts.shipped import SHIPPED
from moat.telemetry.grafana import dashboard
from moat.telemetry.prometheus import operator_resource, rules_file
from moat.telemetry.promql import expression

app = group(no_args_is_help=True)


@app.callback()
def about() -> None:
    """Files for the systems that a server runs beside."""


@app.command()
def metrics(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where they are written.")] = Path("deploy"),
) -> None:
    """Write alert rules for Prometheus (plain, and as a PrometheusRule for Kubernetes) and a dashboard for Grafana.

    In a project the rules are those of moat.yaml's `alerts`, else the shipped ones.
    """
    rules = _rules(ctx)
    files = {
        "prometheus-rules.yaml": rules_file(rules),
        "prometheusrule.yaml": operator_resource(rules),
        "grafana-dashboard.json": dashboard(),
    }
    for name, text in files.items():
        write(folder / name, text)
        out.print(str(folder / name))
    silent = [rule.name for rule in rules if expression(rule) is None]
    if silent:
        out.print(f"Only the server itself watches: {', '.join(silent)}.")


def _rules(ctx: typer.Context) -> tuple[Rule, ...]:
    try:
        project = Project.find(ctx.obj)
    except NotFound:
        if ctx.obj is not None:
            raise
        return SHIPPED
    return rules_of(project.settings.config)
