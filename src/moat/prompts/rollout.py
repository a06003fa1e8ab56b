"""Which version answers: exact references, and what each environment serves."""

import hashlib
import math
import random
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from moat.domain.errors import AccessError, NotFound, PromptError
from moat.domain.releases import Assignment, PromptRef, Release
from moat.ports.prompts import Resolution
from moat.prompts.catalog import Catalog
from moat.prompts.variables import nearest


class _Split(NamedTuple):
    """Arms with a share, and the upper end of each one's share of [0, 1)."""

    arms: tuple[Resolution, ...]
    bounds: tuple[float, ...]


class Rollout:
    """`moat.ports.prompts.Prompts` on a catalog, releases and their assignments at one moment; immutable."""

    def __init__(
        self,
        catalog: Catalog,
        releases: Iterable[Release],
        assignments: Iterable[Assignment],
        default_environment: str,
    ) -> None:
        """Raises `PromptError` naming each assignment that makes no sense: the caller keeps the rollout it has.

        What is assigned is served from the releases themselves; the files matter for exact versions only.
        """
        self._catalog = catalog
        self._default = default_environment
        by_id = {release.id: release for release in releases}
        self._splits: dict[tuple[str, str], _Split] = {}
        flaws: list[str] = []
        for assignment in assignments:
            try:
                self._splits[assignment.environment, assignment.prompt] = _split(by_id, assignment)
            except (PromptError, NotFound) as error:
                flaws.append(f"{assignment.prompt}@{assignment.environment}: {error}")
        if flaws:
            raise PromptError(f"{len(flaws)} assignment(s) cannot be served: {'; '.join(flaws)}")

    def resolve(self, ref: PromptRef, sticky: str) -> Resolution:
        """An exact version, or the arm of the environment's split that `sticky` falls on.

        One `sticky` stays on its arm for as long as the weights allow; an empty one is drawn anew per call.
        Raises `NotFound`, or `PromptError` for a version whose file is broken.
        """
        environment = ref.environment or self._default
        split = self._splits.get((environment, ref.name))
        if ref.version:
            served = (arm for arm in split.arms if arm.prompt.version == ref.version) if split else iter(())
            found = next(served, None)
            if found is None and ref.released_only:
                raise AccessError(
                    f"{ref.name}@{ref.version} is not served in {environment!r}, and this key is for that alone",
                    where="prompt.version",
                )
            return found or Resolution(self._catalog.get(ref.name, ref.version), None)
        if split is None:
            raise self._unserved(ref.name, environment)
        point = _point(environment, ref.name, sticky) if sticky else random.random()
        return split.arms[min(bisect_right(split.bounds, point), len(split.arms) - 1)]

    def _unserved(self, name: str, environment: str) -> NotFound:
        served = sorted(place for place, prompt in self._splits if prompt == name)
        if environment == "latest":
            what = f"there is no latest version of {name}: what runs must be named"
        else:
            what = f"no release of {name} is assigned to {environment!r}"
        places = f"Environments that serve it: {', '.join(served) or 'none'}."
        if name not in self._catalog.names():
            known = nearest(name, {*self._catalog.names(), *(prompt for _, prompt in self._splits)})
            return NotFound(what, remedy=places) if served else NotFound(f"there is no prompt {name!r}", remedy=known)
        return NotFound(what, remedy=f"{places} Versions: {', '.join(self._catalog.versions(name))}.")


def _split(releases: dict[str, Release], assignment: Assignment) -> _Split:
    arms: list[Resolution] = []
    weights: list[float] = []
    for arm in assignment.arms:
        if not (math.isfinite(arm.weight) and arm.weight >= 0):
            raise PromptError(f"the weight {arm.weight} of {arm.release} is not a share")
        if arm.release not in releases:
            raise NotFound(f"there is no release {arm.release}")
        if arm.weight > 0:
            arms.append(Resolution(releases[arm.release].content, releases[arm.release]))
            weights.append(arm.weight)
    if not arms:
        raise PromptError("no arm has a share of the traffic", remedy="Give at least one a weight above 0.")
    total = math.fsum(weights)
    return _Split(tuple(arms), tuple(end / total for end in accumulate(weights)))


def _point(environment: str, prompt: str, sticky: str) -> float:
    """A stable, uniform number in [0, 1): the same user falls on unrelated points for other prompts."""
    salted = f"{environment}\0{prompt}\0{sticky}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(salted).digest()[:6]) / 2**48
