"""What the parts of the detector share: the text they look at, what they look for, and what is known of the text."""

from bisect import bisect_left
from functools import cached_property

from moat.guards.detectors.pii.labels import Labels
from moat.guards.detectors.pii.streets import street_words
from moat.guards.glance import Glimpse


class Search:
    """A text in legible characters, and what is looked for in it."""

    def __init__(self, text: str, kinds: frozenset[str], countries: frozenset[str], glimpse: Glimpse) -> None:
        """`glimpse`: of the text."""
        self.text = text
        self.glimpse = glimpse
        self.kinds = kinds
        self.countries = countries
        self.labels = Labels(text)
        self.likely: dict[tuple[str, str, str, tuple[str, ...]], list[tuple[str, float]]] = {}
        """What runs of digits can be, by their digits, shape, lead and labels: in tables the same ones come again."""

    @cached_property
    def _streets(self) -> list[int]:
        return street_words(self.text)

    def has_streets(self, start: int, end: int) -> bool:
        """Does a word stand between two places without which there is no street address?"""
        at = bisect_left(self._streets, start)
        return at < len(self._streets) and self._streets[at] < end
