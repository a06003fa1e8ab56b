"""Which requests of a fault-injecting server go wrong, and how.

One fault is a word and what is particular to it, as `moat simulate --fault` takes it:

    429,retry_after=2,rate=0.2      a fifth of the requests are told to come back in two seconds
    idle,after=3,first=1            the first request's answer falls silent after three words

A script is a YAML file of several; the first that applies to a request strikes:

    seed: 7
    words: 12
    pace: 0.02
    faults:
      - {fault: reset-body, model: large, rate: 0.1}
      - {fault: 503, endpoint: /embeddings, skip: 10, first: 5}
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from moat.documents import decode, read_yaml

Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault, and the requests it strikes."""

    kind: str | int = msgspec.field(name="fault")
    """A word of `moat.testing.faults_kinds.FAULTS`, or an HTTP status from 400 on."""
    rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Share of the requests, drawn with the script's seed."""
    model: str = ""
    """Only requests for this model."""
    endpoint: str = ""
    """Only requests whose path ends so."""
    skip: Count = 0
    """Leave so many matching requests alone at first."""
    first: Count = 0
    """Strike so many of them, then no more; 0: all."""
    retry_after: Seconds | None = None
    """Of a status: seconds that `retry-after` names."""
    retry_form: Literal["seconds", "ms", "date"] = "seconds"
    """How it names them."""
    after: Count = 2
    """How much of the answer goes out before the fault: words of a stream, quarters of a whole body."""
    seconds: Seconds = 0.0
    """How long the fault lasts; 0: as its kind does by itself."""

    @property
    def status(self) -> int:
        """The HTTP status, when it is one."""
        text = str(self.kind)
        return int(text) if text.isdecimal() else 0


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a fault-injecting server does."""

    faults: tuple[Fault, ...] = ()
    """The first that applies to a request strikes."""
    seed: int = 0
    words: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 12
    """Of an answer; each is one token and one event."""
    pace: Seconds = 0.0
    """Seconds between two pieces."""


def read_script(path: Path) -> Script:
    """Read a script. Raises `DocumentError` with file and line."""
    return decode(read_yaml(path), Script)
