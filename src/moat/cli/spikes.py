"""`moat spikes`: spending that was cut off."""

import time
from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.cli.group import Json, group
from moat.cli.output import clock, out, print_json, print_table
from moat.domain.trips import Trip, TripScope

app = group(no_args_is_help=True)


@app.command("list")
def list_spikes(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    json: Json = False,
) -> None:
    """What was cut off, newest first, and who let it go on."""
    with open_state(Project.find(ctx.obj)) as state:
        trips = state.trips.trips(limit)
    if json:
        print_json(trips)
        return
    print_table(
        ["cut off", "scope", "value", "why", "state", "by", "reason"],
        (_row(trip) for trip in trips),
        empty="Nothing was cut off. `spikes` in moat.yaml says what would be.",
    )


@app.command()
def reset(
    ctx: typer.Context,
    scope: Annotated[TripScope, typer.Argument(help="feature, key or session.")],
    value: Annotated[str, typer.Argument(help="Its name or id.")],
    reason: Annotated[str, typer.Option(help="Why it may go on: kept with the trip.")],
    json: Json = False,
) -> None:
    """Let spending go on; a running server does within a second."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        trips = state.trips.reset(scope, value, actor=project.author, reason=reason, now_ns=time.time_ns())
    if json:
        print_json(trips)
        return
    out.print(f"Spending of {scope} {value} goes on.")


def _row(trip: Trip) -> list[str]:
    state = f"reset {clock(trip.reset_ns)}" if trip.reset_ns else "cut off"
    return [clock(trip.at_ns), trip.scope, trip.value, trip.why, state, trip.reset_by.split(" <")[0], trip.reset_reason]
