"""`moat audit`: who did what, and whether the log of it is whole."""

import time
from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.audit_export import export as write
from moat.bootstrap.auditing import erase as erase_content
from moat.bootstrap.auditing import open_audit, record
from moat.bootstrap.auditing import prune as prune_entries
from moat.bootstrap.auditing import verify as look
from moat.bootstrap.project import Project
from moat.cli.group import Json, group
from moat.cli.output import clock, counted, out, print_json, print_table
from moat.domain.audit import AuditQuery, canonical
from moat.domain.errors import NotFound, RequestError
from moat.telemetry.filters import parse_time

app = group(no_args_is_help=True)

Sequence = Annotated[int, typer.Argument(metavar="N", min=1, help="Number of the entry.")]
Since = Annotated[str, typer.Option(help="Only from then on: 2h, 7d, 2026-01-31.")]
Reason = Annotated[str, typer.Option(help="Kept in the log, and shown.")]


@app.command("list")
def list_entries(
    ctx: typer.Context,
    actor: Annotated[str, typer.Option(help="Only what this one did.")] = "",
    action: Annotated[str, typer.Option(help="Such as key.create, or key for all that is done to keys.")] = "",
    subject: Annotated[str, typer.Option(help="Only what was done to this: an id, a name.")] = "",
    since: Since = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    json: Json = False,
) -> None:
    """List entries, newest first."""
    query = AuditQuery(actor=actor, action=action, subject=subject, since_ns=_since(since))
    with open_audit(Project.find(ctx.obj)) as audit:
        found = audit.entries(query, limit)
    if json:
        print_json(found)
        return
    print_table(
        ["n>", "time", "who", "did", "to", "why"],
        (
            [
                *(str(entry.sequence), clock(entry.at_ns), entry.actor, entry.action, entry.subject),
                "(erased)" if content is None else content.reason,
            ]
            for entry, content in ((one.entry, one.content) for one in found)
        ),
        empty="No entry matches.",
    )


@app.command()
def show(ctx: typer.Context, sequence: Sequence, json: Json = False) -> None:
    """Show all of one entry."""
    with open_audit(Project.find(ctx.obj)) as audit:
        found = audit.entry(sequence)
    if json:
        print_json(found)
        return
    entry, content = found.entry, found.content
    rows = [
        *(["n", str(entry.sequence)], ["time", clock(entry.at_ns)], ["who", entry.actor], ["did", entry.action]),
        *(["to", entry.subject], ["why", "(erased)" if content is None else content.reason]),
        *([name, canonical(value)] for name, value in (content.detail.items() if content else ())),
        *(["previous", entry.previous], ["digest", entry.digest]),
    ]
    print_table(["field", "value"], (row for row in rows if row[1]), empty="")


@app.command()
def verify(
    ctx: typer.Context,
    anchor: Annotated[
        list[Path] | None,
        typer.Option(help="A file of anchors, kept elsewhere; repeat for more. That of moat.yaml is read anyway."),
    ] = None,
    json: Json = False,
) -> None:
    """Recompute the whole log: exit 1 when an entry was edited, moved or taken out, or the end cut off."""
    project = Project.find(ctx.obj)
    if not project.state_path.exists():
        raise NotFound(
            "there is no audit log: it begins with the first change",
            where=str(project.state_path),
            remedy="If there was one, it is gone: restore a backup, and compare an anchor that was kept elsewhere.",
        )
    with open_audit(project) as audit:
        found = look(audit, project.settings, anchor or ())
    if json:
        print_json(found)
    elif found.intact:
        erased = f", {counted(found.erased, 'content')} erased" if found.erased else ""
        seen = f"{counted(found.entries, 'record')}, {found.first} to {found.last}"
        out.print(f"whole: {seen}{erased}; {counted(found.anchors, 'anchor')} compared.")
        out.print(f"ends with {found.digest}", style="dim")
    else:
        print_table(
            ["n>", "what", "why"],
            ([str(one.sequence or ""), one.kind, one.what] for one in found.problems),
            empty="",
        )
        shown = len(found.problems)
        more = f" The first {shown} are shown." if found.count > shown else ""
        out.print(f"NOT whole: {counted(found.count, 'problem')} in {counted(found.entries, 'record')}.{more}")
    raise typer.Exit(0 if found.intact else 1)


@app.command()
def export(
    ctx: typer.Context,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .jsonl or .csv; not there yet.")],
    since: Since = "",
    until: Annotated[str, typer.Option(help="Only before then.")] = "",
) -> None:
    """Write entries to a file, oldest first: JSON lines that others can verify, or a table for spreadsheets."""
    until_ns = parse_time(until, time.time_ns(), where="--until") if until else 0
    project = Project.find(ctx.obj)
    record(project, "audit.export", str(target.resolve()), {"since_ns": _since(since), "until_ns": until_ns})
    with open_audit(project) as audit:
        count = write(audit.all(AuditQuery(since_ns=_since(since), until_ns=until_ns)), target)
    out.print(f"{counted(count, 'record')} in {target}")


@app.command()
def anchor(ctx: typer.Context) -> None:
    """Print where the log ends, as one line: kept elsewhere, it proves later what was there today."""
    with open_audit(Project.find(ctx.obj)) as audit:
        end = audit.end()
    out.print(end.line.rstrip("\n"))


@app.command()
def erase(ctx: typer.Context, sequence: Sequence, reason: Reason = "") -> None:
    """Erase what an entry says (reason and details), for good. Who did what to what, and the chain, stay."""
    project = Project.find(ctx.obj)
    entry = erase_content(project, sequence, _said(reason))
    out.print(f"The content of {sequence} is erased; entry {entry.sequence} says so.")


@app.command()
def prune(ctx: typer.Context, reason: Reason = "") -> None:
    """Delete entries that are older than `audit.keep_days`, 183 at least; the chain stays whole."""
    project = Project.find(ctx.obj)
    gone = prune_entries(project, reason)
    kept = project.settings.config.audit.keep_days
    out.print(f"{counted(gone, 'record')} older than {kept:g} days went.")


def _since(text: str) -> int:
    return parse_time(text, time.time_ns(), where="--since") if text else 0


def _said(reason: str) -> str:
    if not reason.strip():
        raise RequestError("say why", where="--reason", remedy='Such as --reason "erasure request 17".')
    return reason
