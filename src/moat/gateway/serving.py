"""What the gateway serves at this moment."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from moat.caching.report import CacheState
from moat.domain.calls import Call, Event
from moat.domain.errors import NotFound
from moat.domain.releases import Assignment, Release
from moat.gateway.admission import KeyRing
from moat.gateway.idempotency import Answers
from moat.gateway.refusals import Refusals
from moat.gateway.turns import Turns
from moat.pipeline.compose import Next
from moat.pipeline.ports import Ports
from moat.ports.prompts import Prompts
from moat.prompts.drift import Drift
from moat.routing.health import DeploymentState
from moat.spend.counters import Balance


def _no_counter(call: Call) -> AsyncGenerator[Event, None]:
    raise NotFound("this server counts no tokens")


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
    warnings: tuple[str, ...] = ()
    """What is served as moat.yaml says, and is hardly meant."""
    assignments: Mapping[tuple[str, str], Assignment] = field(default_factory=dict)
    """What is served, by environment and prompt."""
    releases: Mapping[str, Release] = field(default_factory=dict)
    """By id, those of the assignments at least."""
    drift: tuple[Drift, ...] = ()
    """How they have left their ground, as far as it is known yet."""
    environments: tuple[str, ...] = ()
    """All that moat.yaml defines."""
    features: tuple[str, ...] = ()
    """The same."""
    count: Next = _no_counter
    """Counts the tokens of a call instead of answering it: see `moat.pipeline.counting`."""
    ports: Ports | None = None
    """What `run` is built on, for work that needs a pipeline with another end."""
    batch_discounts: Mapping[str, float] = field(default_factory=dict)
    """By `provider/model`, where moat.yaml states one: share of the price that its batch API takes off."""


@dataclass
class Live:
    """Holds the current snapshot. Swapping is one assignment; calls under way finish on their own."""

    serving: Serving
    looked: float = field(default_factory=time.monotonic)
    """When the last look at files and store that is done began, in monotonic seconds."""
    deployments: Callable[[], Sequence[DeploymentState]] = lambda: ()
    """How the deployments stand that were asked since the server started."""
    balances: Callable[[], Sequence[Balance]] = lambda: ()
    """How far the limits are used up."""
    caches: Callable[[], Sequence[CacheState]] = lambda: ()
    """What the caches did and hold, by alias."""
    looked_elsewhere: Callable[[], float] = lambda: float("inf")
    """The same of the process that is furthest behind, where others serve beside this one."""
    on_look: Callable[[], None] = lambda: None
    """Told on the event loop when somebody asks for a look."""
    look: Callable[[], None] = lambda: None
    """Asks for a look at once instead of in its turn; from any thread, and returns at once."""
    turns: Turns = field(default_factory=Turns)
    """Who may begin a request now."""
    answers: Answers = field(default_factory=Answers)
    """By idempotency key."""
    refusals: Refusals = field(default_factory=Refusals)
    """What was refused before it was a call."""
