"""`moat eval watch`: a suite runs again with every save of the files."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.settings import CONFIG_FILE, environment
from moat.bootstrap.state import State, open_state
from moat.bootstrap.versions import find_version
from moat.cli.arguments import Suites, parse_prompt
from moat.cli.eval_progress import eval_progress
from moat.cli.output import clock, counted, err, out
from moat.domain.errors import MoatError, NotFound
from moat.domain.scores import Result
from moat.domain.usage import format_usd
from moat.prompts.semver import is_version, order

POLL_SECONDS = 0.2
FOLDERS = ("prompts", "tools", "evals")
SHOWN = 10
"""Cases that are shown of those that changed."""
WIDTH = 200

Results = dict[tuple[str, int], Result]


def watch_suites(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="Prompt; without a version its newest one.")],
    suite: Suites = None,
) -> None:
    """Run the suites of a prompt with every save of its file, and show which cases changed. Ctrl-C ends it."""
    root = Project.find(ctx.obj).root
    seen: dict[str, Results] = {}
    stamp: object = None
    try:
        with open_state(Project(root)) as state:
            while True:
                now = dict(_stamps(root))
                if now != stamp:
                    stamp = now
                    _measure(Project(root), state, prompt, suite or [], seen)
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        err.print("")


def _stamps(root: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """What tells that a file was saved."""
    paths = [root / CONFIG_FILE, *(path for folder in FOLDERS for path in sorted((root / folder).rglob("*")))]
    for path in paths:
        try:
            found = path.stat()
        except FileNotFoundError:  # an editor exchanges it just now
            continue
        yield str(path), (found.st_mtime_ns, found.st_size)


def _measure(project: Project, state: State, prompt: str, names: list[str], seen: dict[str, Results]) -> None:
    """Run everything on the files as they are; what is wrong with them is said, and the next save tried."""
    try:
        name, version = parse_prompt(prompt)
        candidate = find_version(project, state, name, version or _newest(project, name))
        evaluating = Evaluating(project, state, environment())
        for suite in evaluating.suites_of(name, names):
            evaluation = evaluating.target(suite, candidate)
            with eval_progress(f"{suite.name} on {candidate.id}") as show:
                run = asyncio.run(evaluating.run(evaluation, fresh=False, watch=show))
            results = {(result.case, result.repeat): result for result in state.runs.each(run.id)}
            score = "no score" if run.score is None else f"{run.score:.3f}"
            out.print(f"{clock(time.time_ns())[11:]}  {suite.name} on {candidate.id}: {score}", style="bold", end="")
            asked = [result for result in results.values() if not result.cached]
            cost = sum(result.cost or 0 for result in asked)
            out.print(f"  ({counted(len(asked), 'case')} asked, {format_usd(cost)})")
            if suite.name in seen:
                _show_changes(seen[suite.name], results)
            seen[suite.name] = results
    except MoatError as error:
        err.print(f"error: {error}", style="red")


def _newest(project: Project, name: str) -> str:
    """The newest version of the files, broken ones included: those are being written."""
    catalog = project.catalog
    versions = list(catalog.versions(name)) if name in catalog.names() else []
    versions += [entry.version for entry, _ in catalog.broken if entry.name == name and is_version(entry.version)]
    if not versions:
        raise NotFound(f"there is no prompt {name!r}", remedy=f"Prompts: {', '.join(catalog.names()) or 'none'}.")
    return max(versions, key=order)


def _show_changes(before: Results, after: Results) -> None:
    changed = [(before[key], result) for key, result in after.items() if key in before and _differ(before[key], result)]
    changed.sort(key=lambda pair: _total(pair[1]) - _total(pair[0]))
    worse = sum(_total(new) < _total(old) for old, new in changed)
    better = sum(_total(new) > _total(old) for old, new in changed)
    if not changed:
        out.print("  no answer changed", style="dim")
        return
    out.print(f"  {counted(len(changed), 'answer')} changed: {worse} worse, {better} better")
    for old, new in changed[:SHOWN]:
        was = _values(old)
        moved = [
            f"{name} {_shown(was.get(name))} → {_shown(value)}"
            for name, value in _values(new).items()
            if was.get(name) != value
        ]
        style = "red" if _total(new) < _total(old) else "green" if _total(new) > _total(old) else "dim"
        out.print(f"  {new.case}  {', '.join(moved) or 'same scores'}", style=style)
        out.print(f"    before  {_short(old)}")
        out.print(f"    now     {_short(new)}")


def _differ(one: Result, other: Result) -> bool:
    return (one.output, one.error, one.tool_calls, _values(one)) != (
        other.output,
        other.error,
        other.tool_calls,
        _values(other),
    )


def _values(result: Result) -> dict[str, float | None]:
    return {score.name: score.value for score in result.scores}


def _total(result: Result) -> float:
    return sum(value or 0.0 for value in _values(result).values())


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _short(result: Result) -> str:
    text = " ".join((result.error or result.output).split())
    return text if len(text) <= WIDTH else text[:WIDTH] + "…"
