"""`moat limits`: how far rates and budgets are used up."""

import time
from datetime import datetime
from typing import Annotated

import msgspec
import typer

from moat.adapters.system import SystemClock
from moat.api.limits import LimitState, state
from moat.bootstrap.announcement import running_server
from moat.bootstrap.asking import ask
from moat.bootstrap.limits import ledger_rules, opening
from moat.bootstrap.models import price_table
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json, group
from moat.cli.output import err, print_json, print_table
from moat.domain.errors import Unavailable
from moat.domain.usage import format_usd
from moat.domain.windows import zone
from moat.spend.ledger import LimitLedger

app = group()


@app.command()
def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Only this limit.")] = "",
    json: Json = False,
) -> None:
    """Show every counter of every limit: used, held by calls under way, and when it begins anew."""
    project = Project.find(ctx.obj)
    server = running_server(project.server_path)
    if server is None:
        states = _recorded(project)
        err.print("No server runs: this is what the records say.", style="dim")
    else:
        answer = ask(server, "/api/v1/limits?limit=1000")
        if answer is None:
            raise Unavailable(f"the server at {server.url} did not answer", remedy="Look at `moat status`.")
        states = msgspec.convert(answer, list[LimitState])
    states = [found for found in states if name in ("", found.limit)]
    if json:
        print_json(states)
        return
    print_table(
        ["limit", "whose", "used>", "held>", "of>", "share>", "window", "begins anew", "action"],
        (_row(found) for found in states),
        empty="Nothing is counted: moat.yaml states no `limits`, or nobody has called yet.",
    )


def _recorded(project: Project) -> list[LimitState]:
    """As a server would open its counters now."""
    settings = project.settings
    ledger = LimitLedger(SystemClock())
    with open_traces(project) as traces:
        ledger.adopt(ledger_rules(settings, price_table(settings, environment()), environment()), opening(traces))
    now_ns = time.time_ns()
    return [state(balance, now_ns) for balance in ledger.balances()]


def _row(found: LimitState) -> list[str]:
    def shown(amount: int) -> str:
        return format_usd(amount) if found.measure == "money" else f"{amount:,}"

    share = (found.used + found.held) / found.amount if found.amount else 1.0
    resets = datetime.fromtimestamp(found.resets_ns / 1e9, zone(found.timezone)) if found.resets_ns else None
    return [
        found.limit,
        " ".join(f"{scope}={value or '(none)'}" for scope, value in found.of.items()) or "the service",
        shown(found.used),
        shown(found.held) if found.held else "",
        f"{shown(found.amount)}{'' if found.measure == 'money' else ' ' + found.measure}",
        f"{share:.0%}",
        found.window,
        f"{resets:%Y-%m-%d %H:%M} {found.timezone}" if resets else "",
        found.action,
    ]
