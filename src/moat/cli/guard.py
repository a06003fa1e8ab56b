"""`moat guard`: what policies make of a text, their tests, the detectors there are, and what was found in calls."""

import asyncio
import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.guarding import place_of, policies
from moat.bootstrap.policy_checks import idle
from moat.bootstrap.project import Project
from moat.cli.group import Json, group
from moat.cli.guard_findings import findings
from moat.cli.guard_list import show
from moat.cli.marking import marked
from moat.cli.output import counted, out, print_json
from moat.domain.errors import InputError, NotFound
from moat.domain.guards import Finding, Verdict
from moat.domain.policies import GuardConfig, PolicyConfig, PolicyTest
from moat.guards.detector import REGISTERED
from moat.guards.engine.rules import Policy, compiled
from moat.guards.engine.trying import Tried, asks, problem, tried

app = group()

FAILED = 1
EVERYDAY = ("pii", "secrets", "injection", "toxicity")
"""Looked for when a project has no policy."""
COLOURS = {"block": "red", "fallback": "red", "retry": "magenta", "redact": "yellow"}


class At(StrEnum):
    """Where a text stands."""

    input = "input"
    documents = "documents"
    tool_results = "tool_results"
    output = "output"
    tool_arguments = "tool_arguments"


@app.command()
def check(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="The text; `-` reads standard input.")] = "",
    file: Annotated[Path | None, typer.Option(help="Read the text from this file.")] = None,
    at: Annotated[At, typer.Option(help="Where it stands in a call.")] = At.input,
    tool: Annotated[str, typer.Option(help="With --at tool_arguments: the tool that they are for.")] = "tool",
    policy: Annotated[list[str] | None, typer.Option(help="Only this policy; repeat for more.")] = None,
    use: Annotated[list[str] | None, typer.Option(help="This detector instead of policies; repeat for more.")] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 when something is found.")] = False,
    json: Json = False,
) -> None:
    """Show what guards find in a text, why, and what becomes of it. Policies are tried whomever they are for.

    Exit 0, whatever is found, unless --exit-code says otherwise.
    """
    written = _text(text, file)
    chosen = [_plain(use)] if use else _chosen(Project.find(ctx.obj), policy or [])
    asyncio.run(tried(chosen, written, at.value, tool))  # loads what detectors know
    began = time.perf_counter()
    found = asyncio.run(tried(chosen, written, at.value, tool))
    took = time.perf_counter() - began
    if json:
        print_json(found)
    else:
        _show(found, written, chosen)
        out.print(f"Looked at by {', '.join(_named(each) for each in chosen)} in {took * 1000:.2f} ms.", style="dim")
    if exit_code and found.verdicts:
        raise typer.Exit(FAILED)


@app.command(name="test")
def run_examples(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Policy files, or folders of them (default: all policies).")
    ] = None,
    json: Json = False,
) -> None:
    """Run the examples that stand beside policies. Exit 1 when one comes out otherwise than it says."""
    project = Project.find(ctx.obj)
    found = _within(project, files or [])
    ran = [
        (policy, index, test, asyncio.run(tried([policy], test.text, test.at, test.tool)))
        for policy in found
        for index, test in enumerate(policy.config.tests)
    ]
    failed = [each for each in ran if problem(each[2], each[3])]
    if json:
        print_json(
            [
                {"policy": policy.config.name, "test": test.name or test.text, "problem": problem(test, result)}
                for policy, _, test, result in ran
            ]
        )
    else:
        for policy, index, test, result in failed:
            _show_failed(place_of(project.settings, policy, ["tests", index]), test, result)
        if bare := [policy.config.name for policy in found if not policy.config.tests]:
            out.print(f"Without examples: {', '.join(bare)}.", style="yellow")
        for note in idle(project):
            out.print(f"note: {note}.", style="yellow")
        style = "red" if failed else "green"
        out.print(f"{counted(len(ran), 'example')} of {_policies(len(found))}: {len(failed)} failed.", style=style)
    if failed:
        raise typer.Exit(FAILED)


app.command(name="list")(show)
app.command()(findings)


