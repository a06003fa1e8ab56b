"""Models: the one way an answer is obtained."""

from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from moat.domain.calls import Call, Deployment, Event, Plan


class Provider(Protocol):
    """One configured provider.

    `answer` sends the call to the model `call.deployment.model` and yields the answer
    as it arrives: any number of `Delta`s, then exactly one `Finished`. When `call.stream` is false it may
    yield everything as one `Delta`. `call.operation` says what is asked; for all but `chat` the answer is one `Delta`
    with `raw`. It sets `raw` only when it speaks `call.wire`. It raises a `ProviderError` (`Unsupported` for an
    operation it has not) or `ReplayMiss` (never a library's own error) and makes no
    second try by itself. Closing the generator early releases the connection and bills nothing further.
    """

    def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """Ask the model once."""
        ...

    async def aclose(self) -> None:
        """Release connections. Idempotent."""
        ...


class Capacity(msgspec.Struct, frozen=True):
    """What a deployment can take, in tokens; 0: not known."""

    context: int = 0
    """Input and output together."""
    output: int = 0
    """Most tokens of one answer."""


class Models(Protocol):
    """What `moat.yaml` says about models, as the request path needs it: in memory, no I/O."""

    def plan(self, call: Call) -> Plan:
        """How to answer `call.model`, healthy deployments first.

        Raises `NotFound` naming the aliases there are, `ContextOverflow` when it is too long for all.
        """
        ...

    def provider(self, name: str) -> Provider:
        """The provider behind a deployment of a plan."""
        ...

    def capacity(self, deployment: Deployment) -> Capacity:
        """How much it takes."""
        ...


class Health(Protocol):
    """Which deployments answer at present. In memory, no I/O."""

    def check(self, deployment: Deployment) -> None:
        """Raise `CircuitOpen` when it should be left alone now. Else the try must follow, and then `note`."""
        ...

    def note(self, deployment: Deployment, error: BaseException | None, first_token_ns: int) -> None:
        """How a try ended. Errors that are the caller's (a refused request, a hang-up) say nothing of its health."""
        ...
