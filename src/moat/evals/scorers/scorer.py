"""What a scorer is."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

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


class Scorer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, dict=True):
    """A named way to score an answer. Its fields are its options in the suite file.

    Subclasses implement `measure`; one that asks a model overrides `score` itself and keeps from `bind` what
    it needs. `__post_init__` raises `ValueError` for options that make no sense.
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

    def bind(self, bench: Bench) -> "Scorer":
        """This scorer for the answers of one run."""
        return self

    async def score(self, case: Case, answer: Answered) -> Score:
        """Score one answer. Never raises for what an answer or a case holds.

        What no code here can take (numbers beyond a float, JSON too deep to walk) is the score's error.
        """
        try:
            value, reason = self.measure(case, answer)
        except NotRun as missing:
            return Score(name=self.name, status="not_run", reason=str(missing))
        except Broken as broken:
            return Score(name=self.name, value=0.0, reason=str(broken))
        except MoatError as error:
            return Score(name=self.name, status="error", reason=str(error))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            return Score(name=self.name, status="error", reason=f"the answer cannot be scored: {error}"[:MAX_SHOWN])
        return Score(name=self.name, value=float(value), reason=reason)

    def measure(self, case: Case, answer: Answered) -> tuple[float, str]:
        """The value, 0 to 1, and why. May raise `NotRun` and `Broken`."""
        raise AssertionError("a scorer implements `measure`, or `score` itself")


class Comparison(Scorer, frozen=True):
    """A scorer that holds the answer, or the value at `path`, against what the case says at `expected`."""

    expected: str = "expected"
    path: str = ""

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        check_expected(self.expected)


S = TypeVar("S", bound=type[Scorer])


def scorer(kind: str) -> Callable[[S], S]:
    """Class decorator: register a scorer under the `kind` that suite files name."""

    def register(cls: S) -> S:
        if kind in KINDS:
            raise ValueError(f"two scorers of kind {kind!r}")
        KINDS[kind] = cls
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
