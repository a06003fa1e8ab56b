"""What a look at the whole installation finds: one list of checks, the same in a terminal and in the console."""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

CheckStanding = Literal["ok", "warning", "error", "unknown"]
"""`error`: something does not work, or secrets lie open. `warning`: it works, and should not stay so. `unknown`: it
could not be looked at, or not in the time there is."""

CheckArea = Literal["project", "providers", "stores", "server", "spending"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. No secret is in it: of credentials only names."""

    area: CheckArea
    name: str
    """Unique: `state store`, `provider openai`."""
    standing: CheckStanding
    looked_at: str
    found: str
    remedy: str = ""
    """What to do, in words; empty where nothing need be done."""
    command: str = ""
    """What to run for it; empty where no command does it."""


class Checkup(msgspec.Struct, frozen=True, kw_only=True):
    """All checks, area by area."""

    checks: tuple[Check, ...]
    errors: int
    warnings: int
    made_ns: int
    """Unix time."""
    url: str
    """Of the server that looked at itself; empty: a command looked at the files, and no server runs."""
    providers: bool
    """Were providers asked?"""


class Doctor(Protocol):
    """Looks at an installation."""

    async def examine(self, *, providers: bool, problems: Sequence[str]) -> Checkup:
        """Changes nothing. `providers`: connect to their hosts too, for ten seconds at most, without a credential.
        `problems`: what the server knows of itself. Whoever asks while somebody else's look of this kind is under way
        gets what that one finds.
        """
        ...
