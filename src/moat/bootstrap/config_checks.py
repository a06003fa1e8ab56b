"""Does everything that moat.yaml says fit together? What `moat config check` and the doctor ask."""

from collections.abc import Mapping

from moat.bootstrap.handling import handling
from moat.bootstrap.limits import ledger_rules
from moat.bootstrap.model_checks import unknown_quality
from moat.bootstrap.models import ProviderShelf, price_table
from moat.bootstrap.project import Project
from moat.bootstrap.suite_files import suite_files
from moat.bootstrap.suites import unknown_required
from moat.spend.prices import PriceTable


def check_config(project: Project, environ: Mapping[str, str]) -> PriceTable:
    """Keys, types, references, suites, variables, data handling, providers' own options; what its models cost.

    Raises `ConfigError`, and `InputError` for what it leads to.
    """
    settings = project.settings
    ProviderShelf(environ).providers(settings)
    prices = price_table(settings, environ)
    ledger_rules(settings, prices, environ)
    handling(settings.config, settings.document)
    suites = suite_files(project.root)
    for error in (*unknown_required(settings, suites), *unknown_quality(settings.config, settings.document, suites)):
        raise error
    return prices
