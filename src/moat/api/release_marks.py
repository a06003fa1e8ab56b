"""When what is served changed: the lines that charts draw through their time."""

import msgspec

from moat.domain.releases import Assignment, Strategy
from moat.ports.releases import ReleaseReader


class ReleaseMark(msgspec.Struct, frozen=True, kw_only=True):
    """When an environment began to serve something else, and who wanted it."""

    environment: str
    prompt: str
    sequence: int
    at_ns: int
    actor: str
    reason: str
    strategy: Strategy
    versions: tuple[str, ...]
    """Of the arms and the shadow, the new one first."""
    releases: tuple[str, ...]
    rolled_back: bool


def marks(releases: ReleaseReader, environment: str, since_ns: int, until_ns: int, limit: int) -> list[ReleaseMark]:
    """The newest of a time, newest first; of one environment when it is named. `until_ns` 0: up to now."""
    found: list[Assignment] = []
    for current in releases.current():
        # Whatever is served since before has no younger assignment.
        if current.created_ns >= since_ns and environment in ("", current.environment):
            found += releases.history(current.prompt, current.environment)
    found = [each for each in found if each.created_ns >= since_ns and not 0 < until_ns <= each.created_ns]
    found.sort(key=lambda each: -each.created_ns)
    return [_mark(releases, each) for each in found[:limit]]


def _mark(releases: ReleaseReader, assignment: Assignment) -> ReleaseMark:
    return ReleaseMark(
        environment=assignment.environment,
        prompt=assignment.prompt,
        sequence=assignment.sequence,
        at_ns=assignment.created_ns,
        actor=assignment.actor,
        reason=assignment.reason,
        strategy=assignment.strategy,
        versions=tuple(releases.get(release).version for release in assignment.releases),
        releases=assignment.releases,
        rolled_back=assignment.returns_to > 0,
    )
