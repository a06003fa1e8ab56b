"""Private keys in PEM, OpenSSH, PGP and PuTTY files, whole or cut off.

A key is longer than what is seen of an answer that is being written. So a long one is found line by line, by the header
in front of it, by the end behind it, or because what is seen begins in the middle of one.
"""

import re
from collections.abc import Iterator

from moat.guards.detectors.secrets.formats import Found
from moat.guards.detectors.secrets.values import is_placeholder_key

WINDOW = 512
"""A key that is no longer is one hit."""

_BREAK = r"(?:\\[nr]|[\s\"'+,\\])"
_BEGIN = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{2,10} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    rf"{_BREAK}{{0,40}}(?:(?:Version|Comment|Proc-Type|DEK-Info): ?[^\n\\]{{0,80}}{_BREAK}{{1,40}}){{0,4}}"
)
_END = re.compile(r"-----END (?:[A-Z0-9]{2,10} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_LINE = re.compile(rf"(?P<line>[A-Za-z0-9+/=]{{1,6000}}){_BREAK}{{0,40}}")
_LINES_BEFORE = re.compile(
    rf"(?:[A-Za-z0-9+/=]{{16,80}}{_BREAK}{{1,6}}){{1,12}}(?:=?[A-Za-z0-9+/=]{{1,80}}{_BREAK}{{1,6}}){{0,2}}\Z"
)
_WITHIN = re.compile(
    r"[A-Za-z0-9+/]{0,64}\n(?:[A-Za-z0-9+/]{64}\n){6,}(?:[A-Za-z0-9+/=]{1,64}\n|[A-Za-z0-9+/=]{16,64})?"
)
_CERTIFICATE = re.compile(r"-----END (?!.{0,30}PRIVATE)")
_PUTTY = re.compile(r"PuTTY-User-Key-File-\d: [^\n]{1,60}\n(?:[^\n]{1,100}\n){2,80}?Private-MAC: [0-9a-f]{40,64}")
_FEWEST = 24


def private_keys(text: str) -> Iterator[Found]:
    """What is there, from left to right."""
    if within := _WITHIN.match(text):
        rest = text[within.end() : within.end() + WINDOW]
        if not _CERTIFICATE.search(rest):
            yield from _lines(text, text.startswith("\n"), within.end())
    at = text.find("PRIVATE KEY")
    while at >= 0:
        start = max(0, at - 45)
        if begin := _BEGIN.search(text, start, at + 600):
            yield from _after(text, begin)
        if end := _END.search(text, start, at + 40):
            yield from _before(text, end)
        at = text.find("PRIVATE KEY", at + 20)
    if "PuTTY-User-Key" in text:
        for match in _PUTTY.finditer(text):
            yield match.start(), match.end(), 0.97, "private_key", "private key"


def _after(text: str, begin: re.Match[str]) -> Iterator[Found]:
    at, spans = begin.end(), [(begin.start(), begin.start() + len(begin[0].rstrip()))]
    size = 0
    while line := _LINE.match(text, at):
        if len(line["line"]) < 16 and not _END.match(text, line.end()):
            break
        spans.append(line.span("line"))
        size += len(line["line"])
        at = line.end()
    if size < _FEWEST or is_placeholder_key(text[slice(*spans[1])] + text[slice(*spans[-1])]):
        return
    if end := _END.match(text, at):
        spans.append(end.span())
    if spans[-1][1] - spans[0][0] <= WINDOW:
        spans = [(spans[0][0], spans[-1][1])]
    for start, stop in spans:
        yield start, stop, 0.97, "private_key", "private key"


def _before(text: str, end: re.Match[str]) -> Iterator[Found]:
    low = max(0, end.start() - WINDOW)
    lines = _LINES_BEFORE.search(text, low, end.start())
    if lines is not None and len(lines[0]) >= _FEWEST and "-----BEGIN" not in text[low : lines.start()]:
        yield from _lines(text, lines.start(), end.start())
        yield end.start(), end.end(), 0.97, "private_key", "private key"


def _lines(text: str, start: int, end: int) -> Iterator[Found]:
    while start < end and (line := _LINE.match(text, start, end)):
        yield *line.span("line"), 0.9, "private_key", "private key"
        start = line.end()
