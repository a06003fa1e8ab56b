"""`moat dataset check`: flaws of a dataset that a look at one case does not show."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer

from moat.bootstrap.datasets import find_dataset
from moat.bootstrap.project import Project
from moat.bootstrap.suites import load_suites
from moat.cli.group import Json
from moat.cli.output import counted, out, print_json
from moat.domain.releases import PromptVersion
from moat.domain.scores import Case
from moat.evals.datasets import HELD_OUT, dataset_digest, read_cases
from moat.evals.datasets.coverage import coverage
from moat.evals.datasets.fitting import fitting
from moat.evals.datasets.lock import check_dataset, read_locks
from moat.evals.datasets.similarity import (
    MAX_PAIRS,
    THRESHOLD,
    Leak,
    Pair,
    leaks,
    near_duplicates,
    split_clusters,
)

SHOWN = 20
"""Findings of one kind for people; `--json` has all."""
FAILED = 1


class _Finding(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    severity: str
    message: str
    where: str = ""


def check(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Dataset: its name or its file.")],
    prompt: Annotated[
        str, typer.Option(help="Hold it against this prompt's newest version (default: those of its suites).")
    ] = "",
    threshold: Annotated[
        float, typer.Option(min=0.5, max=1.0, help="Similarity from which two cases are nearly the same.")
    ] = THRESHOLD,
    json: Json = False,
) -> None:
    """Check a dataset: every broken line, near-duplicates, leaks between splits and from the prompt's own examples,
    variables that do not fit, thin coverage. Exit 1 on errors.
    """
    project = Project.find(ctx.obj)
    entry = find_dataset(project.root, name)
    findings: list[_Finding] = []
    cases: list[Case] = []
    places: dict[str, str] = {}
    for placed in read_cases(entry.path, name=entry.name):
        if placed.case is not None:
            cases.append(placed.case)
            places[placed.case.id] = placed.place
        elif placed.error is not None:
            findings.append(_Finding(kind="broken", severity="error", where=placed.place, message=_said(placed.error)))
    pairs = near_duplicates(cases, threshold) if cases else []
    findings += _similar(pairs, places)
    findings += _clusters(cases)
    for version in _prompts(project, entry.path.resolve(), prompt):
        findings += _against(version, cases, places)
    if cases:
        findings += (_Finding(kind="thin", severity="warning", message=gap) for gap in coverage(cases).gaps)
    digest = dataset_digest(cases)
    for problem in check_dataset(read_locks(project.root), entry.name, digest):
        findings.append(_Finding(kind=problem.rule, severity=problem.severity, message=problem.message))
    if json:
        print_json({"dataset": entry.name, "digest": digest, "cases": len(cases), "findings": findings, "pairs": pairs})
    else:
        _show(findings, len(cases))
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(FAILED)


def _similar(pairs: list[Pair], places: dict[str, str]) -> Iterator[_Finding]:
    for pair in pairs:
        likeness = "the same words" if pair.similarity == 1 else f"{100 * pair.similarity:.0f} % alike"
        what = f"{pair.first} and {pair.second}: {likeness}"
        where = places[pair.second]
        if pair.leaks:
            severity = "error" if HELD_OUT in pair.splits else "warning"
            splits = " and ".join(split or "none" for split in pair.splits)
            yield _Finding(kind="leak", severity=severity, where=where, message=f"{what}, in the splits {splits}")
        else:
            remedy = "drop one, or give both the same `cluster`"
            yield _Finding(kind="near-duplicate", severity="warning", where=where, message=f"{what}; {remedy}")
    if len(pairs) >= MAX_PAIRS:
        message = f"more than {MAX_PAIRS:,} pairs are nearly the same: the others were not looked for"
        yield _Finding(kind="near-duplicate", severity="warning", message=message)


def _clusters(cases: list[Case]) -> Iterator[_Finding]:
    for cluster, splits in split_clusters(cases).items():
        among = ", ".join(split or "none" for split in splits)
        severity = "error" if HELD_OUT in splits else "warning"
        yield _Finding(kind="leak", severity=severity, message=f"the cluster {cluster!r} is in several splits: {among}")


def _against(version: PromptVersion, cases: list[Case], places: dict[str, str]) -> Iterator[_Finding]:
    for case in cases:
        for flaw in fitting(case, version):
            yield _Finding(kind="variables", severity="error", where=places[case.id], message=f"{case.id}: {flaw}")
    found: list[Leak] = leaks(cases, version)
    for leak in found:
        share = f"{100 * leak.share:.0f} % of its words stand in {leak.where} of {version.id}"
        message = f"{leak.case}: {share}, so an answer to it shows nothing"
        yield _Finding(kind="leak", severity="error", where=places[leak.case], message=message)


def _prompts(project: Project, path: object, asked: str) -> Iterator[PromptVersion]:
    """The newest versions of the prompts that are evaluated on it."""
    names = [asked] if asked else []
    if not asked:
        names += [s.prompt for s in load_suites(project.root).values() if s.prompt and s.dataset.resolve() == path]
    for name in dict.fromkeys(names):
        if asked or name in project.catalog.names():
            yield project.catalog.get(name, project.catalog.versions(name)[-1])


def _said(error: Exception) -> str:
    what, remedy = getattr(error, "what", str(error)), getattr(error, "remedy", "")
    return f"{what}. {remedy}" if remedy else what


def _show(findings: list[_Finding], cases: int) -> None:
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.kind] = counts.get(finding.kind, 0) + 1
        if counts[finding.kind] <= SHOWN:
            place = f"{finding.where}: " if finding.where else ""
            style = "red" if finding.severity == "error" else "yellow"
            out.print(f"{place}{finding.severity}: {finding.message} [{finding.kind}]", style=style)
    for kind, count in counts.items():
        if count > SHOWN:
            out.print(f"... and {count - SHOWN} more of [{kind}]; --json has all", style="dim")
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = counted(len(findings) - errors, "warning")
    out.print(f"{counted(cases, 'case')} checked: {counted(errors, 'error')}, {warnings}.")
