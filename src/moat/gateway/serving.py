"""What the gateway serves at this moment."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from moat.domain.releases import Assignment, Release
from moat.gateway.admission import KeyRing
from moat.pipeline.compose import Next
from moat.ports.prompts import Prompts
from moat.prompts.drift import Drift


@dataclass(frozen=True)
class Serving:
    """An immutable snapshot of everything the request path needs: no database and no file is read on it."""

    run: Next
    """The pipeline, built on this snapshot's prompts, releases, models and prices."""
    keys: KeyRing
    prompts: Prompts
    aliases: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    """`name@environment` of everything that an environment serves."""
    problems: tuple[str, ...] = ()
    """What is broken now; those parts of the snapshot are the last good ones."""
    assignments: Mapping[tuple[str, str], Assignment] = field(default_factory=dict)
    """What is served, by environment and prompt."""
    releases: Mapping[str, Release] = field(default_factory=dict)
    """By id, those of the assignments at least."""
    drift: tuple[Drift, ...] = ()
    """How they have left their ground, as far as it is known yet."""


@dataclass
class Live:
    """Holds the current snapshot. Swapping is one assignment; calls under way finish on their own."""

    serving: Serving
    looked: float = field(default_factory=time.monotonic)
    """When the last look at files and store that is done began, in monotonic seconds."""
    look: Callable[[], None] = lambda: None
    """Asks for a look at once instead of in its turn; from any thread, and returns at once."""
