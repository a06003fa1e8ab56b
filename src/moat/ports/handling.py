"""What knows which data a call holds, where it may go, and what may be kept of it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from moat.domain.calls import Call, Deployment
from moat.domain.handling import Handling
from moat.domain.spans import Span
from moat.ports.guards import Hearing


class Handled(Protocol):
    """The data of one call."""

    def action(self, deployment: Deployment) -> Handling:
        """What becomes of it there."""
        ...

    def check(self, deployment: Deployment) -> None:
        """Raise `DataRefused` when it may not go there."""
        ...

    def sent(self, call: Call) -> Call:
        """The call as it may go to its `deployment`. Raises `DataRefused`."""
        ...

    def listen(self, call: Call) -> Hearing | None:
        """For the answer to what `sent` gave: puts back what was redacted. None when nothing was."""
        ...

    def told(self) -> Mapping[str, Any]:
        """What a record says of it; never a text."""
        ...


class DataHandling(Protocol):
    """The data-handling policy of a project."""

    async def look(self, call: Call) -> Handled:
        """Which data the call holds. Raises `RequestError` for a class that does not exist."""
        ...


class Kept(NamedTuple):
    """What may be kept of a call."""

    input: dict[str, Any] | None
    output: dict[str, Any] | None
    errors: Sequence[str]


class Capture(Protocol):
    """What is kept of data of each class."""

    def call(self, call: Call, content: Kept) -> Kept:
        """Of one call's content and error messages."""
        ...

    def span(self, span: Span) -> Span:
        """Of a span that an application sent."""
        ...

    def text(self, text: str) -> str:
        """Of a text that belongs to no call, such as a comment."""
        ...
