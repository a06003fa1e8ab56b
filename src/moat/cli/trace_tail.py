"""`moat traces tail`: calls as they are recorded."""

import itertools
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer

from moat.bootstrap.project import Project
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json
from moat.cli.output import err, out
from moat.cli.trace_columns import chosen
from moat.cli.trace_filters import Chosen, wanted
from moat.cli.trace_search import Columns
from moat.cli.unfolding import unfolded
from moat.domain.errors import AccessError, StorageError, Unavailable
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter, TraceReader

POLL_SECONDS = 0.5
WINDOW_NS = 15 * 60 * 10**9
"""So long after its end a call may be recorded, to be seen here."""
LONGEST_NS = 7 * 86_400 * 10**9
"""A call stands at its start and is recorded at its end: of long ones the start lies far back."""
LONG = "latency >= 15m"
LOOKS = 10
"""Of all looks, one at long calls."""
PAGE = 1000
REMEMBERED = 20_000
SHOWN = ("time", "request", "user", "prompt", "latency", "tokens", "cost", "result")


@unfolded
def tail(
    ctx: typer.Context,
    given: Chosen,
    columns: Columns = "",
    limit: Annotated[int, typer.Option(min=0, help="End after so many calls; 0: never.")] = 0,
    json: Json = False,
) -> None:
    """Print calls that match as they end, until Ctrl-C. With --since those from then on come first.

    A server may stop and start again meanwhile.
    """
    shown = chosen(columns, SHOWN)
    project = Project.find(ctx.obj)
    which = wanted(project, given)
    for number, call in enumerate(_coming(project, which), 1):
        if json:
            sys.stdout.write(msgspec.json.encode(call).decode() + "\n")
            sys.stdout.flush()
        else:
            out.print("  ".join(cell for column in shown.values() if (cell := column.show(call))))
        if number == limit:
            return


def _coming(project: Project, which: TraceFilter) -> Iterator[Span]:
    """Calls that match, each once, in the order in which they are found."""
    seen: OrderedDict[tuple[str, str], None] = OrderedDict()
    begun_ns, first = time.time_ns(), True
    for found in _looks(project, which):
        new = [call for call in reversed(found) if (call.trace_id, call.span_id) not in seen]
        seen.update(dict.fromkeys((call.trace_id, call.span_id) for call in new))
        while len(seen) > REMEMBERED:
            seen.popitem(last=False)
        if first and not which.since_ns:  # what had ended by then is no news
            new = [call for call in new if call.started_ns + call.duration_ns >= begun_ns]
        elif not first and len(new) == PAGE:
            err.print(f"more than {PAGE} calls at once: not all are shown", style="yellow")
        first = False
        yield from new


def _looks(project: Project, which: TraceFilter) -> Iterator[list[Span]]:
    """What the store holds of the last while, again and again; the first time from `since` on."""
    since_ns, away = which.since_ns or time.time_ns() - WINDOW_NS, False
    for number in itertools.count():
        try:
            with open_traces(project) as traces:
                found = traces.search(msgspec.structs.replace(which, since_ns=since_ns), PAGE)
                if number % LOOKS == 0:
                    found += _long(traces, which, since_ns)
        except (Unavailable, StorageError, AccessError) as error:
            if not away:
                err.print(f"waiting: {error}", style="yellow")
            away = True
        else:
            if away:
                err.print("here again", style="dim")
            away = False
            yield found
            since_ns = max(which.since_ns, time.time_ns() - WINDOW_NS)
        time.sleep(POLL_SECONDS)


def _long(traces: TraceReader, which: TraceFilter, since_ns: int) -> list[Span]:
    """Calls that began before, and ended since."""
    q = f"({which.q}) {LONG}" if which.q else LONG
    before = msgspec.structs.replace(which, q=q, since_ns=since_ns - LONGEST_NS, until_ns=since_ns)
    return [call for call in traces.search(before, PAGE) if call.started_ns + call.duration_ns >= since_ns]
