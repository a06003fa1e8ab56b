"""Models: the one way an answer is obtained."""

from collections.abc import AsyncGenerator
from typing import Protocol

from moat.domain.calls import Call, Deployment, Event


class Provider(Protocol):
    """One configured provider.

    `answer` sends `call.messages` and `call.params` to the model `call.deployment.model` and yields the answer
    as it arrives: any number of `Delta`s, then exactly one `Finished`. When `call.stream` is false it may
    yield everything as one `Delta`. It raises a `ProviderError` or
    `ReplayMiss` (never a library's own error) and makes no
    second try by itself. Closing the generator early releases the connection and bills nothing further.
    """

    def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """Ask the model once."""
        ...

    async def aclose(self) -> None:
        """Release connections. Idempotent."""
        ...


class Models(Protocol):
    """What `moat.yaml` says about models, as the request path needs it: in memory, no I/O."""

    def plan(self, alias: str) -> tuple[Deployment, ...]:
        """Deployments for an alias, in the order to try them. Raises `NotFound` naming the aliases there are."""
        ...

    def provider(self, name: str) -> Provider:
        """The provider behind a deployment of a plan."""
        ...

    def retries(self, alias: str) -> int:
        """Further tries at one deployment."""
        ...

    def deadline_ns(self, alias: str) -> int:
        """Nanoseconds the whole call may take."""
        ...
