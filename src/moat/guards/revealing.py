"""Values put back where an answer names their placeholders: not inside addresses, which would carry them away."""

import re
from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from moat.guards.edits import Edit
from moat.guards.pseudonyms import Vault

_SLASH = r"(?:[/\\]|&(?:#0*47|#x0*2f|sol);)"
_OPENED = re.compile(rf"(?:{_SLASH}){{2}}|\b(?:https?|wss?|ftp)(?::|&colon;|&#0*58;|&#x0*3a;)|\bwww\.", re.IGNORECASE)
_ENDS = r"[\s\"`]"
_QUOTED = re.compile(r"=\s{0,8}\\?([\"'])\s{0,8}[^\s\"'<>]{0,24}\Z")
_BRACKETED = re.compile(r"\(\s{0,8}<[^\s<>]{0,24}\Z")
_BEFORE = 64
"""Characters in front of an address that tell how it ends."""
_SHORT = 32
"""Characters of what an address begins with."""


class Revealing:
    """One text of an answer, which may come in blocks: what is put back into it.

    An address goes from its scheme, two slashes or `www.` to the next space or quotation mark, in an attribute of HTML
    to the end of that, between the angle brackets of a link of Markdown to their end.
    """

    def __init__(self, vault: Vault, *, is_json: bool = False) -> None:
        """`is_json`: values are written as they stand inside a JSON string."""
        self._vault = vault
        self._is_json = is_json
        self._end = re.compile(_ENDS + r"|\\[nrt]" if is_json else _ENDS)
        self._until: re.Pattern[str] | None = None
        """What ends the address that the last block ended in."""

    def edits(self, text: str, begin: int, end: int) -> Iterator[Edit]:
        """For the placeholders that begin in a block of the text; blocks are asked about in order."""
        addresses = list(self._addresses(text, begin, end))
        starts = [start for start, _ in addresses]
        for start, stop, value in self._vault.found(text):
            at = bisect_right(starts, start) - 1
            if begin <= start < end and not (at >= 0 and start < addresses[at][1]):
                yield Edit(start, stop, msgspec.json.encode(value).decode()[1:-1] if self._is_json else value)

    def _addresses(self, text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
        at = begin if self._until else max(0, begin - _SHORT)
        while at < end:
            start = at
            if self._until is None:
                opened = _OPENED.search(text, at, end)
                if opened is None:
                    return
                start, at = opened.span()
                self._until = self._closing(text[max(0, start - _BEFORE) : start])
            closed = self._until.search(text, at, end)
            if closed is None:
                yield start, end
                return
            yield start, closed.start()
            at, self._until = closed.end(), None

    def _closing(self, before: str) -> re.Pattern[str]:
        """What ends an address, by what stands in front of it."""
        if quoted := _QUOTED.search(before):
            return re.compile(quoted[1])
        return re.compile(r">(?=[\s)])|[\r\n]") if _BRACKETED.search(before) else self._end
