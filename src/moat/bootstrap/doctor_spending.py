"""Checks of money: how old the prices are, and limits that cannot hold."""

import datetime
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from moat.bootstrap.examination import Examination, Finding, Look
from moat.bootstrap.limits import unpriced
from moat.bootstrap.models import all_targets, deployment_of, price_table
from moat.bootstrap.settings import CONFIG_FILE, without_secrets
from moat.domain.usage import Usage
from moat.spend.published import PACKAGE

PRICES_DAYS = 180
"""Prices change a few times a year."""
_DATE = re.compile(rb"datetime\.date\((\d{4}), (\d{1,2}), (\d{1,2})\)")


def _prices(look: Look) -> Iterator[Finding]:
    newest = _newest_price()
    at = f"{PACKAGE} {version(PACKAGE)}"
    remedy = "Install the newest one, or state prices in moat.yaml; `moat spend reprice` prices history anew."
    if newest is None:
        yield Finding("unknown", at, "it does not say how old it is", remedy)
        return
    days = (datetime.datetime.now(datetime.UTC).date() - newest).days
    about = f"the newest change of a price in it is of {newest}"
    if days > PRICES_DAYS:
        yield Finding("warning", at, f"{about}, {days} days ago", remedy, f"pip install --upgrade {PACKAGE}")
    else:
        yield Finding("ok", at, about)


@cache
def _newest_price() -> datetime.date | None:
    """By the dates in the package's data, which is read and not loaded: that would take 20 MiB."""
    found = find_spec(PACKAGE.replace("-", "_"))
    if found is None or found.origin is None:
        return None
    today = datetime.datetime.now(datetime.UTC).date()
    text = Path(found.origin).with_name("data.py").read_bytes()
    dates = {datetime.date(*map(int, match)) for match in set(_DATE.findall(text))}
    return max((date for date in dates if date <= today), default=None)


def _limits(look: Look) -> Iterator[Finding]:
    settings = look.sound
    config = settings.config
    prices = price_table(settings, without_secrets(config.providers, look.environ))
    for place, note in enumerate(unpriced(config, prices), start=1):
        yield Finding("error", f"{CONFIG_FILE}: $.limits", note, name=f"limit without price {place}")
    targets = [(alias, target) for alias, model in config.models.items() for target in all_targets(model)]
    free = [f"{alias}: {at}" for alias, at in targets if prices.cost(deployment_of(at), alias, Usage()) is None]
    if free:
        named = "; ".join(dict.fromkeys(free))
        what = f"no price is known of {named}: what they cost shows nowhere, and no budget holds it"
        remedy = "Set `price` in $.deployments or $.models; what costs nothing has a price of 0."
        yield Finding("warning", f"{CONFIG_FILE}: $.models", what, remedy)
    elif not config.limits:
        what = "every model has a price, and no limit is set: nothing holds spending"
        yield Finding("warning", f"{CONFIG_FILE}: $.limits", what, "Begin with `action: warn`: docs/limits.md.")
    else:
        yield Finding("ok", f"{CONFIG_FILE}: $.limits", f"{len(config.limits)} limits, and every model has a price")


SPENDING_CHECKS = (
    Examination("prices", _prices, needs_settings=False),
    Examination("limits", _limits),
)
