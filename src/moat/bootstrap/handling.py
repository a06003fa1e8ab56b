"""The data-handling policy of a project."""

from moat.documents import Document
from moat.domain.config import Config
from moat.domain.errors import ConfigError
from moat.guards.handling.calls import DataPolicy
from moat.guards.handling.capture import DataCapture, modes
from moat.guards.handling.finding import Finder


def handling(config: Config, document: Document, secret: bytes = b"") -> tuple[DataPolicy, DataCapture] | None:
    """What `data` in moat.yaml says; None when it says nothing. `secret`: see `DataCapture`. Raises `ConfigError` with
    the place.
    """
    if config.data is None:
        return None
    try:
        policy = DataPolicy(config.data, Finder(config.data.find), config.providers)
    except ConfigError as error:
        steps: list[str | int] = [int(step) if step.isdecimal() else step for step in error.where.split(".")]
        raise ConfigError(error.what, where=document.place(["data", *steps]), remedy=error.remedy) from None
    return policy, DataCapture(policy, modes(config.data), secret)
