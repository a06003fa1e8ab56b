"""Code in Markdown: blocks between fences, and what stands between backticks."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FENCE = re.compile(r"^[ \t>]{0,12}(`{3,}|~{3,})[ \t]*([\w+#.-]{0,40})([^\n`]*)$", re.MULTILINE)
INLINE = re.compile(r"(`{1,2})(?!`)([^`\n]{1,300})\1(?!`)")


class Code(NamedTuple):
    """A piece of code, without its fences or backticks."""

    start: int
    end: int
    language: str
    """As the fence says, lower case; empty when it does not say."""
    block: bool


def code_spans(text: str) -> Iterator[Code]:
    """In order. A block that is not closed goes to the end of the text (CommonMark)."""
    if "`" not in text and "~~~" not in text:
        return
    at, marks, language = 0, "", ""
    for fence in FENCE.finditer(text):
        if not marks:
            yield from _inline(text, at, fence.start())
            at, marks, language = min(fence.end() + 1, len(text)), fence[1], fence[2].lower()
        elif fence[1][0] == marks[0] and len(fence[1]) >= len(marks) and not fence[2] and not fence[3].strip():
            yield Code(at, fence.start(), language, True)
            at, marks = fence.end(), ""
    if marks:
        yield Code(at, len(text), language, True)
    else:
        yield from _inline(text, at, len(text))


def _inline(text: str, start: int, end: int) -> Iterator[Code]:
    for code in INLINE.finditer(text, start, end):
        yield Code(code.start(2), code.end(2), "", False)


def inside(spans: Sequence[Code], at: int) -> bool:
    """Does a character stand in one of them? They are in order."""
    index = bisect_right(spans, at, key=lambda span: span.start) - 1
    return index >= 0 and at < spans[index].end
