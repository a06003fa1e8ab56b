"""Answers that come as bodies, under guard: of completions and transcriptions. They wait until they are complete."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Delta, Event, Finished
from moat.domain.errors import GuardBlocked
from moat.guards.edits import Edit, Edited, apart
from moat.guards.engine.answering import Answering
from moat.guards.engine.bodies import BESIDE, Body
from moat.guards.engine.far import Seen
from moat.guards.engine.looking import look
from moat.guards.engine.pieces import Path
from moat.guards.revealing import Revealing
from moat.guards.text import Text
from moat.ports.guards import Ending


class BodyHearing:
    """Implements `moat.ports.guards.Hearing` for answers that are handed over as they are."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._events: list[Event] = []

    async def hear(self, event: Event) -> Sequence[Event]:
        """See `moat.ports.guards.Hearing`."""
        self._events.append(event)
        return ()

    async def end(self) -> Ending:
        """See `moat.ports.guards.Hearing`."""
        pieces = [event for event in self._events if isinstance(event, Delta) and event.raw is not None]
        finished = [event for event in self._events if isinstance(event, Finished)]
        raw = b"".join(piece.raw or b"" for piece in pieces)
        plain = bool(pieces) and pieces[-1].content_type.startswith("text/")
        body = await self._answering.beside(len(raw), lambda: self._read(raw, plain=plain))
        far: dict[Path, list[Edit]] = {}
        if self._answering.far:
            context = self._answering.context("output")
            far = await self._answering.ask_far(
                [Seen(path, text, context) for path, text in body.texts.items() if path != BESIDE]
            )
        edits = await self._answering.beside(len(raw), lambda: self._judged(body, far))
        ending = self._answering.ending("\n".join(body.texts.values()))
        if ending is not None:
            return ending
        if not any(edits.values()) and not (body.ambiguous and self._answering.acts):
            return Ending(self._events)
        said = next((Edited(text, edits[path]).text for path, text in body.texts.items() if path != BESIDE), "")
        return Ending([replace(pieces[-1], raw=body.edited(edits), text=said), *finished])

    def close(self) -> None:
        """See `moat.ports.guards.Hearing`."""
        self._answering.report()

    def _read(self, raw: bytes, *, plain: bool) -> Body:
        try:
            return Body(raw, stream=self._answering.call.stream, plain=plain)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise GuardBlocked("the answer cannot be read, so nothing can look at it") from None

    def _judged(self, body: Body, far: Mapping[Path, list[Edit]]) -> dict[Path, list[Edit]]:
        return {path: self._edits(path, text, far.get(path, ())) for path, text in body.texts.items()}

    def _edits(self, path: Path, original: str, far: Sequence[Edit]) -> list[Edit]:
        answering, text, edits = self._answering, Text(original), list(far)
        hearing = [notes for notes in answering.notes if notes.rule.hears("output", str(path[0]))]
        edits += look(hearing, text, path, answering.context("output"), answering.vault)
        if answering.reveals:
            edits += Revealing(answering.vault).edits(original, 0, len(original))
        return apart(edits)
