"""What a provider says of its own limits, in the headers of its answers."""

import msgspec


class Window(msgspec.Struct, frozen=True):
    """One limit of a provider, as one answer reported it."""

    remaining: int
    """What is left: requests or tokens."""
    reset_s: float
    """Seconds from the answer until it is full again."""


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What is left at a deployment; None for what the answer did not say."""

    requests: Window | None = None
    tokens: Window | None = None
