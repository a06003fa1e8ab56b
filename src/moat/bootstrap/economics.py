"""What lint needs to know of money and traffic: prices of moat.yaml, calls in the trace store."""

from moat.bootstrap.project import Project
from moat.bootstrap.spending import monthly_calls, offline_prices, primary_cost
from moat.domain.errors import ConfigError
from moat.domain.usage import Usage
from moat.prompts.linting.tokens import Economics


def economics(project: Project) -> Economics:
    """Input prices by alias, and calls of the last 30 days by prompt; without what cannot be had at once."""
    return Economics(prices=input_prices(project), calls=monthly_calls(project))


def input_prices(project: Project) -> dict[str, int]:
    """Picodollars for an input token at the first deployment of each alias."""
    try:
        table = offline_prices(project)
    except ConfigError:  # `moat config check` reports it
        return {}
    found = {alias: primary_cost(project, table, alias, Usage(input=1)) for alias in project.settings.config.models}
    return {alias: cost for alias, cost in found.items() if cost is not None}
