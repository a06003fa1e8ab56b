"""Keys, tokens and passwords: by the formats that their issuers give them, and by the names they stand beside."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import ClassVar, Literal

from moat.domain.guards import DataClass
from moat.guards.detector import Context, Detector, Hit, uncut
from moat.guards.detectors.secrets.assigned import assigned, in_urls
from moat.guards.detectors.secrets.formats import Found, keys
from moat.guards.detectors.secrets.private_keys import WINDOW, private_keys
from moat.guards.glance import Glimpse
from moat.guards.pseudonyms import is_digest
from moat.guards.text import Text

Kind = Literal["api_key", "token", "private_key", "password"]
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]


class Secrets(Detector, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Finds credentials. What only looks like one (hashes, UUIDs, placeholders) is left alone."""

    window: ClassVar[int] = WINDOW
    holds: ClassVar[DataClass | None] = "secret"

    kinds: tuple[Kind, ...] = KINDS
    """Which to look for."""
    allow: tuple[str, ...] = ()
    """Values that are never reported, as written."""

    @cached_property
    def _allowed(self) -> frozenset[str]:
        return frozenset(self.allow)

    def goes_by(self, text: str, context: Context) -> str:
        """Nothing but the text."""
        return ""

    def detect(self, text: Text, context: Context) -> Iterable[Hit]:
        """Hits that do not overlap."""
        view = text.legible
        hits = [
            Hit(hit.kind, *view.span(hit.start, hit.end), hit.score, hit.note)
            for hit in self._found(view.text, text.legible_glimpse)
        ]
        more: list[Hit] = []
        for inner, back in text.enclosed:
            view = inner.legible
            more += [
                Hit(hit.kind, *back(*view.span(hit.start, hit.end)), hit.score, hit.note)
                for hit in self._found(view.text, inner.legible_glimpse)
            ]
        return [*hits, *uncut(more, hits)]

    def _found(self, text: str, glimpse: Glimpse) -> Iterator[Hit]:
        last = -1
        hits = [Hit(kind, start, end, score, note) for start, end, score, kind, note in _all(text, glimpse)]
        for hit in sorted(hits, key=lambda h: (h.start, -h.end)):
            if hit.start < last or hit.kind not in self.kinds or is_digest(text, hit.start, hit.end):
                continue
            if text[hit.start : hit.end] not in self._allowed:
                last = hit.end
                yield hit


def _all(text: str, glimpse: Glimpse) -> Iterator[Found]:
    yield from private_keys(text)
    yield from in_urls(text)
    yield from keys(text, glimpse)
    yield from assigned(text, glimpse)
