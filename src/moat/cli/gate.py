"""`moat gate`: may this ship?"""

from typing import Annotated

import msgspec
import typer

from moat.bootstrap.gating import ChangeGate, Wishes
from moat.bootstrap.gating_base import find_base
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment, require_environment
from moat.bootstrap.state import State, open_state
from moat.bootstrap.versions import find_version
from moat.cli.arguments import Suites, parse_prompt
from moat.cli.gate_outputs import Files, comment_of, print_costs, print_outcome, tell_github, whole, write_files
from moat.cli.group import Json, group
from moat.cli.output import print_json, progress_bar
from moat.cli.thresholds import WithThresholds, thresholds
from moat.cli.unfolding import unfolded
from moat.cli.verdicts import print_report
from moat.domain.errors import PromptError, RequestError
from moat.domain.releases import PromptVersion
from moat.evals.gating.outcome import Outcome
from moat.evals.markdown import to_markdown
from moat.gateway.admission import DEFAULT_ENVIRONMENT
from moat.spend.estimate import percent

app = group()

EXIT_CODES = {"pass": 0, "regressed": 1, "inconclusive": 2}


class Demands(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold, and of what."""

    env: Annotated[str, typer.Option("--env", help="Environment it is meant for (default: production).")] = ""
    suite: Suites = None
    max_cost_increase: Annotated[
        str, typer.Option(metavar="PERCENT", help="Regressed when a request costs more than this above the baseline.")
    ] = ""
    release: Annotated[
        bool, typer.Option("--release", help="Open the held-out cases: for a release, not for trying things out.")
    ] = False


@app.command(cls=WithThresholds)
@unfolded
def run(
    ctx: typer.Context,
    prompt: Annotated[
        str, typer.Argument(metavar="NAME@VERSION", help="One version; without it, everything that changed.")
    ] = "",
    base: Annotated[
        str, typer.Option(metavar="REVISION", help="Judge what changed since the branch left this one.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every suite, whatever changed.")] = False,
    baseline: Annotated[
        str, typer.Option(help="With NAME@VERSION: compare with this version, not with what --env serves.")
    ] = "",
    *,
    demands: Demands,
    files: Files,
    github: Annotated[
        bool | None, typer.Option("--github/--no-github", help="Annotations and step summary (default: on GitHub).")
    ] = None,
    json: Json = False,
) -> None:
    """Judge what changed, or one version, against its baseline. Exit 0: pass, 1: regressed, 2: the cases do not decide.

    `--min-<score> VALUE` demands a least mean of any score beside what the suites demand: `--min-faithfulness 0.85`.
    """
    environ = environment()
    project = Project.find(ctx.obj)
    if prompt and (base or everything):
        raise RequestError("NAME@VERSION is judged by itself", where="--base", remedy="Leave one of the two out.")
    if baseline and not prompt:
        raise RequestError("a baseline is of one version", where="--baseline", remedy="Name a version, or use --base.")
    if demands.env:
        require_environment(project.settings, demands.env)
    wishes = Wishes(
        environment=demands.env or DEFAULT_ENVIRONMENT,
        thresholds=thresholds(ctx),
        max_increase=percent(demands.max_cost_increase) if demands.max_cost_increase else None,
        suites=tuple(demands.suite or ()),
        everything=everything,
        release=demands.release,
    )
    with open_state(project) as state:
        gate = ChangeGate(project, state, environ, wishes, progress_bar)
        if prompt:
            found = _of_version(gate, project, state, prompt, baseline)
        else:
            found = gate.outcome(find_base(project.repository, base, environ))
        comment = _comment(project, found, prompt)
        write_files(project, found, files, comment=comment, page=gate.page)
    if json:
        print_json([each.report for each in found.evaluated] if prompt else whole(found))
    elif prompt:
        for each in found.evaluated:
            print_report(each.report)
        print_costs(found)
    else:
        print_outcome(found)
    if github or (github is None and not json and environ.get("GITHUB_ACTIONS") == "true"):
        tell_github(project, found, comment, environ)
    raise typer.Exit(EXIT_CODES[found.verdict])


def _comment(project: Project, found: Outcome, prompt: str) -> str:
    if prompt:
        return "\n\n".join(to_markdown(each.report) for each in found.evaluated)
    return comment_of(project, found)


def _of_version(gate: ChangeGate, project: Project, state: State, prompt: str, asked: str) -> Outcome:
    name, version = parse_prompt(prompt)
    candidate = find_version(project, state, name, version)
    return gate.versions(candidate, _baseline(project, state, name, asked) if asked else gate.baseline(candidate))


def _baseline(project: Project, state: State, name: str, asked: str) -> PromptVersion:
    """The version asked for, written as VERSION or NAME@VERSION."""
    of, at, version = asked.rpartition("@")
    if at and of != name:
        raise PromptError(f"{asked!r} is no version of {name!r}", where="--baseline")
    return find_version(project, state, name, version)
