"""What tokens cost."""

from typing import Protocol

from moat.domain.calls import Deployment
from moat.domain.usage import Usage


class Prices(Protocol):
    """The price table, in memory."""

    version: str
    """Identifies the table: the published one and what `moat.yaml` adds. Stored with every cost."""

    def cost(self, deployment: Deployment, alias: str, usage: Usage, at_ns: int = 0) -> int | None:
        """Picodollars for one request that used this, exact; None when the model has no known price.

        Prices change with time: those at `at_ns` (Unix time) hold, 0 means now.

        A price that `moat.yaml` sets for the alias comes before one for the deployment, and both before the
        published one.
        """
        ...

    def draws(self, deployment: Deployment, alias: str) -> bool:
        """Do pictures or films have a price of their own in its answers?"""
        ...
