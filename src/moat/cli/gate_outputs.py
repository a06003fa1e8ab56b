"""Where the outcome of a gate goes: terminal, files, GitHub."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from moat import __version__
from moat.bootstrap.project import Project
from moat.cli.file_output import write
from moat.cli.findings import github, sarif
from moat.cli.lint import folder_of
from moat.cli.output import out, print_table
from moat.cli.verdicts import COLOURS, print_report
from moat.domain.errors import StorageError
from moat.domain.usage import format_usd
from moat.evals.gating.comment import mark_words, to_comment
from moat.evals.gating.findings import RULES, findings
from moat.evals.gating.junit import to_junit
from moat.evals.gating.outcome import Evaluated, Outcome
from moat.evals.reports.files import write_report
from moat.evals.reports.report import RunReport
from moat.prompts.linting.rules import RULES as LINT_RULES


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written."""

    markdown: Annotated[Path | None, typer.Option(help="Write the report to this file too, for a pull request.")] = None
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None
    sarif: Annotated[Path | None, typer.Option(help="Write SARIF to this file: lint and what does not hold.")] = None
    folder: Annotated[Path | None, typer.Option("--out", help="Write all of them, JSON and HTML into this folder.")] = (
        None
    )


def write_files(
    project: Project, outcome: Outcome, files: Files, *, comment: str, page: Callable[[Evaluated], RunReport]
) -> None:
    """Each output that was asked for; into the folder also a page for each evaluation. Raises `StorageError`."""
    folder = folder_of(project)
    found = findings(outcome)
    log = sarif(found, __version__, folder, tool="moat gate", explained={**LINT_RULES, **RULES})
    texts = {
        "report.md": comment,
        "junit.xml": to_junit(outcome),
        "findings.sarif": msgspec.json.format(msgspec.json.encode(log), indent=2).decode(),
        "outcome.json": msgspec.json.format(msgspec.json.encode(whole(outcome)), indent=2).decode(),
    }
    wanted = {"report.md": files.markdown, "junit.xml": files.junit, "findings.sarif": files.sarif}
    for name, path in wanted.items():
        if path is not None:
            write(path, texts[name])
    if files.folder is not None:
        for name, text in texts.items():
            write(files.folder / name, text)
        for evaluated in outcome.evaluated:
            name = f"{evaluated.pair.suite}-{evaluated.report.comparison.candidate.id}.html"
            write_report(page(evaluated), files.folder / name)


def whole(outcome: Outcome) -> dict[str, object]:
    """The outcome for programs, with what it comes to."""
    return {"verdict": outcome.verdict, "summary": outcome.summary, **msgspec.to_builtins(outcome)}


def comment_of(project: Project, outcome: Outcome) -> str:
    """For a pull request; several projects of one repository have a comment each."""
    return to_comment(outcome, project=folder_of(project).rstrip("/"))


def tell_github(project: Project, outcome: Outcome, comment: str, environ: Mapping[str, str]) -> None:
    """Annotations on standard output, and the summary of the step."""
    for line in github(findings(outcome), folder_of(project)):
        out.print(line)
    if summary := environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(comment)
        except OSError as error:
            raise StorageError(f"the summary cannot be written: {error.strerror}", where=summary) from None


def print_outcome(outcome: Outcome) -> None:
    """Verdict first, then why."""
    base = f"compared with {outcome.base_name} ({outcome.base[:12]})" if outcome.base else "compared with nothing"
    out.print(outcome.verdict.upper(), style=f"bold {COLOURS[outcome.verdict]}", end="  ")
    out.print(f"{outcome.commit} {base}. {outcome.summary}")
    for problem in outcome.lint.problems if outcome.lint is not None else ():
        out.print(str(problem), style="red" if problem.severity == "error" else "yellow")
    if outcome.changes:
        rows = ([change.kind, change.name, change.what, change.detail] for change in outcome.changes)
        print_table(["changed", "name", "", ""], rows, empty="")
    for evaluated in outcome.evaluated:
        out.print()
        print_report(evaluated.report)
        for name, mark in evaluated.marks.items():
            out.print(f"judge {name}: {mark_words(evaluated, name, mark)}", style=None if mark.trusted else "yellow")
        out.print(f"ran because {'; '.join(evaluated.pair.reasons)}", style="dim")
    print_costs(outcome)
    for loss in outcome.weakened:
        out.print(f"to be decided by people: {loss}", style="yellow")
    for remark in (*(f"not evaluated: {why}" for why in outcome.failures), *outcome.notes):
        out.print(remark, style="yellow")


def print_costs(outcome: Outcome) -> None:
    """What a request of each changed prompt costs, before and now."""
    if not outcome.costs:
        return
    out.print()
    rows = []
    for cost in outcome.costs:
        found = cost.estimate
        before = found.baseline.cost if found.baseline is not None else None
        change = f"{found.increase:+.1%}" if found.increase is not None else "not known"
        limit = f"{cost.verdict} (limit +{cost.limit_percent:g} %)" if cost.limit_percent is not None else ""
        rows.append([found.candidate.prompt, _money(before), _money(found.candidate.cost), change, limit])
    print_table(["a request of", "before>", "now>", "change>", "verdict"], rows, empty="")


def _money(picodollars: int | None) -> str:
    return "not known" if picodollars is None else format_usd(picodollars)
