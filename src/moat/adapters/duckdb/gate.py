"""Who is at the store's file: many at once, or one who changes it for another."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from moat.domain.errors import Unavailable

_MOMENT = 0.5
"""Seconds for which others are kept out while the last ones leave: short questions."""


class Gate:
    """Counts who is inside; whoever wants to be alone keeps others out for a moment."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._shut = False

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Together with others."""
        with self._changed:
            self._changed.wait_for(lambda: not self._shut)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, patience: float) -> Iterator[None]:
        """When everybody has left. Raises `Unavailable` when somebody stays longer than `patience` seconds.

        Others still come in meanwhile, but for the last moment: one long reader must not keep all out.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._inside == 0, patience)
            self._shut = True
            left = self._changed.wait_for(lambda: self._inside == 0, _MOMENT)
        try:
            if not left:
                raise Unavailable(
                    "the trace store is being read", remedy="Try again when exports and reports are done."
                )
            yield
        finally:
            with self._changed:
                self._shut = False
                self._changed.notify_all()
