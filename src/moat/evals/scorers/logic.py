"""Scorers made of scorers, so that a suite can say "both", "either", "not" and "mostly"."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import msgspec

from moat.domain.scores import Case, Score
from moat.evals.answer import Answered
from moat.evals.scorers.plugins import find_kind
from moat.evals.scorers.scorer import Bench, Named, Scorer, scorer

MAX_PARTS = 50


class Composite(Scorer, frozen=True):
    """Scores with its parts, each written as a scorer of its own, and folds their values into one.

    A part that could not be scored (`error`) makes the whole an error, one that is `not_run` is left out; without any
    part that was run, so is the whole. Unless a value settles it, whatever the others are.
    """

    SETTLES: ClassVar[float | None] = None
    """The value of one part that does."""

    of: tuple[dict[str, Any], ...]

    def __post_init__(self) -> None:
        """Read the parts."""
        super().__post_init__()
        if not 1 <= len(self.of) <= MAX_PARTS:
            raise ValueError(f"`of` lists 1 to {MAX_PARTS} scorers")
        self._keep(tuple(_part(options, index) for index, options in enumerate(self.of)))

    @property
    def parts(self) -> tuple[Scorer, ...]:
        """The scorers it is made of."""
        found: tuple[Scorer, ...] = vars(self)["_parts"]
        return found

    def _keep(self, parts: tuple[Scorer, ...]) -> None:
        vars(self)["_parts"] = parts

    def _with(self, parts: tuple[Scorer, ...]) -> "Composite":
        made = msgspec.structs.replace(self)
        made._keep(parts)
        return made

    @property
    def identity(self) -> dict[str, Any]:
        """With those of its parts."""
        return {**super().identity, "of": [part.identity for part in self.parts]}

    @property
    def models(self) -> tuple[str, ...]:
        """Of all parts."""
        return tuple(model for part in self.parts for model in part.models)

    @property
    def judges(self) -> bool:
        """Does one of its parts?"""
        return any(part.judges for part in self.parts)

    def pin(self, named: Named) -> Scorer:
        """With all that its parts name."""
        return self._with(tuple(part.pin(named) for part in self.parts))

    def bind(self, bench: Bench) -> Scorer:
        """With its parts bound."""
        return self._with(tuple(part.bind(bench) for part in self.parts))

    async def score(self, case: Case, answer: Answered) -> Score:
        """Score with every part."""
        scores = [await part.score(case, answer) for part in self.parts]
        evidence = {"of": [msgspec.to_builtins(score) for score in scores]}
        cost = sum(score.cost for score in scores)
        ran = [(index, score.value) for index, score in enumerate(scores) if score.value is not None]
        settled = self.SETTLES is not None and self.SETTLES in [value for _, value in ran]
        broken = next((score for score in scores if score.status == "error"), None)
        if broken is not None and not settled:
            reason = f"{broken.name}: {broken.reason}"
            return Score(name=self.name, status="error", reason=reason, evidence=evidence, cost=cost)
        if not ran:
            reason = f"{scores[0].name}: {scores[0].reason}"
            return Score(name=self.name, status="not_run", reason=reason, evidence=evidence, cost=cost)
        value = self.fold(ran)
        reason = "" if value == 1 else self.explain(scores)
        return Score(name=self.name, value=value, reason=reason, evidence=evidence, cost=cost)

    def fold(self, values: Sequence[tuple[int, float]]) -> float:
        """One value of those that the parts gave, each with the number of its part."""
        raise AssertionError("a composite implements `fold`")

    def explain(self, scores: Sequence[Score]) -> str:
        """Why the value is not 1."""
        return "; ".join(
            f"{score.name}: {score.reason or f'{score.value:.3g}'}" for score in scores if score.value not in (None, 1)
        )


def _part(options: dict[str, Any], index: int) -> Scorer:
    kind = options.get("kind")
    cls = find_kind(kind) if isinstance(kind, str) else None
    if cls is None:
        raise ValueError(f"`of[{index}]`: unknown scorer kind {kind!r}")
    try:
        return msgspec.convert(options, cls)
    except msgspec.ValidationError as error:
        raise ValueError(f"`of[{index}]` ({kind}): {error}") from None


@scorer("all_of")
class AllOf(Composite, frozen=True):
    """The least value of its parts: 1 when all hold."""

    SETTLES = 0.0

    def fold(self, values: Sequence[tuple[int, float]]) -> float:
        """The least."""
        return min(value for _, value in values)


@scorer("any_of")
class AnyOf(Composite, frozen=True):
    """The greatest value of its parts: 1 when one holds."""

    SETTLES = 1.0

    def fold(self, values: Sequence[tuple[int, float]]) -> float:
        """The greatest."""
        return max(value for _, value in values)


@scorer("not")
class Not(Composite, frozen=True):
    """1 minus the value of its one part."""

    def __post_init__(self) -> None:
        """One part."""
        super().__post_init__()
        if len(self.parts) != 1:
            raise ValueError("`of` lists the one scorer that must not hold")

    def fold(self, values: Sequence[tuple[int, float]]) -> float:
        """Its reverse."""
        return 1 - values[0][1]

    def explain(self, scores: Sequence[Score]) -> str:
        """What holds and should not."""
        return f"{scores[0].name} should not hold, and is {scores[0].value:.3g}"


@scorer("mean")
class Mean(Composite, frozen=True):
    """The mean of its parts, weighted by `weights`. With `least`, 1 when it reaches that, else 0."""

    weights: tuple[float, ...] = ()
    """One for each part; none: all the same."""
    least: float | None = None

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if self.weights and len(self.weights) != len(self.parts):
            raise ValueError(f"{len(self.weights)} `weights` for {len(self.parts)} scorers")
        if any(not 0 < weight < 1e9 for weight in self.weights):
            raise ValueError("`weights` are numbers above 0")
        if self.least is not None and not 0 <= self.least <= 1:
            raise ValueError("`least` is a number from 0 to 1")

    @cached_property
    def _weights(self) -> tuple[float, ...]:
        return self.weights or (1.0,) * len(self.parts)

    def fold(self, values: Sequence[tuple[int, float]]) -> float:
        """Their mean."""
        total = sum(self._weights[index] for index, _ in values)
        mean = min(1.0, sum(self._weights[index] * value for index, value in values) / total)
        return mean if self.least is None else float(mean >= self.least)
