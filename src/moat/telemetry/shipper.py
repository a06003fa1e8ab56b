"""Moves sealed segments from the spool into the trace store: at least once, in order, without losing any."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from moat.domain.errors import InputError, MoatError, StorageError
from moat.ports.traces import TraceWriter
from moat.telemetry import intents
from moat.telemetry.segments import REJECTED, recover, sealed
from moat.telemetry.spool import SegmentSpool

FEEDBACK = "feedback"
"""Folder in the spool's, with segments of opinions; it may be missing."""

_log = logging.getLogger(__name__)


class Shipper:
    """Ships the segments of all processes that share a spool directory; one runs, beside the trace store.

    A segment is deleted after its commit; a crash in between ships it again, and the store knows its spans.
    While the store is away segments stay where they are. A segment that the store can never take goes to
    `rejected/` with its reason, and the others pass.
    """

    def __init__(
        self,
        directory: Path,
        writer: TraceWriter,
        *,
        spool: SegmentSpool | None = None,
        poll: float = 0.25,
        max_delay: float = 10.0,
        batch_bytes: int = 32 * 2**20,
    ) -> None:
        """`spool` is this process's own, sealed by `drain`; times are seconds."""
        self._directory = directory
        self._writer = writer
        self._spool = spool
        self._poll = poll
        self._max_delay = max_delay
        self._batch_bytes = batch_bytes
        self._shipping = threading.Lock()
        self._shipped = 0
        self._problem = ""
        self.before: list[Callable[[Sequence[Path]], None]] = []
        """These see segments before they are shipped, and so before they are deleted; some of them more than once."""
        self.before_feedback: list[Callable[[Sequence[Path]], None]] = []
        """The same of what was said of answers."""

    async def run(self) -> None:
        """Ship until cancelled, in a worker thread; wait longer and longer while the store is away."""
        delay = self._poll
        while True:
            try:
                await asyncio.to_thread(self.ship)
                delay = self._poll
            except MoatError:
                delay = min(2 * delay, self._max_delay)
            await asyncio.sleep(delay)

    def drain(self) -> int:
        """Ship everything appended so far; how many spans were new. Raises what the store raises."""
        if self._spool is not None:
            self._spool.rotate()
        return self.ship()

    def ship(self) -> int:
        """Ship what is sealed or left by dead processes; how many spans were new.

        Raises `StorageError` or `Unavailable` when the store is away; nothing is lost then.
        """
        with self._shipping:
            before = self._shipped
            try:
                # Who was dead before has recorded its last: what it left begun comes after that.
                with intents.dead(self._directory) as begun:
                    recover(self._directory)
                    intents.conclude(begun)
                for batch in self._batches(self._directory):
                    self._shipped += self._ship(batch, self._ingest)
                feedback = self._directory / FEEDBACK
                with intents.dead(feedback) as begun:
                    recover(feedback)
                    intents.conclude(begun)
                for batch in self._batches(feedback):
                    self._ship(batch, self._ingest_feedback)
            except OSError as error:
                self._note(str(error))
                raise StorageError(f"the spool cannot be read: {error}", where=str(self._directory)) from error
            except MoatError as error:
                self._note(str(error))
                raise
            self._problem = ""
            return self._shipped - before

    def _batches(self, directory: Path) -> list[list[Path]]:
        batches, room = list[list[Path]](), 0
        for path in sealed(directory):
            size = path.stat().st_size
            if not batches or size > room:
                batches.append([])
                room = self._batch_bytes
            batches[-1].append(path)
            room -= size
        return batches

    def _ingest(self, batch: Sequence[Path]) -> int:
        for watch in self.before:
            watch(batch)
        return self._writer.ingest(batch)

    def _ingest_feedback(self, batch: Sequence[Path]) -> int:
        for watch in self.before_feedback:
            watch(batch)
        return self._writer.ingest_feedback(batch)

    def _ship(self, batch: Sequence[Path], ingest: Callable[[Sequence[Path]], int]) -> int:
        """How many lines were new; what can never be taken is set aside by itself."""
        try:
            new = ingest(batch)
        except InputError as error:
            if len(batch) > 1:
                return sum(self._ship([segment], ingest) for segment in batch)
            _reject(batch[0], error)
            return 0
        for segment in batch:
            segment.unlink()
        return new

    def _note(self, problem: str) -> None:
        if problem != self._problem:
            _log.warning("traces are not shipped: %s", problem)
        self._problem = problem


def _reject(segment: Path, error: InputError) -> None:
    _log.error("segment %s set aside: %s", segment.name, error)
    rejected = segment.parent / REJECTED
    rejected.mkdir(exist_ok=True)
    (rejected / f"{segment.stem}.reason").write_text(f"{error}\n", encoding="utf-8")
    segment.rename(rejected / segment.name)
