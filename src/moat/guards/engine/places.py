"""Where text stands in a call, and how it is put back.

What is not known to be harmless is looked at: names of members and ids too. Those are short and many, so all of one
place are one text, with some space between them.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from msgspec.structs import replace

from moat.documents import multipart
from moat.domain.calls import Call
from moat.domain.errors import RequestError
from moat.domain.guards import Place
from moat.guards.engine.borders import BLANK, borders
from moat.guards.engine.pieces import Name, Path, Piece, Spot
from moat.guards.engine.wire_words import WIRE
from moat.pipeline.aside import aside
from moat.pipeline.data_urls import closed, is_base64_alone, opened, size
from moat.pipeline.payloads import long_number, sealed

_SHORT = frozenset(
    {"role", "type", "id", "tool_call_id", "tool_use_id", "tool_choice"}
    | {"reasoning_effort", "service_tier", "encoding_format", "voice", "size"}
)
"""Members that hold a word or an id. Another word than those that everybody uses is looked at with the names."""

_SEALED = frozenset({"signature", "thought_signature", "encrypted_content"})
"""Members that only a provider can read."""

BYTES = _SEALED | {"thoughtSignature", "encrypted_index", "data", "b64_json"}
"""Members of answers that hold such, or pictures and sound."""

_BY_NUMBER = {"completions": ("prompt",), "embeddings": ("input",)}
"""Parameters that may hold tokens by number."""

_DOCUMENTS = frozenset({"document", "search_result", "file", "input_file"})
"""Types of parts that hold what was retrieved."""

_TEXTS = ("content", "text")
"""Members that hold what a message says."""

TELLING = ("system", "developer")
"""Roles of those who tell the model what to do."""

_OURS = (*TELLING, "assistant")
"""Roles of those who do not split what they say to hide it."""

_PLAIN = re.compile(r"(?:[A-Za-z_.$-]|\d{1,4}(?!\d)){1,64}")


_BETWEEN = "\n" * 48
"""Between names: so far apart, no detector takes two of them for one sentence."""


class _Found:
    """What a walk through a call has come by."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.told = False
        """Is what is walked through a message that tells the model what to do?"""
        self.names: dict[Place, list[tuple[Path, str]]] = {}

    def walk(self, value: Any, place: Place, path: Path, holder: Mapping[str, Any] | None = None) -> None:
        """Take in a JSON value. `holder`: the object that it is a member of."""
        if isinstance(value, str):
            if text := opened(str(path[-1]), value, holder or {}):
                self.pieces.append(Piece(place, path, text, told=self.told))
        elif isinstance(value, dict):
            kind = value.get("type")
            if isinstance(kind, str) and kind in _DOCUMENTS:
                place = "documents"
            for name, item in value.items():
                if name not in WIRE:
                    self._name(place, (*path, Name(name)), name)
                if not isinstance(item, str):
                    self.walk(item, place, (*path, name))
                elif name in _SHORT:
                    if item not in WIRE:
                        self._name(place, (*path, name), item)
                elif not unreadable(name, item, value):
                    self.walk(item, place, (*path, name), value)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.walk(item, place, (*path, index))
        else:
            self._name(place, path, long_number(value))

    def join(self, first: int, path: Path) -> None:
        """Texts of one message stand one after the other for a model. `first`: the first piece of that message."""
        texts: dict[Place, list[tuple[Path, str]]] = {}
        for place, at, text, *_ in self.pieces[first:]:
            if at[-1] == "text":
                texts.setdefault(place, []).append((at, text))
        joined = [_joined(place, path, each, "") for place, each in texts.items() if len(each) > 1]
        self.pieces += [piece._replace(told=self.told) for piece in joined]

    def all(self) -> list[Piece]:
        """Every piece."""
        return [*self.pieces, *(_joined(place, ("names", place), each, _BETWEEN) for place, each in self.names.items())]

    def _name(self, place: Place, path: Path, text: str) -> None:
        if text:
            self.names.setdefault(place, []).append((path, text))


def _joined(place: Place, path: Path, texts: Collection[tuple[Path, str]], gap: str) -> Piece:
    spots, at = list[Spot](), 0
    for each, text in texts:
        spots.append(Spot(each, at, at + len(text)))
        at += len(text) + len(gap)
    return Piece(place, path, gap.join(text for _, text in texts), tuple(spots), again=not gap)


