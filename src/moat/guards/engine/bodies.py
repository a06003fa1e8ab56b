"""The text in answers that are handed over as bodies: of completions, transcriptions, and what quotes the question."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from moat.domain.calls import Operation
from moat.guards.edits import Edit, Edited
from moat.guards.engine.members import NamedTwice, decoded
from moat.guards.engine.pieces import Path
from moat.guards.engine.places import BYTES
from moat.guards.engine.wire_words import WIRE
from moat.pipeline.payloads import sealed

TEXTUAL: frozenset[Operation] = frozenset(
    {"completions", "transcription", "translation", "rerank", "images", "image_edits"}
)
"""Operations whose answers have text: a model's, the documents that were ranked, the prompt as an image model took
it."""

_encode = msgspec.json.encode
_QUOTING = ("logprobs", "prompt_logprobs", "tokens")
"""Members that spell out a text beside it. They are left out once it is changed."""


BESIDE: Path = ("beside",)
"""All texts that are not the answer's: names and ids, and members that nobody knows."""


class _Spot(NamedTuple):
    """A piece of a text."""

    path: Path
    """What it is a piece of."""
    holder: dict[str, Any]
    name: str
    start: int
    """In the text."""


class Body:
    """The whole answer: one JSON document, server-sent events, or plain text."""

    def __init__(self, raw: bytes, *, stream: bool, plain: bool) -> None:
        """Raises `msgspec.DecodeError` and `UnicodeDecodeError` for what is none of them."""
        self._stream = stream
        self._plain = plain
        self._lines = raw.split(b"\n") if stream else []
        self._data: dict[int, Any] = {}
        self.ambiguous = False
        """Does it name a member twice? Then only what was read may go on."""
        if plain:
            self._data[0] = {"text": raw.decode("utf-8", "replace")}
        elif stream:
            for index, line in enumerate(self._lines):
                data = line[5:].strip() if line.startswith(b"data:") else b""
                if data and data != b"[DONE]":
                    self._data[index] = self._read(data)
        else:
            self._data[0] = self._read(raw)
        self._spots: list[_Spot] = []
        self.texts: dict[Path, str] = {}
        """By what they are of: the pieces of a choice are one text, and so are the words of a transcript."""
        for path, holder, name in self._holders():
            known = self.texts.get(path, "")
            # Segments and words stand apart, whether or not they say so.
            gap = " " if known and path in _APART and not holder[name][:1].isspace() else ""
            self._spots.append(_Spot(path, holder, name, len(known + gap)))
            self.texts[path] = known + gap + holder[name]
        known_spots = {(id(spot.holder), spot.name) for spot in self._spots}
        self._others: dict[str, list[tuple[dict[str, Any], str]]] = {}
        """Each other text, and the members that hold it; nothing for the name of one."""
        for holder, name, text in _others(list(self._data.values())):
            if (id(holder), name) not in known_spots and text not in WIRE:
                self._others.setdefault(text, []).append((holder, name))
        if self._others:
            self.texts[BESIDE] = "\n".join(self._others)

    def _read(self, data: bytes) -> Any:
        try:
            return decoded(data)
        except NamedTwice:
            self.ambiguous = True
            return msgspec.json.decode(data)

    def edited(self, edits: Mapping[Path, Sequence[Edit]]) -> bytes:
        """The answer after edits of its texts, each piece where it was; of each text in order, and apart."""
        for path, holder, name, start in self._spots:
            if edits.get(path):
                holder[name] = _piece(holder[name], start, edits[path])
        self._edit_others(edits.get(BESIDE, ()))
        for data in self._data.values():
            _leave_out(data)
        if self._plain:
            return str(self._data[0]["text"]).encode()
        if not self._stream:
            return _encode(self._data[0])
        for index, data in self._data.items():
            self._lines[index] = b"data: " + _encode(data)
        return b"\n".join(self._lines)

    def _edit_others(self, edits: Sequence[Edit]) -> None:
        start, names = 0, list[tuple[dict[str, Any], str, str]]()
        for text, places in self._others.items() if edits else ():
            changed = _piece(text, start, edits)
            start += len(text) + 1
            for holder, name in places if changed != text else ():
                if name:
                    holder[name] = changed
                else:
                    names.append((holder, text, changed))
        for holder, text, changed in names:  # once nothing is looked up by them any more
            holder[changed] = holder.pop(text)

    def _holders(self) -> Iterator[tuple[Path, dict[str, Any], str]]:
        for data in self._data.values():
            if not isinstance(data, dict):
                continue
            for position, choice in _each(data, "choices", "text"):
                index = choice.get("index")
                yield ("choices", index if isinstance(index, int) else position, "text"), choice, "text"
            segment = data.get("type") == "transcript.text.segment"
            for name in ("text", "delta"):
                if isinstance(data.get(name), str):
                    yield ("segments",) if segment else (name,), data, name
            for list_, name in (("segments", "text"), ("words", "word")):
                for _, item in _each(data, list_, name):
                    yield (list_,), item, name
            for position, item in _each(data, "data", "revised_prompt"):
                yield ("data", position, "revised_prompt"), item, "revised_prompt"
            for position, item in _each(data, "results", "document"):
                yield ("results", position, "document"), item, "document"
            for position, item in _each(data, "results"):
                document = item.get("document")
                if isinstance(document, dict):
                    for name in [name for name, value in document.items() if isinstance(value, str)]:
                        yield ("results", position, "document", name), document, name


_APART: frozenset[Path] = frozenset({("segments",), ("words",)})


def _each(data: dict[str, Any], list_: str, text: str = "") -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a list; with `text`, those that have a text of that name."""
    items = data.get(list_)
    for position, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and (not text or isinstance(item.get(text), str)):
            yield position, item


def _piece(piece: str, start: int, edits: Sequence[Edit]) -> str:
    """A piece that stands at `start` of a text, after edits of that. A replacement goes where its span begins."""
    end = start + len(piece)
    own = [
        Edit(max(edit.start - start, 0), min(edit.end, end) - start, edit.text if edit.start >= start else "")
        for edit in edits
        if edit.start < end and edit.end > start
    ]
    return Edited(piece, own).text


def _others(value: Any) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Every text that a member holds, alone or in a list, and every member's name; not what spells out another text."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield value, "", name
            if isinstance(item, str):
                if not (name in BYTES and sealed(item)):
                    yield value, name, item
            elif name not in _QUOTING:
                yield from _others(item)
    elif isinstance(value, list):
        for item in value:
            yield from _others(item)


def _leave_out(value: Any) -> None:
    if isinstance(value, dict):
        for name in _QUOTING:
            if isinstance(value.get(name), list | dict):
                value[name] = None
        for item in value.values():
            _leave_out(item)
    elif isinstance(value, list):
        for item in value:
            _leave_out(item)
