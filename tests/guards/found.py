"""What a detector finds, for tests."""

from typing import Any

import msgspec

from moat.domain.guards import Place
from moat.guards.detector import Context, Detector, Hit, detector
from moat.guards.text import Text


def made(kind: str, **options: Any) -> Detector:
    """A detector with options as a policy file has them."""
    return msgspec.convert(options, detector(kind))


def found(
    kind: str, text: str, place: Place = "output", about: dict[str, Any] | None = None, **options: Any
) -> list[Hit]:
    """Hits that count at the detector's own threshold; `about`: members of `Context`."""
    one = made(kind, **options)
    hits = one.detect(Text(text), Context(place=place, **(about or {})))
    return [hit for hit in hits if hit.score >= one.threshold]


def kinds(*arguments: Any, **options: Any) -> set[str]:
    """Of what is found."""
    return {hit.kind for hit in found(*arguments, **options)}
