"""How far a run is, while it goes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from moat.cli.output import counted, err
from moat.domain.usage import format_usd
from moat.evals.running.tally import Progress


@contextmanager
def eval_progress(title: str) -> Iterator[Callable[[Progress], None]]:
    """A line on a terminal's standard error, nothing elsewhere: answers, errors, rate, time left, money."""
    with Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    ) as bar:
        task = bar.add_task(title, total=None, told="")

        def show(seen: Progress) -> None:
            bar.update(task, completed=seen.done, total=seen.total, told=_told(seen, bar.tasks[0].speed))

        yield show


def _told(seen: Progress, speed: float | None) -> str:
    parts = [] if speed is None else [f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.1f}/s"]
    if seen.errors:
        parts.append(counted(seen.errors, "error"))
    if seen.cost or seen.budget is not None:
        cap = "" if seen.budget is None else f" of {format_usd(seen.budget)}"
        parts.append(f"{format_usd(seen.cost)}{cap}")
    if seen.cached:
        parts.append(f"{seen.cached:,} cached")
    return " · ".join(parts)