def _text(text: str, file: Path | None) -> str:
    if bool(text) == (file is not None):
        raise InputError("give a text, `-` for standard input, or `--file PATH`", where="TEXT")
    if file is None:
        return sys.stdin.read() if text == "-" else text
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InputError(f"the text cannot be read: {what}", where=str(file)) from None


def _chosen(project: Project, names: Sequence[str]) -> list[Policy]:
    found = policies(project.root, project.settings.config, project.settings.document)
    if unknown := set(names) - {policy.config.name for policy in found}:
        known = ", ".join(policy.config.name for policy in found) or "none"
        raise NotFound(f"no policy {sorted(unknown)[0]!r}", remedy=f"Policies: {known}.")
    chosen = [policy for policy in found if not names or policy.config.name in names]
    return chosen or [_plain([kind for kind in EVERYDAY if kind in REGISTERED])]


def _plain(kinds: Sequence[str]) -> Policy:
    """One that flags whatever these detectors find."""
    return compiled(PolicyConfig(name="detectors", guards=[GuardConfig(use=kind, action="flag") for kind in kinds]))


def _named(policy: Policy) -> str:
    """Where it stands, or which detectors stand for one."""
    if policy.file:
        return f"{policy.config.id} ({policy.file})"
    return f"detectors {', '.join(rule.name for rule in policy.rules)}"


def _within(project: Project, paths: Sequence[Path]) -> list[Policy]:
    found = policies(project.root, project.settings.config, project.settings.document)
    if not paths:
        return found
    wanted = {path.resolve() for path in paths}
    if missing := [path for path in wanted if not path.exists()]:
        raise NotFound("there is no such file or folder", where=str(missing[0]))
    chosen = [
        policy
        for policy in found
        if (place := (project.root / policy.file).resolve()) in wanted or not wanted.isdisjoint(place.parents)
    ]
    if not chosen:
        remedy = "Policies are `*.yaml` and `*.yml` files in `policies/`."
        raise InputError("no policy stands there", where=str(paths[0]), remedy=remedy)
    return chosen


def _show(found: Tried, text: str, chosen: Sequence[Policy]) -> None:
    spots = [(each, _label(each, verdict, chosen)) for verdict in found.verdicts for each in verdict.findings]
    for line, style in marked(text, [(each.start, each.end, label, style) for each, (label, style) in spots]):
        out.print(line, style=style)
    for verdict in found.verdicts:
        if verdict.not_run:
            out.print(f"{verdict.guard} did not run: {verdict.not_run}", style="red")
    if left := [rule.name for policy in chosen for rule in policy.rules if asks(rule)]:
        out.print(f"Left out, since they ask a model: {', '.join(left)}.", style="yellow")
    if not found.verdicts:
        out.print("Nothing found.")
    out.print(f"action: {found.action}", style=COLOURS.get(found.action, "green" if not found.verdicts else "bold"))
    if found.becomes != text and found.becomes:
        out.print(f"becomes: {found.becomes}")


def _label(finding: Finding, verdict: Verdict, chosen: Sequence[Policy]) -> tuple[str, str]:
    """What, how sure, which guard of which policy, what it does, and why."""
    owners = [policy.config.name for policy in chosen if any(rule.name == verdict.guard for rule in policy.rules)]
    guard = f"{'+'.join(owners)}/{verdict.guard}"
    why = f": {finding.note}" if finding.note else ""
    label = f"{finding.kind} {finding.score:.2f} at {finding.start}-{finding.end}, {guard} {verdict.action}{why}"
    return label, COLOURS.get(verdict.action, "cyan")


def _show_failed(place: str, test: PolicyTest, result: Tried) -> None:
    out.print(f"{place}: {test.name or _short(test.text)}", style="bold")
    out.print(f"  {problem(test, result)}", style="red")
    for verdict in result.verdicts:
        for finding in verdict.findings:
            said = _short(test.text[finding.start : finding.end])
            out.print(f"  found     {finding.kind} {finding.score:.2f}, {verdict.guard} {verdict.action}: {said}")
    if test.becomes is not None and result.becomes != test.becomes:
        out.print(f"  expected  {test.becomes}", style="green")
        out.print(f"  became    {result.becomes or '(nothing: it does not go on)'}", style="red")


def _policies(count: int) -> str:
    return "1 policy" if count == 1 else f"{count} policies"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."
