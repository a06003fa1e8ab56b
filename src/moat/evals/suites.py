"""`evals/<suite>.yaml`: what is asked, how answers are scored, and what must hold."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from moat.documents import Document, decode, read_yaml
from moat.domain.errors import ConfigError, DocumentError, MoatError
from moat.domain.releases import digest
from moat.evals.scorers import Scorer
from moat.evals.scorers.plugins import scorer_kind
from moat.evals.scorers.scorer import Named
from moat.evals.slices import check_path
from moat.evals.targets.spec import SPECS, PromptSpec, ResponsesSpec, TargetSpec
from moat.spend.limits import dollars

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Stop = Literal["never", "early"]
Count = Annotated[int, msgspec.Meta(ge=1, le=100)]


class Gate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must hold for one score: not worse than the baseline by more than `margin`, not below `min`."""

    score: str
    """Name of a scorer of the suite."""
    margin: Share | None = None
    """The loss of mean score that is still tolerable; None: not compared with the baseline."""
    min: Share | None = None
    """The least mean score, with or without a baseline."""
    where: str = ""
    """Only the cases of a slice (`moat.evals.slices`), such as `tags=refund` or `labels.intent=returns`."""
    uncalibrated: Literal["refuse", "allow"] = "refuse"
    """May a judge gate whose agreement with people is not known, or no longer?"""


Part = Literal["", "target", "model", "users", "split", "repeats", "timeout"]


