"""Texts in which nothing was found: who sends a conversation again with its next message pays for that message only.

Nothing of a text is kept but its digest, with a key of this process, and nothing at all of one in which anything was
found.
"""

import hashlib
import secrets

from moat.guards.detector import Context
from moat.guards.engine.rules import Rule

MOST = 16_384
"""Entries of one generation, each of one text and one guard; the last two are remembered, in some 4 MB."""


Entry = tuple[Rule, str, bytes]
"""A guard, what else its answer goes by, and a text's digest."""


class Memory:
    """Implements what the engine remembers of the texts that it looked at. Safe to use from several threads."""

    def __init__(self, most: int = MOST) -> None:
        """`most`: entries of a generation; 0: nothing is remembered."""
        self._most = most
        self._key = secrets.token_bytes(32)
        self._new: dict[Entry, None] = {}
        self._old: dict[Entry, None] = {}

    def digest(self, text: str) -> bytes:
        """By which a text is known; empty when nothing is remembered."""
        if not self._most:
            return b""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._key).digest()

    def entry(self, rule: Rule, digest: bytes, text: str, context: Context) -> Entry | None:
        """By which it is remembered that the rule finds nothing in a text; None: it has to look each time."""
        goes_by = rule.detector.goes_by(text, context) if digest else None
        return None if goes_by is None else (rule, goes_by, digest)

    def knows(self, entry: Entry | None) -> bool:
        """Was nothing found, so that nothing would be found now?"""
        if entry in self._new:
            return True
        if entry in self._old:
            self.keep(entry)
            return True
        return False

    def keep(self, entry: Entry | None) -> None:
        """Remember that nothing was found."""
        if entry is None:
            return
        if len(self._new) >= self._most:
            self._old, self._new = self._new, {}
        self._new[entry] = None
