"""Texts in which nothing was found: who sends a conversation again with its next message pays for that message only.

Nothing of a text is kept but its digest, with a key of this process, and nothing at all of one in which anything was
found.
"""

import hashlib
import secrets

from moat.guards.detector import Context
from moat.guards.engine.rules import Rule

MOST = 16_384
"""Texts of one generation; the last two are remembered. Some 5 MB for three guards."""


class Memory:
    """Implements what the engine remembers of the texts that it looked at. Safe to use from several threads."""

    def __init__(self, most: int = MOST) -> None:
        """`most`: texts of a generation; 0: nothing is remembered."""
        self._most = most
        self._key = secrets.token_bytes(32)
        self._new: dict[tuple[Rule, str, bytes], None] = {}
        self._old: dict[tuple[Rule, str, bytes], None] = {}

    def digest(self, text: str) -> bytes:
        """By which a text is known; empty when nothing is remembered."""
        if not self._most:
            return b""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._key).digest()

    def knows(self, rule: Rule, digest: bytes, text: str, context: Context) -> bool:
        """Has the rule found nothing in this text, so that it would find nothing now?"""
        goes_by = rule.detector.goes_by(text, context) if digest else None
        if goes_by is None:
            return False
        key = (rule, goes_by, digest)
        if key in self._new:
            return True
        if key in self._old:
            self._keep(key)
            return True
        return False

    def keep(self, rule: Rule, digest: bytes, text: str, context: Context) -> None:
        """Remember that the rule has found nothing in it."""
        goes_by = rule.detector.goes_by(text, context) if digest else None
        if goes_by is not None:
            self._keep((rule, goes_by, digest))

    def _keep(self, key: tuple[Rule, str, bytes]) -> None:
        if len(self._new) >= 4 * self._most:
            self._old, self._new = self._new, {}
        self._new[key] = None
