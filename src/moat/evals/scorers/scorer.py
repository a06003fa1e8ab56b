"""What a scorer is."""

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, overload

import msgspec

from moat.domain.calls import Caller
from moat.domain.errors import MoatError
from moat.domain.releases import PromptVersion
from moat.domain.scores import Case, Score
from moat.evals.answer import ABSENT, MAX_SHOWN, Answered, Broken, dig
from moat.pipeline.compose import Next
from moat.ports.embedder import Embedder

KINDS: "dict[str, type[Scorer]]" = {}
"""Every registered kind of scorer."""


Measured = tuple[float, str] | tuple[float, str, dict[str, Any]]
"""A value from 0 to 1, why, and what it rests on (`Score.evidence`)."""


class NotRun(Exception):
    """This case has nothing to compare with; the score is `not_run`."""


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What scorers of one run have at hand."""

    ask: Next
    """The pipeline, for scorers that question a model: their calls are routed, cached, paid and traced as any other."""
    caller: Caller = Caller()
    """In whose name they ask."""
    prompt: PromptVersion | None = None
    """The version whose answers are scored; None when it is no prompt that answers."""
    embedder: Embedder | None = None
    """Makes vectors with the project's embedding model; None when moat.yaml names none."""


class Named(Protocol):
    """A project, for scorers whose scores depend on what it keeps under a name."""

    root: Path

    def prompt(self, name: str, version: str) -> PromptVersion:
        """One exact version. Raises `NotFound`, or what is wrong with its file."""
        ...

    def deployments(self, alias: str) -> tuple[str, ...]:
        """What stands behind a model alias: `provider/model` of each, and what tells how they are set up. For digests:
        others score otherwise. Raises `NotFound` for one that moat.yaml has not.
        """
        ...


class Scorer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, dict=True):
    """A named way to score an answer. Its fields are its options in the suite file.

    Subclasses implement `measure`, or `assess` when they have to wait for something; one that asks a model may
    override `score` itself. From `bind` they keep what they need. `__post_init__` raises `ValueError` for options that
    make no sense.
    """

    revision: ClassVar[int] = 1
    """Raised when the same options come to mean another score: older results then no longer compare."""

    kind: str
    name: str = ""
    """Unique in its suite; the kind when not given."""

    def __post_init__(self) -> None:
        """Default the name."""
        if not self.name:
            msgspec.structs.force_setattr(self, "name", self.kind)

    @property
    def identity(self) -> dict[str, Any]:
        """What its scores mean, as JSON for the suite's digest: options, revision, and what they depend on besides."""
        return {"revision": self.revision, **msgspec.to_builtins(self), "name": self.name}

    @property
    def models(self) -> tuple[str, ...]:
        """Aliases of moat.yaml that it asks."""
        return ()

    @property
    def judges(self) -> bool:
        """Does a model's opinion make its score? Such a score may gate when people were found to agree with it."""
        return False

    def pin(self, named: Named) -> "Scorer":
        """This scorer with everything that it names, so that its `identity` covers it: a changed judge prompt is
        another judge. Done once, when a suite is read; runs no code that it names. Raises a `MoatError` for what there
        is not.
        """
        return self

    def bind(self, bench: Bench) -> "Scorer":
        """This scorer for the answers of one run."""
        return self

    async def score(self, case: Case, answer: Answered) -> Score:
        """Score one answer. Never raises for what an answer or a case holds.

        What no code here can take (numbers beyond a float, JSON too deep to walk) is the score's error.
        """
        return await guarded(self.name, self.assess(case, answer))

    async def assess(self, case: Case, answer: Answered) -> Measured:
        """As `measure`, for what has to be waited for."""
        return self.measure(case, answer)

    def measure(self, case: Case, answer: Answered) -> Measured:
        """The value, 0 to 1, and why. May raise `NotRun` and `Broken`."""
        raise AssertionError("a scorer implements `measure`, `assess` or `score` itself")


async def guarded(name: str, measuring: Awaitable[Measured]) -> Score:
    """The score that comes of measuring, however that ends."""
    try:
        value, reason, *evidence = await measuring
        if not 0 <= value <= 1:
            return Score(name=name, status="error", reason=f"{value} is not between 0 and 1")
        return storable(Score(name=name, value=float(value), reason=reason, evidence=evidence[0] if evidence else {}))
    except NotRun as missing:
        return storable(Score(name=name, status="not_run", reason=str(missing)))
    except Broken as broken:
        return storable(Score(name=name, value=0.0, reason=str(broken)))
    except MoatError as error:
        return storable(Score(name=name, status="error", reason=str(error)))
    except Exception as error:  # noqa: BLE001  the edge of scoring: one answer that a scorer cannot take ends no run
        reason = f"the answer cannot be scored: {type(error).__name__}: {error}"[:MAX_SHOWN]
        return storable(Score(name=name, status="error", reason=reason))


def storable(score: Score) -> Score:
    """The score without halves of surrogate pairs, which JSON cannot hold. Raises `TypeError` for evidence that is no
    JSON.
    """
    try:
        msgspec.json.encode(score)
    except UnicodeEncodeError:
        return msgspec.convert(_encodable(msgspec.to_builtins(score)), Score)
    return score


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    return [_encodable(one) for one in value] if isinstance(value, list) else value


class Comparison(Scorer, frozen=True):
    """A scorer that holds the answer, or the value at `path`, against what the case says at `expected`."""

    expected: str = "expected"
    path: str = ""

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        check_expected(self.expected)


S = TypeVar("S", bound=type[Scorer])
F = TypeVar("F", bound=Callable[..., Any])
_KEYWORDS = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)


@overload
def scorer(named: str) -> Callable[[S], S]: ...
@overload
def scorer(named: F) -> F: ...
def scorer(named: Any) -> Any:
    """Decorator of what scores.

    `@scorer("kind")` registers a `Scorer` class under the kind that suite files name. `@scorer` on a function says that
    it is one (`moat.evals.scorers.functions`), and raises `TypeError` at once when it cannot be called as one; the
    function stays as it is.
    """
    if callable(named):
        if len([p for p in inspect.signature(named).parameters.values() if p.kind not in _KEYWORDS]) < 2:
            raise TypeError(f"`{named.__name__}` has to take an answer and a case")
        return named

    def register(cls: S) -> S:
        if named in KINDS:
            raise ValueError(f"two scorers of kind {named!r}")
        KINDS[named] = cls
        return cls

    return register


def same_json(one: Any, other: Any) -> bool:
    """Are two JSON values equal? Members in any order, 1 is 1.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)


def expected_of(case: Case, path: str) -> Any:
    """What a case says at `expected`, or at a path into it or into `labels`; `NotRun` when it says nothing."""
    group, _, rest = path.partition(".")
    value: Any = {"expected": case.expected, "labels": case.labels}.get(group)
    found = dig(value, rest) if rest else value
    if found is ABSENT or found is None:
        raise NotRun(f"the case has no {path}")
    return found


def check_expected(path: str) -> None:
    """Raise `ValueError` unless a path starts in a case's `expected` or `labels`."""
    if path.split(".")[0] not in ("expected", "labels"):
        raise ValueError(f"`expected` is a path that starts with `expected` or `labels.`, not {path!r}")
