"""What the gateway serves at this moment."""

from dataclasses import dataclass

from moat.gateway.admission import KeyRing
from moat.pipeline.compose import Next
from moat.ports.prompts import Prompts


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


@dataclass
class Live:
    """Holds the current snapshot. Swapping is one assignment; calls under way finish on their own."""

    serving: Serving
