"""Models: the one way an answer is obtained."""

from collections.abc import AsyncGenerator
from typing import Literal, Protocol, runtime_checkable

import msgspec

from moat.domain.calls import Call, Deployment, Event, Operation, Plan
from moat.domain.errors import ContextOverflow


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


@runtime_checkable
class TokenCounter(Protocol):
    """A provider that also counts the tokens of a call, without answering it."""

    async def count_tokens(self, call: Call) -> int:
        """Tokens of the input, for the model `call.deployment.model`. Raises a `ProviderError`."""
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
        """How to answer `call.model`: its deployments in the order that its strategy says.

        Raises `NotFound` naming the aliases there are, `ContextOverflow` when it is too long for all.
        """
        ...

    def roomier(self, call: Call, error: ContextOverflow) -> Call:
        """What becomes of a call that is too long for its plan, or for every plan of its alias: the same with a plan
        for another alias, or shortened. Its journal has a notice of it.

        Raises the error when there is no such way. Each call of it leaves fewer ways, so that it ends.
        """
        ...

    def provider(self, name: str) -> Provider:
        """The provider behind a deployment of a plan."""
        ...

    def capacity(self, deployment: Deployment) -> Capacity:
        """How much it takes."""
        ...


Again = Literal["retry", "fallback", "hedge"]
"""Why a call is sent once more: to the same deployment, to another after a failure, to another beside a slow one."""


Kind = tuple[Operation, bool]
"""Calls that wait about equally long: the operation, and whether its answer comes piece by piece."""


class Health(Protocol):
    """Which deployments answer at present. In memory, no I/O."""

    def check(self, deployment: Deployment, tokens: int = 0, kind: Kind = ("chat", False)) -> int:
        """Raise `CircuitOpen` when it should be left alone now, or has no room for so many input tokens.

        Else the try must follow, and then `note`; the number that is returned is the try's.
        """
        ...

    def begun(self, deployment: Deployment, number: int) -> None:
        """The first piece of an answer came: a deployment on probation has proved itself. Told again about once a
        second while further pieces come.
        """
        ...

    def note(self, deployment: Deployment, error: BaseException | None, first_token_ns: int, number: int = 0) -> None:
        """How a try ended. Errors that are the caller's (a refused request, a hang-up) say nothing of its health.

        `first_token_ns`: until the first piece, or until it was given up without one.
        """
        ...

    def again(self, deployment: Deployment, why: Again) -> bool:
        """Count a further try of a call at this deployment; False: not now, there were too many in vain."""
        ...
