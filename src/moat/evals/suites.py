"""`evals/<suite>.yaml`: what is asked, how answers are scored, and what must hold."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from moat.documents import Document, decode, read_yaml
from moat.domain.errors import ConfigError, DocumentError
from moat.domain.releases import digest
from moat.evals.scorers import KINDS, Scorer

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Gate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must hold for one score: not worse than the baseline by more than `margin`, not below `min`."""

    score: str
    """Name of a scorer of the suite."""
    margin: Share | None = None
    """The loss of mean score that is still tolerable; None: not compared with the baseline."""
    min: Share | None = None
    """The least mean score, with or without a baseline."""


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """A checked suite."""

    name: str
    prompt: str
    dataset: Path
    """Resolved against the suite's folder."""
    model: str = ""
    """Alias that answers for versions that name no model, as plain text files do."""
    scorers: tuple[Scorer, ...]
    gates: tuple[Gate, ...] = ()
    repeats: int = 1
    concurrency: int = 16
    timeout: float = 60.0
    """Seconds for one answer."""

    @property
    def digest(self) -> str:
        """What makes scores comparable: scorers with their options and revisions, and the repeats.

        Gates are left out, so that a changed margin is judged on the stored results without a new run; so are
        the name, the dataset (it has its own digest), concurrency and timeout.
        """
        scorers = [
            {"revision": scorer.revision, **msgspec.to_builtins(scorer), "name": scorer.name} for scorer in self.scorers
        ]
        return digest({"scorers": scorers, "repeats": self.repeats})


class _SuiteFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file's keys; scorers are decoded one by one, by their kind."""

    prompt: Annotated[str, msgspec.Meta(min_length=1)]
    dataset: Annotated[str, msgspec.Meta(min_length=1)]
    scorers: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]
    model: str = ""
    gates: list[Gate] = []
    description: str = ""
    repeats: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 16
    timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 60.0


class _Kind(msgspec.Struct):
    kind: str


def load_suite(path: Path, *, name: str = "") -> Suite:
    """Read and check a suite; it is named after its file. `name` stands for the path in messages.

    Raises `ConfigError` with file and line: unknown keys, unknown kinds or options of scorers, names that
    stand twice, gates on scores that do not exist.
    """
    try:
        document = read_yaml(path, name=name)
    except DocumentError as error:
        raise ConfigError(error.what, where=error.where, remedy=error.remedy) from error
    file = decode(document, _SuiteFile, error=ConfigError)
    scorers = tuple(_scorer(document, index) for index in range(len(file.scorers)))
    _check_names(document, scorers)
    _check_gates(document, file.gates, {scorer.name for scorer in scorers})
    return Suite(
        name=path.stem,
        prompt=file.prompt,
        dataset=path.parent / file.dataset,
        model=file.model,
        scorers=scorers,
        gates=tuple(file.gates),
        repeats=file.repeats,
        concurrency=file.concurrency,
        timeout=file.timeout,
    )


def _scorer(document: Document, index: int) -> Scorer:
    at = ("scorers", index)
    kind = decode(document, _Kind, at=at, error=ConfigError).kind
    if kind not in KINDS:
        raise _unknown("scorer kind", kind, KINDS, document.place((*at, "kind")))
    return decode(document, KINDS[kind], at=at, error=ConfigError)


def _check_names(document: Document, scorers: tuple[Scorer, ...]) -> None:
    seen: set[str] = set()
    for index, scorer in enumerate(scorers):
        if scorer.name in seen:
            raise ConfigError(
                f"two scorers are named {scorer.name!r}",
                where=document.place(("scorers", index)),
                remedy="Give each its own `name`.",
            )
        seen.add(scorer.name)


def _check_gates(document: Document, gates: list[Gate], names: set[str]) -> None:
    gated: set[str] = set()
    for index, gate in enumerate(gates):
        place = document.place(("gates", index, "score"))
        if gate.score not in names:
            raise _unknown("score", gate.score, names, place)
        if gate.score in gated:
            raise ConfigError(f"two gates on {gate.score!r}", where=place, remedy="Write one with both limits.")
        if gate.margin is None and gate.min is None:
            raise ConfigError(
                f"the gate on {gate.score!r} demands nothing", where=place, remedy="Give `margin`, `min` or both."
            )
        gated.add(gate.score)


def _unknown(what: str, name: str, known: Iterable[str], where: str) -> ConfigError:
    close = difflib.get_close_matches(name, list(known), n=1)
    remedy = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(sorted(known))}."
    return ConfigError(f"unknown {what} {name!r}", where=where, remedy=remedy)
