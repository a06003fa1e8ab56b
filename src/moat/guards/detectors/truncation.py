"""Answers that stop too early."""

import json
import re
from collections.abc import Iterator
from typing import ClassVar

from moat.domain.guards import Place
from moat.guards.detector import WHOLE, Context, Detector, Hit
from moat.guards.text import Text

FENCE = re.compile(r"^[ \t]{0,3}(`{3,}|~{3,})([^\n`]*)$", re.MULTILINE)
ENDED = re.compile(r"[.!?…:;。！？।؟)\]}>\"'”’»`*_|]\s*$|[^\w\s,]\s*$")
"""A mark, a closing bracket or quote, an emoji."""
DANGLING = re.compile(
    r"(?:[,(\[{«“–—-]|\b(?:and|or|but|the|a|an|of|to|in|on|for|with|that|which|because|is|are|was|were|as|by|from|if|und"
    r"|oder|der|die|das|mit|et|ou|le|la|les|de|du|des|y|el|los|las|con|que|e|il|di|per|con))\s*$",
    re.IGNORECASE,
)
SHORT_END = 40
"""A last line of fewer characters may be a title, a name, an item: it needs no full stop."""
LIST_ITEM = re.compile(r"^\s*(?:[-*+•]|\d+[.)]|#{1,6}|\|)\s")


class Truncation(Detector, frozen=True):
    """Finds answers that were cut off.

    Kinds: `length` (the model hit its limit), `json` (an object or list left open), `fence` (a
    code block left open), `sentence` (it ends in the middle of one). The span is the last line.
    """

    places: ClassVar[tuple[Place, ...]] = ("output", "tool_arguments")
    window: ClassVar[int] = WHOLE
    thinking: ClassVar[bool] = False

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Look at the end."""
        written = text.original
        if not context.complete:
            return
        end = len(written.rstrip())
        last = written.rfind("\n", 0, end) + 1
        if context.finish_reason == "length":
            yield Hit("length", last, end, 1.0, "The answer was cut off at its limit: be shorter.")
        if not end:
            return
        start = len(written) - len(written.lstrip())
        if written[start] in "{[":
            if _open_json(written, start):
                yield Hit("json", last, end, 0.9, "The JSON is cut off: complete it.")
        elif _open_fence(written):
            yield Hit("fence", last, end, 0.8, "A code block is not closed.")
        elif score := _open_sentence(written[last:end]):
            yield Hit("sentence", last, end, score, "The answer ends in the middle of a sentence.")


def _open_json(text: str, start: int) -> bool:
    """Is more expected at the end of the text? What is broken before is no matter of length."""
    try:
        json.JSONDecoder(strict=False).raw_decode(text, start)
    except json.JSONDecodeError as error:
        return error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip())
    except RecursionError:
        return False
    return False


def _open_fence(text: str) -> bool:
    opened = ""
    for fence in FENCE.finditer(text):
        marks, info = fence[1], fence[2].strip()
        if not opened:
            opened = marks
        elif marks[0] == opened[0] and len(marks) >= len(opened) and not info:
            opened = ""
    return bool(opened)


def _open_sentence(line: str) -> float:
    end = line[-80:]
    if DANGLING.search(end) and " " in line.strip():
        return 0.8
    if ENDED.search(end) or len(line) < SHORT_END or LIST_ITEM.match(line) or "://" in line.rsplit(" ", 1)[-1]:
        return 0.0
    return 0.6
