"""What a scorer is, and what it sees of an answer."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import msgspec

from moat.domain.errors import MoatError
from moat.domain.releases import PromptVersion
from moat.domain.scores import Case, Score
from moat.pipeline.compose import Next

KINDS: "dict[str, type[Scorer]]" = {}
"""Every registered kind of scorer."""

ABSENT: Any = msgspec.UNSET
MAX_SHOWN = 200


class NotRun(Exception):
    """This case has nothing to compare with; the score is `not_run`."""


class Broken(Exception):
    """The answer lacks what the score is about (it is not JSON, has no such field); the score is 0."""


class AnswerView:
    """One answer, as scorers see it."""

    def __init__(
        self,
        text: str,
        *,
        tool_calls: Sequence[dict[str, Any]] = (),
        refusal: str = "",
        latency_ns: int = 0,
        cost: int | None = None,
    ) -> None:
        self.text = text
        self.tool_calls = tool_calls
        """In the OpenAI chat format."""
        self.refusal = refusal
        """What the provider itself marked as a refusal."""
        self.latency_ns = latency_ns
        self.cost = cost
        """Picodollars; None when unknown."""

    @cached_property
    def parsed(self) -> Any:
        """The text as JSON, `ABSENT` when it is none."""
        try:
            return msgspec.json.decode(self.text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return ABSENT

    @property
    def json(self) -> Any:
        """The text as JSON. Raises `Broken` when it is none."""
        if self.parsed is ABSENT:
            fenced = " (it stands in a Markdown fence)" if self.text.lstrip().startswith("```") else ""
            raise Broken(f"the answer is not JSON{fenced}: {shown(self.text)}")
        return self.parsed

    def at(self, path: str) -> Any:
        """The value at a dotted path into the JSON answer; the whole text for an empty path. Or `Broken`."""
        if not path:
            return self.text
        value = dig(self.json, path)
        if value is ABSENT:
            raise Broken(f"the answer has no {path!r}")
        return value


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

    def bind(self, prompt: PromptVersion, ask: Next) -> "Scorer":
        """This scorer for answers of one prompt; `ask` is the pipeline, for scorers that question a model."""
        return self

    async def score(self, case: Case, answer: AnswerView) -> Score:
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

    def measure(self, case: Case, answer: AnswerView) -> tuple[float, str]:
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


def dig(value: Any, path: str) -> Any:
    """What stands at a dotted path (`items.0.id`) in JSON data; `ABSENT` when nothing does."""
    for step in path.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return ABSENT
    return value


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


def shown(value: Any) -> str:
    """A value for a reason, cut to a readable length."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return repr(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…")