class Replaced(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that a suite measured by before, and why it measures by another now: what was found then and what is
    found now do not compare by themselves.
    """

    dataset: str = ""
    """The one that was asked, as the suite named it."""
    scorer: str = ""
    """Name of the score that is found otherwise."""
    part: Part = ""
    """What else is not as it was: who answers (`target`; `model`: another one, or other simulated answers), who plays
    the users, which part of the dataset is asked, how often, and how long an answer may take."""
    reason: Annotated[str, msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        """One reason for one thing."""
        if sum(map(bool, (self.dataset, self.scorer, self.part))) != 1:
            raise ValueError("give one of `dataset`, `scorer` and `part`")


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """A checked suite."""

    name: str
    prompt: str = ""
    """The prompt whose versions it evaluates; empty when something else answers."""
    target: TargetSpec | None = None
    """What answers; None: a version of `prompt`."""
    dataset: Path
    """Resolved against the suite's folder."""
    replaces: tuple[Replaced, ...] = ()
    """What it measured by before, with reasons."""
    split: str = ""
    """The part of the dataset that is asked; empty: all of it."""
    slices: tuple[str, ...] = ()
    """What of the cases reports are split by: `tags`, `labels.<name>`, ... (`moat.evals.slices`)."""
    model: str = ""
    """Alias that answers for versions that name no model, as plain text files do."""
    scorers: tuple[Scorer, ...]
    gates: tuple[Gate, ...] = ()
    repeats: int = 1
    """Answers to each case, at most."""
    least: int = 0
    """After so many, further ones are asked for only where these disagree about a gated score passing, besides one
    more of each case (`statistics.allocation`); 0: all of `repeats`."""
    stop: Stop = "never"
    """`early`: a gate asks no more cases than it takes to decide."""
    concurrency: int = 16
    """Cases under way at one time, at most: fewer when a provider has no room."""
    timeout: float = 60.0
    """Seconds for one answer."""
    budget: int | None = None
    """Picodollars that one run may cost, its scoring included; None: no cap."""
    file: Path = Path()
    """Where it was read from."""

    @property
    def digest(self) -> str:
        """What makes scores comparable: scorers with their options and revisions, and the repeats.

        Gates are left out, so that a changed margin is judged on the stored results without a new run; so are
        the name, the target and the dataset (they have their own digests), concurrency, timeout, budget and `stop`.
        """
        more = {"least": self.least} if self.least else {}
        return digest({"scorers": [scorer.identity for scorer in self.scorers], "repeats": self.repeats, **more})

    @property
    def gated(self) -> frozenset[str]:
        """The scores that decide: those with a gate, or all where there is none."""
        return frozenset(gate.score for gate in self.gates) or frozenset(scorer.name for scorer in self.scorers)

    def repeated(self, repeats: "Repeats | int", where: str) -> "Suite":
        """With other repeats. Raises `ConfigError` for some that adapt where the comparison ends early as well."""
        if isinstance(repeats, int):
            return msgspec.structs.replace(self, repeats=repeats, least=0)
        if self.stop == "early":
            raise ConfigError(
                "`stop: early` and repeats that adapt", where=where, remedy="Give one number of repeats for all cases."
            )
        return msgspec.structs.replace(self, repeats=repeats.most, least=repeats.least)

    def pinned(self, named: Named) -> "Suite":
        """With everything that its scorers name in a project, which the digest then covers. Raises a `MoatError`."""
        try:
            return msgspec.structs.replace(self, scorers=tuple(scorer.pin(named) for scorer in self.scorers))
        except MoatError as error:
            error.where = error.where or f"suite {self.name}"
            raise


class Repeats(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Repeats that are spent where answers flip."""

    least: Annotated[int, msgspec.Meta(ge=2, le=98)]
    most: Annotated[int, msgspec.Meta(le=100)]

    def __post_init__(self) -> None:
        """Each case is asked once after the first ones; more must be possible."""
        if self.most < self.least + 2:
            raise ValueError(f"`most` is at least {self.least + 2}: two more than `least`")


def parse_repeats(text: str, where: str) -> Repeats | int:
    """`3`, or `2..8`. Raises `ConfigError`."""
    least, dots, most = text.partition("..")
    try:
        if dots:
            return msgspec.convert({"least": int(least), "most": int(most)}, Repeats)
        return msgspec.convert(int(text), Count)
    except msgspec.ValidationError as error:
        what = f"{text!r}: {error}"
    except ValueError:
        what = f"{text!r} is no number of repeats"
    raise ConfigError(what, where=where, remedy="Write 3 for every case, or 2..8 for more where answers flip.")


class _SuiteFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file's keys; scorers and the target are decoded by their kind."""

    prompt: str = ""
    target: dict[str, Any] | None = None
    dataset: Annotated[str, msgspec.Meta(min_length=1)]
    replaces: Replaced | list[Replaced] = []
    split: str = ""
    slices: list[str] = []
    scorers: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]
    model: str = ""
    gates: list[Gate] = []
    description: str = ""
    repeats: Count | Repeats = 1
    stop: Stop = "never"
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 16
    timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 60.0
    budget: str = ""


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
    if file.stop == "early":
        _check_early(document, file.gates)
    _check_slices(document, file.slices)
    target = _target(document, file)
    _check_inside(path, file.dataset, document.place(("dataset",)))
    if isinstance(target, ResponsesSpec):
        _check_inside(path, target.path, document.place(("target", "path")))
    suite = Suite(
        name=path.stem,
        prompt=target.prompt if isinstance(target, PromptSpec) else "",
        target=target,
        dataset=path.parent / file.dataset,
        replaces=tuple(file.replaces) if isinstance(file.replaces, list) else (file.replaces,),
        split=file.split,
        slices=tuple(file.slices),
        model=file.model,
        scorers=scorers,
        gates=tuple(file.gates),
        stop=file.stop,
        concurrency=file.concurrency,
        timeout=file.timeout,
        budget=parse_budget(file.budget, document.place(("budget",))) if file.budget else None,
        file=path,
    )
    return suite.repeated(file.repeats, document.place(("repeats",)))


def _check_inside(suite: Path, file: str, where: str) -> None:
    """Raise `ConfigError` for a file that is not in the project, whose `evals/` the suite stands in."""
    root = suite.resolve().parent.parent
    if not (suite.parent / file).resolve().is_relative_to(root):
        remedy = "Suites read files of their project only."
        raise ConfigError(f"{file} is outside of the project", where=where, remedy=remedy)


def parse_budget(text: str, where: str) -> int:
    """Picodollars of `$2.50` or `2.50`. Raises `ConfigError`."""
    return dollars(text.strip().removeprefix("$"), where)


def _target(document: Document, file: _SuiteFile) -> TargetSpec:
    if bool(file.prompt) == (file.target is not None):
        raise ConfigError(
            "both `prompt` and `target`" if file.prompt else "nothing says what answers",
            where=document.place(("target",) if file.prompt else ()),
            remedy="Write `prompt: NAME`, or `target: {kind: ...}` for something else.",
        )
    if file.prompt:
        return PromptSpec(prompt=file.prompt)
    kind = decode(document, _Kind, at=("target",), error=ConfigError).kind
    if kind not in SPECS:
        raise _unknown("target kind", kind, SPECS, document.place(("target", "kind")))
    return decode(document, SPECS[kind], at=("target",), error=ConfigError)


def _check_slices(document: Document, slices: list[str]) -> None:
    for index, name in enumerate(slices):
        _check_slice(name, document.place(("slices", index)))


def _check_slice(path: str, where: str) -> None:
    try:
        check_path(path)
    except ConfigError as error:
        raise ConfigError(error.what, where=where, remedy=error.remedy) from None


def _scorer(document: Document, index: int) -> Scorer:
    at = ("scorers", index)
    kind = decode(document, _Kind, at=at, error=ConfigError).kind
    return decode(document, scorer_kind(kind, document.place((*at, "kind"))), at=at, error=ConfigError)


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
    gated: set[tuple[str, str]] = set()
    for index, gate in enumerate(gates):
        place = document.place(("gates", index, "score"))
        if gate.score not in names:
            raise _unknown("score", gate.score, names, place)
        if gate.where:
            _check_slice(gate.where.partition("=")[0], document.place(("gates", index, "where")))
        if (gate.score, gate.where) in gated:
            raise ConfigError(f"two gates on {gate.score!r}", where=place, remedy="Write one with both limits.")
        if gate.margin is None and gate.min is None:
            raise ConfigError(
                f"the gate on {gate.score!r} demands nothing", where=place, remedy="Give `margin`, `min` or both."
            )
        gated.add((gate.score, gate.where))


def _check_early(document: Document, gates: list[Gate]) -> None:
    """Only margins can be tested again and again: a floor is a matter of all cases."""
    if not gates:
        raise ConfigError(
            "`stop: early` without a gate", where=document.place(("stop",)), remedy="Say what is to be decided."
        )
    for index, gate in enumerate(gates):
        if gate.min is not None:
            raise ConfigError(
                "`stop: early` cannot decide a `min`",
                where=document.place(("gates", index, "min")),
                remedy="Leave it out, or move it to a suite that asks all cases.",
            )
        if gate.margin is None or not 0 < gate.margin < 1:
            raise ConfigError(
                "`stop: early` needs a margin between 0 and 1, neither of the two",
                where=document.place(("gates", index, "margin")),
                remedy="Name a loss that is tolerable, such as 0.05.",
            )


def _unknown(what: str, name: str, known: Iterable[str], where: str) -> ConfigError:
    close = difflib.get_close_matches(name, list(known), n=1)
    remedy = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(sorted(known))}."
    return ConfigError(f"unknown {what} {name!r}", where=where, remedy=remedy)
