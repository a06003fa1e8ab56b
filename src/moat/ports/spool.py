"""The durable seam between the request path and telemetry."""

from collections.abc import Sequence
from typing import Protocol

from moat.domain.spans import Span


class Spool(Protocol):
    """Takes finished spans."""

    def append(self, spans: Sequence[Span]) -> None:
        """Hand the spans to the kernel in one write before returning: a killed process loses none of them.

        Raises `StorageError` when the disk refuses; then nothing of it is kept and the call must not be
        acknowledged.
        """
        ...
