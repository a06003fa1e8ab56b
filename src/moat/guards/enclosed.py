"""A text without markup inside values, and what stands in it in another encoding, for detectors of data."""

from collections.abc import Iterable, Iterator

from moat.guards.edits import Edited
from moat.guards.markup import inside_values
from moat.guards.readings import Back, Decoded

_EXACT = frozenset(("base64", "base32", "hex", "escapes", "quoted", "binary", "decimal", "tags"))
"""Encodings that are certain: by others, which are guessed, a number would be another."""


def enclosed(original: str, decoded: Iterable[Decoded]) -> Iterator[tuple[str, Back]]:
    """What there is to read, and the way from it to the characters of the original."""
    if marks := [(*mark.span(), "") for mark in inside_values(original)]:
        shown = Edited(original, marks)
        yield shown.text, shown.back
    for piece in decoded:
        if _EXACT.issuperset(piece.encoding.split("+")):
            yield piece.text, piece.span
