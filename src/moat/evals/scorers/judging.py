"""What scorers that ask judges have in common: a prompt of the project, the models that judge, how votes are folded."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Annotated, Any, Self, TypeVar

import msgspec

from moat.domain.errors import ConfigError, MoatError, NotFound
from moat.domain.scores import Case, Score
from moat.evals.answer import MAX_SHOWN, Answered
from moat.evals.judges.asking import STOPPING, Rubric, Vote, rubric_of
from moat.evals.judges.panel import Fold, tally
from moat.evals.judges.shipped import shipped
from moat.evals.scorers.scorer import Bench, Named, NotRun, Scorer, check_expected
from moat.prompts.variables import nearest

T = TypeVar("T")

FOLDER = "judges"
"""Where the prompts of judges stand: `prompts/judges/<metric>/<version>.yaml`."""
FIRST_VERSION = "1.0.0"


class Seat(msgspec.Struct, frozen=True):
    """A model that judges."""

    alias: str
    deployments: tuple[str, ...]
    """What stands behind it (`Named.deployments`): another model, or the same at another address, is another judge."""


class Pinned(msgspec.Struct, frozen=True):
    """What a judge is in one project."""

    rubric: Rubric
    seats: tuple[Seat, ...]


class Judging(Scorer, frozen=True):
    """Asks models, with a prompt of the project. It must be pinned to the project, and bound to a run, before it can
    score.
    """

    prompt: str = ""
    """`name@version` of the judge's prompt."""
    model: str = ""
    """Alias that judges; empty: the one that the prompt names."""
    panel: tuple[str, ...] = ()
    """Several aliases that judge, instead of `model`."""
    repeats: Annotated[int, msgspec.Meta(ge=1, le=25)] = 1
    """How often each model is asked about one answer. Of use only with a prompt whose temperature is above 0."""
    fold: Fold = "mean"
    """How the votes of the panel and of the repeats become one."""
    expected: str = "expected"
    """Where the case has the reference."""
    timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 120.0
    """Seconds for one reply, tries at other deployments included."""

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        check_expected(self.expected)
        if self.model and self.panel:
            raise ValueError("give `model` or `panel`, not both")
        if len(set(self.panel)) != len(self.panel):
            raise ValueError("a model stands twice in `panel`; to ask it several times use `repeats`")
        name, at, version = self.reference.partition("@")
        if not (name and at and version):
            raise ValueError("`prompt` is an exact version, such as judges/tone@1.0.0")

    @property
    def reference(self) -> str:
        """The judge's prompt, `name@version`."""
        return self.prompt

    @property
    def identity(self) -> dict[str, Any]:
        """With the prompt's digest and what stands behind the aliases: another judge's scores do not compare. How long
        it may take makes it no other judge.
        """
        pinned, options = self.pinning, super().identity
        options.pop("timeout", None)
        if pinned is None:
            return options
        seats = [msgspec.to_builtins(seat) for seat in pinned.seats]
        judge = {"prompt": pinned.rubric.id, "digest": pinned.rubric.digest, "seats": seats}
        return {**options, "judge": judge}

    @property
    def models(self) -> tuple[str, ...]:
        """The aliases that judge; of one that is not pinned, those that the suite names."""
        named = self.panel or ((self.model,) if self.model else ())
        return tuple(seat.alias for seat in self.pinning.seats) if self.pinning is not None else named

    @property
    def judges(self) -> bool:
        """It is what a judge is."""
        return True

    @property
    def pinning(self) -> Pinned | None:
        """What it is in a project; None before it is pinned."""
        return vars(self).get("_pinned")

    def pin(self, named: Named) -> Self:
        """Look up the prompt and the models. Raises `ConfigError` with what to do about what is missing."""
        name, _, version = self.reference.partition("@")
        try:
            rubric = rubric_of(named.prompt(name, version))
        except NotFound as error:
            raise self._absent(error) from None
        aliases = self.panel or (self.model or rubric.model,)
        if not aliases[0]:
            raise ConfigError(
                f"nothing says which model judges {self.name!r}", where=rubric.id, remedy="Give the scorer a `model`."
            )
        seats = tuple(Seat(alias, named.deployments(alias)) for alias in aliases)
        return self._with(_pinned=Pinned(rubric, seats))

    def bind(self, bench: Bench) -> Self:
        """Ask through this pipeline. Raises `ConfigError` when it is not pinned."""
        if self.pinning is None:
            raise ConfigError(
                f"the judge {self.name!r} belongs to no project yet", remedy="Pin the scorers of a suite first."
            )
        return self._with(_bench=bench)

    def _with(self, **state: Any) -> Self:
        """A copy that also knows this: what it knows is no option, so no suite can say it."""
        made = msgspec.structs.replace(self)
        vars(made).update({**vars(self), **state})
        return made

    def _absent(self, error: NotFound) -> MoatError:
        name, _, version = self.reference.partition("@")
        folder, _, metric = name.rpartition("/")
        remedy = error.remedy
        if folder == FOLDER and version == FIRST_VERSION:
            known = f"`moat judge add {metric}` writes it." if metric in shipped() else nearest(metric, shipped())
            remedy = known or remedy
        return ConfigError(f"the judge {self.name!r} has no prompt {self.reference}", remedy=remedy)

    @property
    def patience_ns(self) -> int:
        """The timeout, for a call."""
        return round(self.timeout * 1e9)

    @property
    def words(self) -> dict[str, float]:
        """What people may label an answer with, in lower case, and what it is worth; nothing: a number from 0 to 1."""
        return {}

    @property
    def feature(self) -> str:
        """Under which its calls are recorded and paid."""
        return f"judge:{self.name}"

    async def score(self, case: Case, answer: Answered) -> Score:
        """Ask all seats as often as they shall be asked, at the same time, and fold what they say.

        What goes wrong is the score's error. Raises only errors of the set-up (`STOPPING`): they end the run.
        """
        bench, pinned = vars(self).get("_bench"), self.pinning
        assert bench is not None, "a judge is bound before it scores"
        assert pinned is not None, "and pinned before it is bound"
        try:
            votes = await self.votes(case, answer, bench, pinned)
        except NotRun as missing:
            return Score(name=self.name, status="not_run", reason=str(missing))
        except STOPPING:
            raise
        except MoatError as error:
            return Score(name=self.name, status="error", reason=str(error)[:MAX_SHOWN])
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            return Score(name=self.name, status="error", reason=f"the answer cannot be shown: {error}"[:MAX_SHOWN])
        found = tally(votes, self.fold)
        if found.error:
            reason = found.error
            return Score(name=self.name, status="error", reason=reason, evidence=found.evidence, cost=found.cost)
        return Score(
            name=self.name,
            value=found.value,
            status="not_run" if found.value is None else "ok",
            reason=found.reason,
            evidence=found.evidence,
            cost=found.cost,
        )

    async def votes(self, case: Case, answer: Answered, bench: Bench, pinned: Pinned) -> list[Vote]:
        """What each seat says, each time. Raises `NotRun` when the case has nothing to judge by."""
        raise AssertionError("a judge implements `votes`")


async def all_of(work: Sequence[Awaitable[T]]) -> list[T]:
    """Wait for all, also when one of them fails: none is left behind. Raises the first error."""
    results = await asyncio.gather(*work, return_exceptions=True)
    done = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done
