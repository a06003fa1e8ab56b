"""Which version answers: exact references, and what each environment serves."""

import math
import random
from collections.abc import Iterable

from moat.domain.errors import NotFound, PromptError
from moat.domain.releases import Arm, Assignment, PromptRef, PromptVersion, Release, arm_at, choose
from moat.ports.prompts import Resolution
from moat.prompts.catalog import Catalog
from moat.prompts.semver import order
from moat.prompts.variables import nearest


class _Split:
    """What an environment serves for a prompt, every part of it ready: arms without a share, and the shadow, too."""

    def __init__(self, assignment: Assignment, releases: dict[str, Release]) -> None:
        """Raises `PromptError` for shares that are none, and `NotFound` for an unknown release."""
        self._arms, self._salt, shadow = assignment.arms, assignment.salt, assignment.shadow
        self._copied = (shadow, Arm("", 1 - shadow.weight)) if shadow is not None else ()
        _check_shares(self._arms)
        if self._copied:
            _check_shares(self._copied)
        # The share of a rollout that is over is everybody's: they are no sample of an experiment.
        experiment = assignment.experiment if assignment.progress != "closed" else ""
        self._answers: list[Resolution] = []
        self._by_release: dict[str, Resolution] = {}
        for arm in (*self._arms, *self._copied[:1]):
            if arm.release not in releases:
                raise NotFound(f"there is no release {arm.release}")
            release = releases[arm.release]
            self._answers.append(Resolution(release.content, release, arm.name, experiment))
            self._by_release.setdefault(arm.release, self._answers[-1])

    def choose(self, sticky: str) -> Resolution:
        """The arm that this user falls on; without one, any by its share."""
        return self._answers[_fall(self._arms, self._salt, sticky)]

    def shadow(self, sticky: str) -> str:
        """The release that answers a copy of this user's calls; empty for none."""
        if self._copied and _fall(self._copied, f"{self._salt}\0shadow", sticky) == 0:
            return self._copied[0].release
        return ""

    def of(self, release: str) -> Resolution | None:
        """The arm, or the shadow, of a release."""
        return self._by_release.get(release)

    def serving(self, version: str) -> Release | None:
        """The release of a version, if users get it."""
        shares = [arm.release for arm in self._arms if arm.weight > 0]
        found = (self._by_release[release].release for release in shares)
        return next((release for release in found if release is not None and release.version == version), None)


class Rollout:
    """`moat.ports.prompts.Prompts` on a catalog, releases and their assignments at one moment; immutable."""

    def __init__(
        self,
        catalog: Catalog,
        releases: Iterable[Release],
        assignments: Iterable[Assignment],
        default_environment: str,
        registered: Iterable[PromptVersion] = (),
        before: "Rollout | None" = None,
    ) -> None:
        """`registered` are the versions that the files lack: from other branches, and over the API.

        An assignment that makes no sense hinders no other: it is among the `flaws`, and what was served there `before`
        still is.

        What is assigned is served from the releases themselves; the files matter for exact versions only.
        """
        self._catalog = catalog
        self._registered: dict[str, dict[str, PromptVersion]] = {}
        for prompt in registered:
            self._registered.setdefault(prompt.name, {})[prompt.version] = prompt
        self._default = default_environment
        self._releases = {release.id: release for release in releases}
        self._splits: dict[tuple[str, str], _Split] = {}
        self.flaws: tuple[str, ...] = ()
        for assignment in assignments:
            place = (assignment.environment, assignment.prompt)
            try:
                self._splits[place] = _Split(assignment, self._releases)
            except (PromptError, NotFound) as error:
                self.flaws += (f"{assignment.prompt}@{assignment.environment} cannot be served as assigned: {error}",)
                if before is not None and place in before._splits:
                    self._splits[place] = before._splits[place]

    def resolve(self, ref: PromptRef, sticky: str) -> Resolution:
        """An exact release or version, or the arm of the environment's split that `sticky` falls on.

        One `sticky` stays on its arm for as long as the weights allow; an empty one is drawn anew per call.
        Raises `NotFound`, or `PromptError` for a version whose file is broken.
        """
        environment = ref.environment or self._default
        split = self._splits.get((environment, ref.name))
        if ref.release:
            return (split and split.of(ref.release)) or self._released(ref)
        if ref.version:
            release = split.serving(ref.version) if split else None
            if release is None and ref.released_only:
                raise NotFound.for_this_key()
            return Resolution(release.content if release else self._exact(ref), release)
        if split is None:
            raise NotFound.for_this_key() if ref.released_only else self._unserved(ref.name, environment)
        return split.choose(sticky)

    def shadow(self, ref: PromptRef, sticky: str) -> str:
        """Id of the release that shall answer a copy of this call; empty when none shall.

        Exact versions have no shadow. One `sticky` is copied always or never, for as long as the share allows.
        """
        split = self._splits.get((ref.environment or self._default, ref.name))
        return "" if split is None or ref.version or ref.release else split.shadow(sticky)

    def _released(self, ref: PromptRef) -> Resolution:
        release = self._releases.get(ref.release)
        if release is None or release.prompt != ref.name:
            raise NotFound(f"there is no release {ref.release} of {ref.name}")
        return Resolution(release.content, release)

    def _exact(self, ref: PromptRef) -> PromptVersion:
        others = self._registered.get(ref.name, {})
        if ref.version in others:
            return others[ref.version]
        if others and ref.name not in self._catalog.names():
            versions = ", ".join(sorted(others, key=order))
            what = f"there is no version {ref.version!r} of {ref.name}"
            raise NotFound(what, remedy=f"There are: {versions}, all of them in the registry alone.")
        return self._catalog.get(ref.name, ref.version)

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


def _check_shares(arms: tuple[Arm, ...]) -> None:
    for arm in arms:
        if not (math.isfinite(arm.weight) and arm.weight >= 0):
            raise PromptError(f"the weight {arm.weight} of {arm.release or 'the rest'} is not a share")
    if not 0 < sum(arm.weight for arm in arms) < math.inf:
        raise PromptError("no arm has a share of the traffic", remedy="Give at least one a weight above 0.")


def _fall(arms: tuple[Arm, ...], salt: str, sticky: str) -> int:
    """Index of the arm for this call."""
    if len(arms) == 1:
        return 0
    return choose(arms, salt, sticky) if sticky else arm_at(arms, random.random())