def asked(call: Call, documents: Collection[str] = ()) -> list[Piece]:
    """Every text that goes to the model, in order; those of a message with several again, as one; what may be split
    over messages of one side, put together; names of files; and at last names of members and ids.

    `documents`: variables of the prompt whose values were retrieved; they are pieces of their own, beside the message
    that holds them.
    """
    found = _Found()
    said: dict[str, list[tuple[Piece, Piece]]] = {}
    for index, message in enumerate(call.messages):
        first = len(found.pieces)
        role = message.get("role")
        place: Place = "tool_results" if str(role).lower() in ("tool", "function") else "input"
        found.told = role in TELLING
        found.walk(message, place, ("messages", index))
        texts = [piece for piece in found.pieces[first:] if piece.path[-1] in _TEXTS and piece.text.strip(BLANK)]
        if texts and role not in _OURS:
            said.setdefault(str(role), []).append((texts[0], texts[-1]))
        if len(found.pieces) > first + 1:
            found.join(first, ("messages", index))
    found.told = False
    for one_side in said.values():
        if len(one_side) > 1:
            found.pieces += borders(one_side)
    params = call.params
    if call.operation == "rerank" and "documents" in params:
        found.walk({"documents": params["documents"]}, "documents", ("params",))
        params = {name: value for name, value in params.items() if name != "documents"}
    if params:
        found.walk(params, "input", ("params",))
    if call.upload:
        names = enumerate(multipart.file_names(call.upload, call.upload_type))
        found.pieces += [Piece("input", ("upload", index), name) for index, name in names if name]
    if documents and call.prompt is not None:
        for name in documents:
            found.walk(call.prompt.variables.get(name), "documents", ("variables", name))
    return found.all()


async def asked_beside(call: Call, documents: Collection[str] = ()) -> list[Piece]:
    """The same, beside the event loop where files have to be decoded that are large."""
    return await aside(size(call.messages) + size(call.params), lambda: asked(call, documents))


def several(call: Call) -> bool:
    """Does it want several answers?"""
    return call.params.get("n") not in (None, 1)


def unreadable(name: str, value: str, holder: Mapping[str, Any]) -> bool:
    """Is a member thinking or a signature that a provider has sealed, which nobody else reads?"""
    return (name in _SEALED or (name == "data" and holder.get("type") == "redacted_thinking")) and sealed(value)


def with_texts(call: Call, texts: Mapping[Path, str]) -> Call:
    """The call with other texts at these paths; what is not on the way to one of them is shared. Raises `RequestError`
    where a text cannot be put.
    """
    tree: dict[Any, Any] = {}
    for path, text in texts.items():
        node = tree
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = text
    fields: dict[str, Any] = {}
    if "messages" in tree:
        fields["messages"] = _put(call.messages, "messages", tree["messages"])
    if "params" in tree:
        fields["params"] = _put(call.params, "params", tree["params"])
        if call.upload:
            fields["upload"] = _form(call, fields["params"])
    if "upload" in tree:
        form = fields.get("upload", call.upload)
        fields["upload"] = multipart.with_file_names(form, call.upload_type, tree["upload"])
    if "variables" in tree and call.prompt is not None:
        variables = _put(call.prompt.variables, "variables", tree["variables"])
        fields["prompt"] = replace(call.prompt, variables=variables)
    return replace(call, **fields) if fields else call


def _put(value: Any, member: str, new: Any, holder: Mapping[str, Any] | None = None) -> Any:
    """`new`: another text, or by step what is other in it. `holder`: the object that `value` is a member of."""
    if isinstance(new, str):
        if not isinstance(value, str):
            return new
        written = closed(member, value, new, holder or {})
        if written == new and is_base64_alone(member, value, holder or {}):
            raise RequestError(
                "a file in base64 holds what may not go on, and is no text that could be written again without it",
                where=member,
                remedy="Send what it says as text, or as a file of text.",
            )
        return written
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    named = {step.of: text for step, text in new.items() if isinstance(step, Name)}
    for step, each in new.items():
        if not isinstance(step, Name):
            copy[step] = _put(copy[step], str(step), each, value if isinstance(value, dict) else None)
    return _renamed(copy, named) if named else copy


def _renamed(value: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, Any]:
    """With other names of members, in their order; none is lost where two would have the same."""
    renamed: dict[str, Any] = {}
    for name, item in value.items():
        new = named.get(name, name)
        while new in renamed or (new != name and new in value):
            new += "_"
        renamed[new] = item
    return renamed


def _form(call: Call, params: Mapping[str, Any]) -> bytes:
    """The form of an upload with the texts as they are now: it is what goes to the provider."""
    if params.keys() != call.params.keys():
        raise RequestError("the name of a field holds what may not go on", where="body", remedy="Give it another name.")

    def text(name: str, index: int, before: str) -> str:
        value = params.get(name, before)
        return str(value[index] if isinstance(value, list) else value)

    return multipart.with_texts(call.upload, call.upload_type, text)


def shown(path: Path) -> str:
    """A path in words: `messages.2.content`. Names that could tell something are `*`."""
    steps = (step.of if isinstance(step, Name) else step for step in path)
    return ".".join(str(step) if isinstance(step, int) or _PLAIN.fullmatch(step) else "*" for step in steps)


def check_legible(call: Call) -> None:
    """Raise `RequestError` for a question in tokens by number: nobody can look at it."""
    for name in _BY_NUMBER.get(call.operation, ()):
        value = call.params.get(name)
        items = value if isinstance(value, list) else ()
        if any(isinstance(item, int) or (isinstance(item, list) and item) for item in items):
            raise RequestError(
                "tokens by number cannot be looked at",
                where=name,
                remedy="Send text: clients of LangChain do with `check_embedding_ctx_length=False`.",
            )
