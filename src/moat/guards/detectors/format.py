"""Answers that are not of the form they should have."""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import ClassVar, Literal
from xml.parsers import expat

from moat.domain.guards import Place
from moat.guards.answered_json import FENCED, parse
from moat.guards.detector import WHOLE, Context, Detector, Hit
from moat.guards.patterns import Pattern
from moat.guards.text import Text

RULE = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
CELL_BORDER = re.compile(r"(?<!\\)\|")
MAX_DEPTH = 200
"""Elements of XML inside one another."""


class Format(Detector, frozen=True):
    """Checks the form of a text: JSON, XML, a Markdown table, a pattern, one of some answers.

    Exactly one of `form`, `pattern`, `one_of`. Kinds: `json`, `xml`, `markdown_table`, `pattern`,
    `one_of`; the span begins where it breaks.
    """

    places: ClassVar[tuple[Place, ...]] = ("output", "tool_arguments", "tool_results")
    window: ClassVar[int] = WHOLE
    thinking: ClassVar[bool] = False
    form: Literal["", "json", "xml", "markdown_table"] = ""
    """`xml`: one element, without a document type. `markdown_table`: one table, each row with as many cells as its
    head."""
    pattern: str = ""
    """All of the text, white space around it aside, has to match: RE2, in linear time."""
    one_of: tuple[str, ...] = ()
    ignore_case: bool = False
    """For `pattern` and `one_of`."""
    fenced: bool = True
    """JSON and XML may stand in a Markdown code block."""

    def __post_init__(self) -> None:
        """Check the options."""
        if bool(self.form) + bool(self.pattern) + bool(self.one_of) != 1:
            raise ValueError("give exactly one of `form`, `pattern` and `one_of`")
        if self.pattern:
            self._pattern.matches("")

    @cached_property
    def _pattern(self) -> Pattern:
        return Pattern(self.pattern, ignore_case=self.ignore_case)

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Read it as what it should be."""
        written = text.original
        kind = self.form or ("pattern" if self.pattern else "one_of")
        at, note = 0, ""
        if self.form == "json":
            parsed = parse(written, fenced=self.fenced)
            at, note = parsed.at, parsed.problem and f"The answer is not JSON: {parsed.problem}"
        elif self.form == "xml":
            at, note = self._xml(written)
        elif self.form == "markdown_table":
            at, note = _table(written)
        elif self.pattern:
            note = "" if self._pattern.matches(written.strip()) else f"The answer has to match {self.pattern}"
        elif not self._is_allowed(written.strip()):
            note = f"Answer exactly one of: {', '.join(self.one_of)}"
        if note:
            yield Hit(kind, min(at, len(written)), len(written), 1.0, note)

    def _is_allowed(self, answer: str) -> bool:
        if self.ignore_case:
            return answer.casefold() in {one.casefold() for one in self.one_of}
        return answer in self.one_of

    def _xml(self, text: str) -> tuple[int, str]:
        block = FENCED.match(text) if self.fenced else None
        return _xml(block[1] if block else text)


class _Refused(Exception):
    """XML that is not read any further."""


def _xml(text: str) -> tuple[int, str]:
    """Where it breaks and why; no reason when it does not. Document types are refused: entities grow."""
    parser = expat.ParserCreate()
    depth = 0

    def refuse(*_: object) -> None:
        raise _Refused("a document type is not allowed")

    def opened(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise _Refused(f"more than {MAX_DEPTH} elements inside one another")

    def closed(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    try:
        parser.Parse(text.strip().encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        return 0, f"The answer is not XML: {error}"
    except _Refused as error:
        return 0, f"The answer is not XML: {error}"
    return 0, ""


def _table(text: str) -> tuple[int, str]:
    rows = [(start, line) for start, line in _lines(text) if line.strip()]
    if len(rows) < 2 or "|" not in rows[0][1] or not RULE.fullmatch(rows[1][1].strip()):
        return 0, "The answer has to be one Markdown table: a head, a rule of dashes, then rows."
    width = _cells(rows[0][1])
    for start, line in rows[1:]:
        if "|" not in line or _cells(line) != width:
            return start, f"A row has not {width} cells."
    return 0, ""


def _lines(text: str) -> Iterator[tuple[int, str]]:
    at = 0
    for line in text.split("\n"):
        yield at, line
        at += len(line) + 1


def _cells(line: str) -> int:
    return len(CELL_BORDER.split(line.strip().removeprefix("|").removesuffix("|")))
