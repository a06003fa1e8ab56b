"""What tokens cost."""

from typing import Protocol

from moat.domain.calls import Deployment
from moat.domain.usage import Usage


class Prices(Protocol):
    """The price table, in memory."""

    def cost(self, deployment: Deployment, alias: str, usage: Usage) -> int | None:
        """Picodollars for these tokens, exact; None when the model has no known price.

        A price that `moat.yaml` sets for the alias comes before the published one.
        """
        ...
