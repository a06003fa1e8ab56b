"""`moat prompt diff`: what changed between two versions, and what it costs."""

from typing import Annotated

import msgspec
import typer
from rich.text import Text

from moat.bootstrap.project import Project
from moat.bootstrap.prompt_costs import CostDelta, cost_delta
from moat.cli.arguments import parse_prompt
from moat.cli.group import Json
from moat.cli.output import out, print_json
from moat.cli.prompt_reference import PromptAnywhere, catalog_at, find_prompt
from moat.domain.errors import NotFound
from moat.domain.releases import PromptVersion
from moat.domain.usage import format_usd
from moat.prompts.diff import FieldDiff, Piece, PromptDiff, TextDiff
from moat.prompts.diff import diff as compare

CONTEXT = 2
"""Unchanged lines shown on both sides of a change."""
_STYLES = {"gone": "red", "new": "green"}
_MARKS = {"gone": ("[-", "-]"), "new": ("{+", "+}")}
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def diff(
    ctx: typer.Context,
    before: PromptAnywhere,
    after: Annotated[
        str,
        typer.Argument(
            metavar="[NAME@VERSION|NAME@ENVIRONMENT]", help="What to compare with; else the version before the first."
        ),
    ] = "",
    revision: Annotated[
        str,
        typer.Option(metavar="REV|REV..REV", help="Read the first at this git revision, the second at the other."),
    ] = "",
    json: Json = False,
) -> None:
    """Show what changed: messages word by word, everything else by its path, tokens and cost.

    With --revision and one reference, the version at that revision is compared with itself as it is now.
    """
    project = Project.find(ctx.obj)
    old, new = _pair(project, before, after, revision)
    change = compare(old, new)
    cost = cost_delta(project, change, old, new)
    if json:
        found = msgspec.to_builtins(change)
        money = None if cost is None else {**msgspec.to_builtins(cost), "per_month": cost.per_month}
        print_json({**found, "token_delta": change.after_tokens - change.before_tokens, "cost": money})
        return
    _print(change, cost)


def _pair(project: Project, first: str, second: str, revision: str) -> tuple[PromptVersion, PromptVersion]:
    """The older and the newer side."""
    earlier, _, later = revision.partition("..")
    if not revision:
        return (find_prompt(project, first), find_prompt(project, second)) if second else _with_previous(project, first)
    old = catalog_at(project, earlier or "HEAD").get(*parse_prompt(first))
    other = second or first
    new = catalog_at(project, later).get(*parse_prompt(other)) if later else find_prompt(project, other)
    return old, new


def _with_previous(project: Project, reference: str) -> tuple[PromptVersion, PromptVersion]:
    new = find_prompt(project, reference)
    versions = project.catalog.versions(new.name)
    at = versions.index(new.version) if new.version in versions else 0
    if at == 0:
        raise NotFound(f"there is no version before {new.id}", remedy="Name two versions, or say --revision.")
    return project.catalog.get(new.name, versions[at - 1]), new


def _print(change: PromptDiff, cost: CostDelta | None) -> None:
    out.print(f"{change.before} -> {change.after}", style="bold")
    if change.is_empty:
        out.print("Nothing is different.")
        return
    if change.before_digest == change.after_digest:
        out.print("Only metadata is different: the digest is the same.", style="dim")
    for text in change.texts:
        out.print(f"\n{_SIGNS[text.change]} {text.name}", style="bold")
        out.print(_shown(text))
    if change.fields:
        out.print()
    for field in change.fields:
        _print_field(field)
    delta = change.after_tokens - change.before_tokens
    out.print(f"\nabout {change.before_tokens:,} -> {change.after_tokens:,} fixed input tokens ({delta:+,})")
    if cost is not None and cost.per_call:
        calls = {
            "stated": f"{cost.calls_per_month:,} calls a month, as the prompt says",
            "observed": f"{cost.calls_per_month:,} calls of the last 30 days",
            "assumed": "a million calls",
        }[cost.volume]
        out.print(f"{_signed(cost.per_call)} per call, {_signed(cost.per_month)} for {calls}")


def _print_field(field: FieldDiff) -> None:
    before, after = (
        None if value is msgspec.UNSET else msgspec.json.encode(value).decode() for value in (field.before, field.after)
    )
    values = " -> ".join(value for value in (before, after) if value is not None)
    style = {"added": "green", "removed": "red"}.get(field.change)
    out.print(f"{_SIGNS[field.change]} {field.path}: {values}", style=style)


def _shown(text: TextDiff) -> Text:
    """Marked without colour too; far from a change, unchanged lines are left out."""
    found = Text()
    last = len(text.pieces) - 1
    for index, piece in enumerate(text.pieces):
        if piece.kind == "same":
            found.append(_shortened(piece, is_first=index == 0, is_last=index == last))
        else:
            opening, closing = _MARKS[piece.kind]
            found.append(f"{opening}{piece.text}{closing}", style=_STYLES[piece.kind])
    found.rstrip()
    return found


def _shortened(piece: Piece, *, is_first: bool, is_last: bool) -> str:
    lines = piece.text.splitlines(keepends=True)
    head = 0 if is_first else CONTEXT + 1
    tail = 0 if is_last else CONTEXT + 1
    if len(lines) <= head + tail + 1:
        return piece.text
    kept = lines[len(lines) - tail :] if tail else []
    return "".join([*lines[:head], f"  ... {len(lines) - head - tail} lines ...\n", *kept])


def _signed(picodollars: int) -> str:
    return f"+{format_usd(picodollars)}" if picodollars > 0 else f"-{format_usd(-picodollars)}"
