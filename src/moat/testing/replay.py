"""Record a real provider once, answer from the file ever after: exact, free, and without a network.

A recording is JSON Lines, one answer a line:

    {"key": "sha256:…", "asked": {"model": …, "messages": […], "params": {…}, "repeat": 0},
     "pieces": [{"text": "Hel"}, {"text": "lo"}], "finished": {"reason": "stop", "usage": {…}, "model": …}}

`key` is the digest of `asked`. Pieces keep the boundaries they came with. Only complete answers are recorded,
and what looks like an API key is written as `***`.
"""

import fcntl
import os
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec

from moat.documents import read_jsonl
from moat.domain.calls import Call, Delta, Event, Finished, Message, ToolCallDelta
from moat.domain.errors import DocumentError, ReplayMiss, StorageError, Unsupported
from moat.domain.releases import digest
from moat.ports.kinds import ProviderKind, Surroundings
from moat.ports.models import Provider
from moat.testing.simulated import text_of

_SECRET = re.compile(rb"\b(?:sk|mk|pk|rk)-[A-Za-z0-9_-]{8,}|(?<=Bearer )[A-Za-z0-9._~+/-]{8,}")


class ReplayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`{kind: replay, file: recordings/support.jsonl}`, with `record: <provider>` to fill what is missing."""

    kind: str
    file: str
    """The recording, relative to the project."""
    record: str = ""
    """Provider to ask, once, for what the recording lacks."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer depends on."""

    model: str
    messages: list[Message]
    params: dict[str, Any] = {}
    repeat: int = 0


class Piece(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a recorded answer."""

    text: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a recording."""

    key: str
    asked: Asked
    pieces: tuple[Piece, ...]
    finished: Finished


class Recording:
    """A recording file and its answers in memory. The first answer to a question counts."""

    def __init__(self, path: Path, *, name: str = "", answers: dict[str, Recorded] | None = None) -> None:
        self.path = path
        self.name = name or str(path)
        self.answers = answers if answers is not None else {}

    @classmethod
    def read(cls, path: Path, *, name: str = "") -> "Recording":
        """Read a whole file. Raises `DocumentError` with file and line."""
        recording = cls(path, name=name)
        for line in read_jsonl(path, name=recording.name):
            try:
                answer = msgspec.convert(line.value, Recorded)
            except msgspec.ValidationError as error:
                raise DocumentError(
                    f"not a recorded answer: {error}", where=f"{recording.name}:{line.number}"
                ) from None
            recording.answers.setdefault(answer.key, answer)
        return recording

    def add(self, answer: Recorded) -> None:
        """Append one line, whole or not at all, whoever else appends. Raises `StorageError`."""
        if answer.key in self.answers:
            return
        line = _SECRET.sub(b"***", msgspec.json.encode(answer)) + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                size = os.fstat(file.fileno()).st_size
                if file.write(line) != len(line):
                    file.truncate(size)
                    raise StorageError("the disk is full", where=self.name)
        except OSError as error:
            raise StorageError(f"cannot be written: {error.strerror}", where=self.name) from error
        self.answers[answer.key] = msgspec.json.decode(line, type=Recorded)

    def miss(self, asked: Asked) -> ReplayMiss:
        """The error for a question without an answer, with the nearest one there is."""
        text = text_of(asked.messages[-1]) if asked.messages else ""
        near = next((known.asked for known in self.answers.values() if known.asked.messages == asked.messages), None)
        differs = [name for name in ("model", "params", "repeat") if near and _differ(near, asked, name)]
        hint = f"; it has the same messages with another {' and '.join(differs)}" if differs else ""
        return ReplayMiss(
            f"the recording has no answer of {asked.model!r} (repeat {asked.repeat}) to {text[:80]!r}{hint}",
            where=self.name,
            remedy="Set `record: <provider>` on this provider in moat.yaml and run once more to record it.",
        )


class ReplayProvider:
    """Answers from a recording; what it lacks it asks `source` for and records, or it raises `ReplayMiss`."""

    def __init__(self, recording: Recording, source: Provider | None = None) -> None:
        self._recording = recording
        self._source = source

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """The recorded pieces, or the source's as they come."""
        if call.operation != "chat":
            raise Unsupported(f"recordings hold chat, no {call.operation}", where=self._recording.name)
        asked = question(call)
        known = self._recording.answers.get(digest(asked))
        if known is not None:
            for piece in known.pieces:
                yield Delta(text=piece.text, refusal=piece.refusal, tool_calls=piece.tool_calls)
            yield known.finished
            return
        if self._source is None:
            raise self._recording.miss(asked)
        pieces: list[Piece] = []
        async with aclosing(self._source.answer(call)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    pieces.append(Piece(text=event.text, refusal=event.refusal, tool_calls=event.tool_calls))
                else:
                    recorded = Recorded(key=digest(asked), asked=asked, pieces=tuple(pieces), finished=event)
                    self._recording.add(recorded)
                yield event

    async def aclose(self) -> None:
        """The source belongs to whoever configured it."""


def question(call: Call) -> Asked:
    """What identifies a call in a recording: streaming options change no answer."""
    return Asked(
        model=call.deployment.model if call.deployment else call.model,
        messages=call.messages,
        params={name: value for name, value in call.params.items() if name != "stream_options"},
        repeat=call.repeat,
    )


def _differ(one: Asked, other: Asked, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))


def _build(config: ReplayConfig, around: Surroundings) -> ReplayProvider:
    path = around.root / config.file
    if not config.record:
        return ReplayProvider(Recording.read(path, name=config.file))
    recording = Recording.read(path, name=config.file) if path.exists() else Recording(path, name=config.file)
    return ReplayProvider(recording, around.provider(config.record))


KIND = ProviderKind("replay", ReplayConfig, _build)
