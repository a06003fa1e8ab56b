"""What calls cost, where a project's stores and prices are: pricing anew, and how often a prompt is called."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from moat.adapters.remote import RemoteTraces
from moat.batches.reserving import BatchPrices
from moat.bootstrap.announcement import running_server
from moat.bootstrap.auditing import record
from moat.bootstrap.models import all_targets, deployment_of, price_table
from moat.bootstrap.project import STATE_FOLDER, Project
from moat.bootstrap.settings import environment, without_secrets
from moat.bootstrap.traces import open_traces, own_traces
from moat.domain.batches import BATCH_PRICED
from moat.domain.environments import EVALS
from moat.domain.errors import ConfigError, MoatError
from moat.domain.usage import Usage
from moat.ports.traces import Charge, RepriceOrder, Repricing, TraceFilter
from moat.spend.prices import PriceTable
from moat.spend.reports_review import Routes

if TYPE_CHECKING:
    from moat.adapters.duckdb import DuckTraces

MONTH_NS = 30 * 86_400 * 10**9


def reprice(
    project: Project,
    environ: Mapping[str, str],
    traces: "DuckTraces",
    actor: str,
    since_ns: int = 0,
    until_ns: int = 0,
    dry_run: bool = False,
) -> Repricing:
    """Price stored attempts anew, each at the prices of its own time in the present table.

    A deployment that moat.yaml no longer has keeps the cost it had, unless its provider or price still stands there.
    """
    met = traces.deployments(TraceFilter(since_ns=since_ns, until_ns=until_ns))
    prices = price_table(project.settings, environ, met)
    deployments = project.settings.config.deployments
    of_batches = BatchPrices(prices, {name: found.batch_discount for name, found in deployments.items()})

    def price(charge: Charge) -> int | None:
        table = of_batches if charge.price_version.endswith(BATCH_PRICED) else prices
        return table.cost(charge.deployment, charge.alias, charge.usage, charge.started_ns)

    order = RepriceOrder(
        actor=actor, price_version=prices.version, since_ns=since_ns, until_ns=until_ns, dry_run=dry_run
    )
    return traces.reprice(order, price)


def reprice_stored(project: Project, since_ns: int, until_ns: int, *, dry_run: bool) -> Repricing:
    """The same for a command: by the running server, which owns the store, else directly."""
    server = running_server(project.server_path)
    if server is not None:
        asked = {"since_ns": since_ns, "until_ns": until_ns, "dry_run": dry_run, "on_behalf_of": project.author}
        return RemoteTraces(server.url, server.token).reprice(asked)
    with own_traces(project) as traces:
        environ = without_secrets(project.settings.config.providers, environment())
        if not dry_run:
            record(project, "spend.reprice", "attempts", {"since_ns": since_ns, "until_ns": until_ns})
        return reprice(project, environ, traces, project.author, since_ns, until_ns, dry_run)


def offline_prices(project: Project) -> PriceTable:
    """The price table for a command, which needs no provider's key. Raises `ConfigError`."""
    settings = project.settings
    return price_table(settings, without_secrets(settings.config.providers, environment()))


def routes(project: Project) -> Routes | None:
    """Where the calls of each alias could go instead: its other deployments, and those of its `cheaper` alias.

    None when moat.yaml cannot be priced here: a report must not fail for it.
    """
    models = project.settings.config.models
    try:
        prices = offline_prices(project)
    except ConfigError:
        return None
    others = {
        alias: [
            (name, deployment_of(at))
            for name in (alias, model.cheaper)
            if name in models
            for at in all_targets(models[name])
        ]
        for alias, model in models.items()
    }
    return Routes(others, prices.rates)


def primary_cost(project: Project, prices: PriceTable, alias: str, usage: Usage) -> int | None:
    """Picodollars for one request at the first deployment of an alias; None when that is not known."""
    model = project.settings.config.models.get(alias)
    if model is None:
        return None
    return prices.cost(deployment_of(model.use[0]), alias, usage)


def monthly_calls(project: Project) -> dict[str, int]:
    """Calls of the last 30 days by prompt, those of evals and shadows left out.

    Empty when the store cannot be asked: whoever wants to know has something to say without it.
    """
    if not (project.root / STATE_FOLDER).is_dir() or not (project.traces_path.exists() or project.spool_path.exists()):
        return {}
    wanted = TraceFilter(since_ns=time.time_ns() - MONTH_NS, shadow=False)
    try:
        with open_traces(project) as traces:
            rows = traces.usages(("prompt", "environment"), wanted)
    except MoatError:
        return {}
    found: Counter[str] = Counter()
    for row in rows:
        prompt, where = row.group
        if prompt and where != EVALS:
            found[prompt] += row.calls
    return found
