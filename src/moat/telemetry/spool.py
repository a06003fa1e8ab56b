"""The durable spool: what a finished call leaves behind before it is acknowledged."""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from moat.domain.errors import StorageError
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.telemetry.intents import Intents
from moat.telemetry.segments import Segment, recover, try_room, unique_ns

Fsync = Literal["always", "interval", "never"]

_log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()


class SegmentSpool:
    """Appends spans, or opinions, to a segment file of its own; implements the ports `Spool` and `FeedbackSpool`, safe
    for threads.

    A background thread seals the segment every `interval` seconds, so that it can be shipped, and syncs it
    before that: `fsync="interval"` survives the death of the process always, and a power cut but for the last
    interval; `"always"` survives both; `"never"` leaves the disk to the kernel.

    When the disk refuses a record, `append` raises and the segment is given up at once: what stood in it before
    is shipped (and deleted, which makes room), and the next `append` tries a new one. After a failed fsync the
    kernel may have dropped pages it called written, so each record is synced by itself until one succeeds.

    What was refused last is the `problem` until the disk takes as many bytes again: whoever sees it sends nothing more,
    so the background thread tries.
    """

    def __init__(
        self, directory: Path, *, fsync: Fsync = "interval", interval: float = 0.5, max_bytes: int = 8 * 2**20
    ) -> None:
        self.directory = directory
        self._intents = Intents()
        self.sync_failures = 0
        """Failed fsyncs since the start: each may have lost records on a power cut."""
        self.problem = ""
        self._refused = 0
        self._fsync = fsync
        self._interval = interval
        self._max_bytes = max_bytes
        self._segment: Segment | None = None
        self._retired: list[Segment] = []
        self._begun_ns = 0
        self._distrust = False
        self._writing = threading.Lock()
        self._sealing = threading.Lock()
        self._closed = threading.Event()
        self._keeper: threading.Thread | None = None

    def open(self) -> None:
        """Make the directory, take over what dead processes left, start sealing.

        Raises `StorageError` when the directory cannot be used.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            recover(self.directory)
            self._intents.open(self.directory)
        except OSError as error:
            raise self._refusal("the spool cannot be used", error) from error
        self._closed.clear()
        self._keeper = threading.Thread(target=self._keep, name="moat-spool", daemon=True)
        self._keeper.start()

    def begin(self, attempt: Span) -> int:
        """Note what is begun; `append` ends it. Raises `StorageError`; then it must not begin."""
        try:
            return self._intents.begin(attempt)
        except OSError as error:
            raise self._refuse("what is begun cannot be noted", error, self._intents.size) from error

    def append(self, spans: Sequence[Span | Feedback], ends: Sequence[int] = ()) -> None:
        """Hand the spans to the kernel in one write. Raises `StorageError`; then nothing of them is kept."""
        try:
            record = _encoder.encode_lines(spans)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise StorageError(f"a span cannot be written as JSON: {error}") from error
        with self._writing:
            if self._keeper is None:
                raise StorageError("the spool is closed", where=str(self.directory))
            segment = self._segment or self._begin(len(record))
            try:
                segment.write(record)
            except OSError as error:
                self._retire()
                raise self._refuse("the spool cannot be written", error, len(record)) from error
            if self._distrust or self._fsync == "always":
                self._prove(segment, len(record))
            if segment.size >= self._max_bytes:
                self._retire()
        for intent in ends:
            self._intents.end(intent)

    def rotate(self) -> None:
        """Seal what was appended so far, now. Raises `StorageError` when it cannot be renamed; tried again."""
        with self._sealing:
            with self._writing:
                self._retire()
            while self._retired:
                try:
                    self._seal(self._retired[0])
                except OSError as error:
                    raise self._refusal("a segment cannot be sealed", error) from error
                del self._retired[0]

    def close(self) -> None:
        """Seal and stop. Idempotent; an `append` afterwards raises."""
        with self._writing:
            keeper, self._keeper = self._keeper, None
        if keeper is not None:
            self._closed.set()
            keeper.join()
        self.rotate()
        self._intents.close()

    def _begin(self, size: int) -> Segment:
        self._begun_ns = unique_ns(self._begun_ns)
        try:
            self._segment = Segment.create(self.directory, self._begun_ns)
        except OSError as error:
            raise self._refuse("no new segment can be opened", error, size) from error
        return self._segment

    def _retire(self) -> None:
        if self._segment is not None:
            self._retired.append(self._segment)
            self._segment = None

    def _prove(self, segment: Segment, size: int) -> None:
        """Sync the record of `size` bytes just written, or take it back."""
        try:
            segment.sync()
            self._distrust = False
        except OSError as error:
            self._note_sync_failure(error)
            self._retire()
            with suppress(OSError):
                segment.take_back(segment.size - size)
            raise self._refuse("the disk did not confirm a record", error, size) from error

    def _seal(self, segment: Segment) -> None:
        if self._fsync != "never":
            try:
                segment.sync()
            except OSError as error:
                self._note_sync_failure(error)
        segment.seal()

    def _note_sync_failure(self, error: OSError) -> None:
        self._distrust = True
        self.sync_failures += 1
        _log.error("fsync failed in %s: %s; recent records may not survive a power cut", self.directory, error)

    def _keep(self) -> None:
        while not self._closed.wait(self._interval):
            try:
                self.rotate()
            except StorageError as error:
                _log.error("%s", error)
            if self.problem:
                self._try_again()

    def _try_again(self) -> None:
        try:
            try_room(self.directory, self._refused)
        except OSError:
            return
        self.problem = ""
        _log.warning("calls can be recorded in %s again", self.directory)

    def _refuse(self, what: str, error: OSError, size: int) -> StorageError:
        """A record of `size` bytes was refused."""
        refusal = self._refusal(what, error)
        if not self.problem:
            _log.error("calls are refused: %s", refusal)
        self._refused, self.problem = size, str(refusal)
        return refusal

    def _refusal(self, what: str, error: OSError) -> StorageError:
        return StorageError(
            f"{what}: {error.strerror or error}",
            where=str(self.directory),
            remedy="Free space on this disk or repair it; nothing else is needed.",
        )
