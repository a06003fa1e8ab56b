"""What lint needs to know of money and traffic: prices of moat.yaml, calls in the trace store."""

import time
from collections import Counter

from moat.adapters.duckdb import DuckTraces
from moat.adapters.remote import RemoteTraces
from moat.bootstrap.announcement import running_server
from moat.bootstrap.models import price_table
from moat.bootstrap.project import STATE_FOLDER, Project
from moat.bootstrap.prompt_costs import EVALS, MONTH_NS
from moat.bootstrap.settings import environment
from moat.domain.calls import Deployment
from moat.domain.errors import ConfigError, MoatError
from moat.domain.usage import Usage
from moat.ports.traces import TraceFilter
from moat.prompts.linting.tokens import Economics


def economics(project: Project) -> Economics:
    """Input prices by alias, and calls of the last 30 days by prompt; without what cannot be had at once."""
    return Economics(prices=_prices(project), calls=_calls(project))


def _prices(project: Project) -> dict[str, int]:
    """Picodollars for an input token at the first deployment of each alias."""
    try:
        table = price_table(project.settings, environment())
    except ConfigError:  # `moat config check` reports it
        return {}
    found = {}
    for alias, model in project.settings.config.models.items():
        provider, _, name = model.use[0].partition("/")
        price = table.cost(Deployment(provider, name), alias, Usage(input=1))
        if price is not None:
            found[alias] = price
    return found


def _calls(project: Project) -> dict[str, int]:
    wanted = TraceFilter(since_ns=time.time_ns() - MONTH_NS, shadow=False)
    folder = project.root / STATE_FOLDER
    try:
        if not folder.is_dir():
            return {}
        server = running_server(project.server_path)
        if server is not None:
            usages = RemoteTraces(server.url, server.token).usages(["prompt", "environment"], wanted)
        elif not project.traces_path.exists():
            return {}
        else:
            traces = DuckTraces.open(project.traces_path)
            try:
                usages = traces.usages(["prompt", "environment"], wanted)
            finally:
                traces.close()
    except MoatError:  # lint must not fail for it: only a remark on costs becomes less exact
        return {}
    found: Counter[str] = Counter()
    for usage in usages:
        prompt, where = usage.group
        if prompt and where != EVALS:
            found[prompt] += usage.calls
    return found
