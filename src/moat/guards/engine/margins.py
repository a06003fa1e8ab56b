"""What stands in an answer around what it says: names and ids of tool calls, and whatever else its provider sends."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Delta, Finished, ToolCallDelta
from moat.domain.guards import Place
from moat.guards.edits import Edit, Edited, apart
from moat.guards.engine.answering import Answering
from moat.guards.engine.looking import look
from moat.guards.engine.members import NamedTwice, decoded
from moat.guards.engine.notes import Notes
from moat.guards.engine.places import BYTES
from moat.guards.engine.wire_words import WIRE
from moat.guards.revealing import Revealing
from moat.guards.text import Text
from moat.pipeline.payloads import long_number, sealed

_MANY = frozenset({"id", "tool_use_id", "token", "obfuscation"})
"""Members that are another each time, each whole by itself."""

_MOST = 32
"""Members that no guard knows, in one answer that is streamed."""

_Found = tuple[tuple[str, ...], str]
"""Where a text stands, without numbers of list items, and the text."""


class Margins:
    """Those of one answer. Where guards act, bytes of a provider go on only when all in them is known or was looked at;
    else the answer is written anew, from what was.
    """

    def __init__(self, answering: Answering, stop: Callable[[], None]) -> None:
        """`stop` is called before a guard blocks."""
        self._answering = answering
        self._stop = stop
        self._around = [notes for notes in answering.by_block if notes.rule.hears("output", "beside")]
        self._tools = [notes for notes in answering.by_block if "tool_arguments" in notes.rule.places]
        self._wields = any(notes.rule.acts and "tool_arguments" in notes.rule.places for notes in answering.notes)
        """Does a guard look at tool calls? Then nothing like one goes on that Moat does not know."""
        self._names: dict[int, str] = {}
        self._known: dict[tuple[str, ...], str] = {}
        """What was first sent of a member that no guard knows."""
        self._dropped = False

    def guarded(self, event: Delta) -> Delta:
        """The piece as it may be heard. Raises `GuardBlocked`."""
        calls = tuple(self._call(piece) for piece in event.tool_calls)
        if calls != event.tool_calls:
            event, self._dropped = replace(event, tool_calls=calls, raw=None), True
        if event.raw is None or not self._answering.acts:
            return event
        self._dropped = self._dropped or not self._passes(event, event.raw)
        return replace(event, raw=None) if self._dropped else event

    def ended(self, event: Finished) -> Finished:
        """The end as it may be told. Raises `GuardBlocked`."""
        model, fingerprint = self._said(event.model, "model"), self._said(event.fingerprint, "fingerprint")
        same = (model, fingerprint) == (event.model, event.fingerprint)
        return event if same else replace(event, model=model, fingerprint=fingerprint)

    def _said(self, text: str, path: str) -> str:
        edits = self._edits(self._around, text, "output", path) if text else ()
        return Edited(text, apart(edits)).text if edits else text

    def _call(self, piece: ToolCallDelta) -> ToolCallDelta:
        if not piece.id and not piece.name:
            return piece
        known, path = self._names.get(piece.index, ""), f"tool_calls.{piece.index}"
        whole = piece.name if piece.name == known else known + piece.name  # a name may come in pieces
        self._names[piece.index] = whole
        name = self._word(whole, len(whole) - len(piece.name), f"{path}.name")
        return replace(piece, id=self._word(piece.id, 0, f"{path}.id"), name=name)

    def _word(self, text: str, start: int, path: str) -> str:
        """What comes from `start` on, after edits."""
        if not text:
            return text
        edits = self._edits(self._tools, text, "tool_arguments", path)
        if self._answering.reveals:
            edits += Revealing(self._answering.vault).edits(text, 0, len(text))
        own = [Edit(max(0, begin - start), end - start, new) for begin, end, new in apart(edits) if end > start]
        return Edited(text[start:], own).text

    def _edits(self, rules: Sequence[Notes], text: str, place: Place, path: str) -> list[Edit]:
        answering = self._answering
        edits = look(rules, Text(text), (path,), answering.context(place), answering.vault) if rules else []
        for notes in rules:
            if notes.stops:
                self._stop()
            answering.check(notes)
        return edits

    def _passes(self, event: Delta, raw: bytes) -> bool:
        try:
            read = list(_read(raw))
            if not self._around and not self._wields:
                return True
            new = [
                (at, text)
                for path, value in read
                for at, text in _texts(value, path)
                if self._known.get(at) != text and not self._covered(at, text, event)
            ]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NamedTwice, _SecondAnswer):
            return False
        if self._wields and any(_is_called(path) for path, _ in new):
            return False
        if not new or not self._around:
            return True
        for path, text in new if self._answering.call.stream else ():
            if (self._known.setdefault(path, text) != text and not _whole(path)) or len(self._known) > _MOST:
                return False  # pieces of something that nobody can look at as one
        return not self._edits(self._around, "\n".join(text for _, text in new), "output", "beside")

    def _covered(self, path: tuple[str, ...], text: str, event: Delta) -> bool:
        """Is it in what guards look at anyway? What stands like a tool call has to be one: a text can say its words."""
        said = (event.text, event.reasoning, event.beside, event.refusal)
        told = "logprobs" not in path and not (self._wields and _is_called(path))
        if told and any(text in each for each in said):
            return True
        if text in (event.signature, event.redacted):
            return True
        if not event.tool_calls:
            return False
        written = msgspec.json.encode(text).decode()[1:-1]
        return any(
            text in (piece.id, piece.name, piece.signature) or written in piece.arguments or text in piece.arguments
            for piece in event.tool_calls
        )


class _SecondAnswer(Exception):
    """Nobody asked for another, and nobody looks at it."""


_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_CALLING_WORDS = "tool tools function functions call calls mcp command commands action actions invoke"
_CALLING = frozenset(_CALLING_WORDS.split())
"""Words in names of members that hold what is to be called."""


@lru_cache(1024)
def _is_called(path: tuple[str, ...]) -> bool:
    """Does a text stand below such a member? Names of members have an empty one behind them, and ids say nothing."""
    above = path[:-2] if path[-1:] == ("",) else path
    return not _whole(path) and any(word.lower() in _CALLING for name in above for word in _WORD.findall(name))


def _whole(path: tuple[str, ...]) -> bool:
    return path[-1] in _MANY or "logprobs" in path


def _read(raw: bytes) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What an answer or a piece of it says: values of JSON, and other lines than those of the wire."""
    if (whole := raw.strip(b"[], \r\n")).startswith(b"{"):  # one of a list, as Google streams them
        yield (), _one_answer(decoded(whole))
        return
    for line in raw.splitlines():
        name, _, rest = line.partition(b":")
        if name != b"data":
            text = (rest if name in (b"", b"event") else line).decode().strip()
            if text and text not in WIRE:
                yield ("line",), text
        elif (data := rest.strip()) != b"[DONE]":
            yield (), _one_answer(decoded(data))


def _one_answer(value: Any) -> Any:
    if isinstance(value, list):
        for item in value:
            _one_answer(item)
    elif isinstance(value, dict) and (_is_second(value.get("choices")) or _is_second(value.get("candidates"))):
        raise _SecondAnswer
    return value


def _is_second(answers: Any) -> bool:
    """Is there more in it than the first?"""
    if isinstance(answers, list):
        return len(answers) > 1 or any(map(_is_second, answers))
    return isinstance(answers, dict) and bool(answers.get("index"))


def _texts(value: Any, path: tuple[str, ...]) -> Iterator[_Found]:
    """All texts in it, by where they stand, but for the words of the wire."""
    if isinstance(value, str):
        if value and value not in WIRE and not (path and path[-1] in BYTES and sealed(value)):
            yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in WIRE:
                yield (*path, name, ""), name
            yield from _texts(item, (*path, name))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, path)
    elif path[-1:] != ("created",) and (digits := long_number(value)):
        yield path, digits
