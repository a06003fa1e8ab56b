"""The shape of `data` in moat.yaml: how sensitive data is, where it may go, and what is kept of it."""

from typing import Annotated, Any, Literal

import msgspec

from moat.domain.guards import DataClass

Handling = Literal["allow", "redact", "refuse"]
"""What becomes of data on its way to a provider. `refuse`: this provider is not asked, another may be."""

Keeping = Literal["full", "redacted", "hash", "none"]
"""What is kept of data. `redacted`: a placeholder. `hash`: a keyed digest, the same for the same value until the server
is started again. `none`: nothing of a call that holds such data, but its measures."""


class FindConfig(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"class_": "class", "with_": "with"}
):
    """How data of a class is found: by words and patterns, or by a detector of guards."""

    class_: DataClass
    words: list[str] = []
    """Words or phrases, however they are spelled."""
    patterns: list[str] = []
    """RE2, on the text as written."""
    use: str = ""
    """Kind of detector, in place of words and patterns."""
    with_: dict[str, Any] = {}
    """Its options."""
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """Score from which a finding counts; default: the detector's own."""


class DestinationConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Providers that are one place as far as data is concerned. A provider that is in none is a place of its own,
    outside.
    """

    providers: Annotated[list[str], msgspec.Meta(min_length=1)]
    region: str = ""
    internal: bool = False
    """Is it the operator's own?"""


class HandlingRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"class_": "class"}):
    """What becomes of data of a class, and of all that is more sensitive, at some destinations."""

    class_: DataClass
    to: list[str] = []
    """Names of destinations or providers, `internal`, `external`, `region:NAME`; empty: anywhere."""
    action: Handling


class DataConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data-handling policy."""

    default: DataClass = "internal"
    """Class of text of which nobody says anything, and in which nothing is found."""
    find: list[FindConfig] = []
    """Beside the detectors `pii` (personal) and `secrets` (secret), which run unless they are named here."""
    destinations: dict[str, DestinationConfig] = {}
    rules: list[HandlingRule] = []
    """Of those that are about a class and a destination the first counts; without one: `allow`."""
    capture: dict[DataClass, Keeping] = {}
    """Default: `redacted` for personal and secret data, `full` for the rest."""
