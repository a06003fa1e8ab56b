"""What looks at questions and answers, and decides what may go on."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from moat.domain.calls import Call, Event


class Asked(NamedTuple):
    """A question that guards have seen."""

    call: Call
    """As it may go on."""
    answer: Sequence[Event] = ()
    """The answer, when a guard gives it in place of a model."""


class Ending(NamedTuple):
    """What is left to do when a model has answered."""

    events: Sequence[Event]
    """The rest of the answer, as it may go on."""
    again: Call | None = None
    """Ask this instead: nothing of the answer has gone on."""
    accepted: bool = True
    """False: something else is given in place of what the model said."""


class Hearing(Protocol):
    """Guards one answer of a model while it comes."""

    async def hear(self, event: Event) -> Sequence[Event]:
        """Take in the next event; returns what may go on now. Raises `GuardBlocked`."""
        ...

    async def end(self) -> Ending:
        """The answer is complete. Raises `GuardBlocked`."""
        ...

    def close(self) -> None:
        """No more comes of it, complete or not: what was found goes into the call's journal."""
        ...


class Watch(Protocol):
    """The guards of one call."""

    async def ask(self, call: Call) -> Asked:
        """Look at the question. Raises `GuardBlocked`."""
        ...

    def listen(self, call: Call) -> Hearing | None:
        """For the answer to `call`; None when nothing has to look at it."""
        ...

    def told(self, call: Call, message: str) -> str:
        """What a provider says of an error, without the data that may not be in an answer."""
        ...


class Guards(Protocol):
    """Everything that policies say."""

    def begin(self, call: Call) -> None:
        """A call came, and may end before it is known which policies are about it: until `watch` has been asked,
        nothing of it may be kept that one of them could withhold.
        """
        ...

    def watch(self, call: Call) -> Watch | None:
        """What they say of this call; None when no policy is about it. Raises `RequestError` for what cannot be
        guarded.
        """
        ...
