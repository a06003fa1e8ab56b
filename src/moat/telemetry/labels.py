"""Names that stand on metrics: the project's own, so that their number is bounded whatever callers say."""

from collections.abc import Callable
from typing import NamedTuple

OTHER = "other"
"""In place of a name that the project does not know, or of one too many."""

MAX_TENANTS = 100
"""The first so many have a name of their own."""
MAX_SERIES = 1_000
"""Combinations of names; those that come later have only environment and model."""
MAX_PLAIN = 200
"""Names of one kind that are bounded by nothing else, such as deployments that moat.yaml had over time."""


class Known(NamedTuple):
    """What the project calls its things, at this moment."""

    environments: frozenset[str] = frozenset()
    features: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    """Aliases."""
    releases: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()


class Whose(NamedTuple):
    """The names that a call is counted under."""

    environment: str
    feature: str
    model: str
    release: str
    tenant: str


Said = tuple[str, str, str, str, str]
"""The same as a record has them."""


class Labels:
    """Turns what a record says into names that may stand on a metric. A name that was known once stays known."""

    def __init__(self, known: Callable[[], Known]) -> None:
        self._source = known
        self._known = Known()
        self._former: Known | None = None
        self._tenants: set[str] = set()
        self._made: dict[Said, Whose] = {}
        self._series: set[Whose] = set()
        self._plain: dict[str, set[str]] = {}

    def refresh(self) -> None:
        """Take in names that are new."""
        known = self._source()
        if known is not self._former:
            self._former = known
            self._known = Known(*(old | new for old, new in zip(self._known, known, strict=True)))
            self._made.clear()

    def of(self, said: Said) -> Whose:
        """The names to count by."""
        made = self._made.get(said)
        if made is None:
            if len(self._made) > 10 * MAX_SERIES:  # callers make up names: what is remembered is bounded too
                self._made.clear()
            made = self._made[said] = self._bounded(Whose(*said))
        return made

    def plain(self, kind: str, name: str) -> str:
        """A name of a kind that has few by nature."""
        names = self._plain.setdefault(kind, set())
        if name in names:
            return name
        if len(names) >= MAX_PLAIN:
            return OTHER
        names.add(name)
        return name

    def _bounded(self, said: Whose) -> Whose:
        known = self._known
        named = Whose(
            _one_of(said.environment, known.environments),
            _one_of(said.feature, known.features),
            _one_of(said.model, known.models),
            _one_of(said.release, known.releases),
            self._tenant(said.tenant),
        )
        if named in self._series:
            return named
        if len(self._series) >= MAX_SERIES:
            return named._replace(feature=OTHER, release=OTHER, tenant=OTHER)
        self._series.add(named)
        return named

    def _tenant(self, said: str) -> str:
        if said not in self._known.tenants:
            return _one_of(said, frozenset())
        if said not in self._tenants and len(self._tenants) >= MAX_TENANTS:
            return OTHER
        self._tenants.add(said)
        return said


def _one_of(name: str, known: frozenset[str]) -> str:
    """The name where it is known or empty."""
    return name if not name or name in known else OTHER
