"""What detectors get to know beside the text."""

from collections.abc import Callable, Iterable
from typing import Any

from moat.domain.calls import Call, Message
from moat.domain.guards import Place
from moat.guards.detector import Context
from moat.guards.engine.pieces import Piece
from moat.guards.engine.places import TELLING, asked


def question_contexts(call: Call, pieces: Iterable[Piece]) -> Callable[[Piece], Context]:
    """For the texts of the question."""
    conversation, kinds = tuple(call.messages), {(piece.place, piece.told) for piece in pieces}
    found = {(place, told): Context(place=place, told=told, conversation=conversation) for place, told in kinds}
    return lambda piece: found[piece.place, piece.told]


def answer_context(call: Call, place: Place, documents: tuple[str, ...], finish_reason: str = "") -> Context:
    """For a text of the answer. `documents`: values of variables that were retrieved."""
    told = [message for message in call.messages if message.get("role") in TELLING]
    questions = [message for message in call.messages if message.get("role") == "user"]
    read = [piece.text for piece in asked(call) if piece.place != "input" and not piece.spots]
    return Context(
        place=place,
        instructions="\n\n".join(map(text_of, told)),
        question=text_of(questions[-1]) if questions else "",
        documents=(*documents, *read),
        conversation=tuple(call.messages),
        schema=_schema(call) if place == "output" else None,
        finish_reason=finish_reason,
    )


def text_of(message: Message) -> str:
    """A message's text, its parts one after the other."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def wants_json(call: Call) -> bool:
    """Shall the text of the answer be JSON?"""
    wanted = call.params.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else ""
    return kind in ("json_object", "json_schema") or _schema(call) is not None


def _schema(call: Call) -> dict[str, Any] | None:
    wanted = call.params.get("response_format")
    stated = wanted.get("json_schema") if isinstance(wanted, dict) else None
    schema = stated.get("schema") if isinstance(stated, dict) else None
    if isinstance(schema, dict):
        return schema
    return call.journal.prompt.output if call.journal.prompt is not None else None


def tool_version(call: Call, tool: str) -> str:
    """A tool as the prompt names it, `name@version`; empty for one that is not the prompt's."""
    prompt = call.journal.prompt
    for name, definition in zip(prompt.tools, prompt.tool_definitions, strict=False) if prompt is not None else ():
        if definition.get("function", {}).get("name") == tool:
            return name
    return ""
