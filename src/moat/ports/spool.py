"""The durable seam between the request path and telemetry."""

from collections.abc import Sequence
from typing import Protocol

from moat.domain.feedback import Feedback
from moat.domain.spans import Span


class Spool(Protocol):
    """Takes finished spans, and notes what is begun."""

    @property
    def problem(self) -> str:
        """Why the disk takes no records now; empty while it does. Costs nothing to ask."""
        ...

    def begin(self, attempt: Span) -> int:
        """Note a try before it is sent: how it must be recorded if this process dies before it records it itself.

        The number ends it in `append`. Raises `StorageError` when it cannot be noted; then it must not be sent.
        """
        ...

    def append(self, spans: Sequence[Span], ends: Sequence[int] = ()) -> None:
        """Hand the spans to the kernel in one write before returning: a killed process loses none of them. They are
        the outcome of what `begin` gave the numbers `ends`.

        Raises `StorageError` when the disk refuses; then nothing of it is kept and the call must not be
        acknowledged.
        """
        ...


class FeedbackSpool(Protocol):
    """Takes opinions, to be found with the calls they are about."""

    def append(self, opinions: Sequence[Feedback], /) -> None:
        """Hand them to the kernel in one write before returning: a killed process loses none of them.

        Raises `StorageError` when the disk refuses; then none of them is kept and nobody may be told so.
        """
        ...
