"""Sends finished spans in the background: never blocks the application, never breaks it, counts what it drops."""

import atexit
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from moat.domain.errors import MoatError, Unavailable

CAPACITY = 4_096
"""Spans that may wait."""
BATCH = 256
LINGER_SECONDS = 0.5
"""How long the first span of a batch waits for others."""
RETRIES = 3
"""Further tries when the server is away, after 0.5, 1 and 2 seconds."""


class Sender:
    """One queue and, from the first span on, one daemon thread that empties it."""

    def __init__(self, send: Callable[[Sequence[bytes]], None]) -> None:
        """`send` takes a batch of encoded spans and raises a `MoatError` when it fails."""
        self.dropped = 0
        """Spans given up so far: no room, refused by the server, or it stayed away for too long."""
        self._send = send
        self._waiting: deque[bytes] = deque()
        self._sending = 0
        self._hurried = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def put(self, span: bytes) -> None:
        """Queue a span, or drop it when there is no room."""
        with self._changed:
            if self._closed or len(self._waiting) >= CAPACITY:
                self.dropped += 1
                return
            self._waiting.append(span)
            # A thread does not survive fork(); the child starts its own.
            if self._thread is None or not self._thread.is_alive():
                self._start()
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Send all that waits, now. False when `timeout` seconds were not enough."""
        with self._changed:
            self._hurried += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: not self._waiting and not self._sending, timeout)
            finally:
                self._hurried -= 1

    def close(self, timeout: float) -> None:
        """Flush and stop; what could not be sent in time is dropped. Idempotent."""
        atexit.unregister(self._at_exit)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.flush(timeout)
        with self._changed:
            self.dropped += len(self._waiting)
            self._waiting.clear()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="moat-sender", daemon=True)
        # The interpreter may be shutting down, too late for a thread.
        with suppress(RuntimeError):
            self._thread.start()
            atexit.register(self._at_exit)

    def _at_exit(self) -> None:
        self.close(timeout=5.0)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                self._changed.wait_for(lambda: self._hurry() or len(self._waiting) >= BATCH, LINGER_SECONDS)
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                self._sending = len(batch)
            sent = not batch or self._delivered(batch)
            with self._changed:
                self.dropped += 0 if sent else len(batch)
                self._sending = 0
                self._changed.notify_all()
                if self._closed and not self._waiting:
                    return

    def _delivered(self, batch: Sequence[bytes]) -> bool:
        """Try until sent, refused, or out of tries; nobody who waits for a flush is kept waiting in between."""
        for retry in range(RETRIES + 1):
            try:
                self._send(batch)
                return True
            except Unavailable:
                if retry < RETRIES:
                    with self._changed:
                        self._changed.wait_for(self._hurry, LINGER_SECONDS * 2**retry)
            except MoatError:
                return False
        return False

    def _hurry(self) -> bool:
        return self._closed or self._hurried > 0
