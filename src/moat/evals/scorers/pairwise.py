"""A model says which of two answers is better, asked in both orders."""

from hashlib import sha256
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from moat.domain.errors import ConfigError, InputError
from moat.domain.scores import Case
from moat.evals.answer import ABSENT, Answered, dig
from moat.evals.judges.asking import RULES, Question, Vote, judgement, missing
from moat.evals.judges.forms import Winner
from moat.evals.judges.material import as_text, pieces, response_of
from moat.evals.judges.others import Others, read_others
from moat.evals.scorers.judging import Judging, Pinned, all_of
from moat.evals.scorers.scorer import Bench, Named, NotRun, scorer
from moat.prompts.tree import inside

REFERENCE = "reference"
PAIR = ("first", "second")
"""Variables of the judge's prompt that hold the two answers."""


@scorer("pairwise")
class Pairwise(Judging, frozen=True):
    """1 when the answer is better than another one, 0 when it is worse, one half for a tie.

    Models prefer what stands first, or second (Wang et al. 2023, arXiv 2305.17926): so each is asked in both orders,
    and a preference that turns with the order is a tie.
    """

    prompt: str = "judges/pairwise@1.0.0"
    against: str = REFERENCE
    """`reference`: what the case expects. Else a JSON Lines file, relative to `evals/`, with the answers of another
    version: `moat judge export RUN --all` writes one."""

    def pin(self, named: Named) -> Self:
        """With the file of the other answers."""
        pinned = super().pin(named)
        rubric = pinned.pinning.rubric if pinned.pinning else None
        if rubric is None or not set(PAIR) <= set(rubric.variables):
            raise ConfigError(
                "the prompt of a pairwise judge has the variables `first` and `second`", where=self.reference
            )
        return pinned if self.against == REFERENCE else pinned._with(_other_answers=_others(named, self.against))

    @property
    def identity(self) -> dict[str, Any]:
        """With the other answers."""
        return {**super().identity, "others": self._others.digest if self._others is not None else ""}

    @property
    def words(self) -> dict[str, float]:
        """Of the answer, beside the other one."""
        return {"better": 1.0, "tie": 0.5, "worse": 0.0}

    @property
    def _others(self) -> Others | None:
        return vars(self).get("_other_answers")

    async def votes(self, case: Case, answer: Answered, bench: Bench, pinned: Pinned) -> list[Vote]:
        """Two judgements for each seat and repeat, as one vote."""
        mine, other = response_of(answer), self._other(case, answer)
        if mine == other:
            return [Vote(model=seat.alias, value=0.5, reason="the two answers are the same") for seat in pinned.seats]
        rubric = pinned.rubric
        wanted = [name for name in rubric.variables if name not in (RULES, *PAIR)]
        around = pieces(case, answer, expected=self.expected, wanted=wanted)
        absent = [name for name in missing(rubric, around) if name not in PAIR]
        if absent:
            raise NotRun(f"the case has no {', '.join(absent)}, which {rubric.id} wants")
        questions = [
            Question(
                rubric=rubric,
                form=Winner(),
                material={**around, **{n: [(f"{n} response", text)] for n, text in zip(PAIR, texts, strict=True)}},
                model=seat.alias,
                feature=self.feature,
                repeat=repeat,
                patience_ns=self.patience_ns,
                call_repeat=answer.repeat * self.repeats + repeat,
            )
            for seat in pinned.seats
            for repeat in range(self.repeats)
            for texts in ((mine, other), (other, mine))
        ]
        asked = await all_of([judgement(bench, question) for question in questions])
        lengths = {"answer": len(mine), "other": len(other)}
        return [_both(asked[at], asked[at + 1], lengths) for at in range(0, len(asked), 2)]

    def _other(self, case: Case, answer: Answered) -> str:
        if self._others is not None:
            found = self._others.find(case.id, answer.repeat)
            if found is None:
                raise NotRun(f"{self.against} has no answer to this case")
            return found
        value = dig({"expected": case.expected, "labels": case.labels}, self.expected)
        if value is ABSENT or value is None:
            raise NotRun(f"the case has no {self.expected}")
        return as_text(value)


def _both(ahead: Vote, behind: Vote, lengths: dict[str, int]) -> Vote:
    """One vote of two: `ahead` saw the answer first, `behind` second."""
    costs = {"cost": ahead.cost + behind.cost, "unpriced": ahead.unpriced or behind.unpriced}
    broken = next((vote for vote in (ahead, behind) if vote.error), None)
    if broken is not None:
        return replace(broken, **costs)
    assert ahead.value is not None
    assert behind.value is not None
    values = (ahead.value, 1 - behind.value)
    orders = [
        {"answer": place, "winner": vote.evidence["winner"], "reasoning": vote.reason, "trace": vote.trace}
        for place, vote in zip(PAIR, (ahead, behind), strict=True)
    ]
    swayed = orders[0]["winner"] == orders[1]["winner"] != "tie"
    value = values[0] if values[0] == values[1] else 0.5
    reason = f"the preference turned with the order (each time {orders[0]['winner']})" if swayed else ahead.reason
    evidence = {"orders": orders, "values": list(values), "swayed": swayed, "lengths": lengths}
    return replace(ahead, value=value, reason=reason, evidence=evidence, cached=ahead.cached and behind.cached, **costs)


def _others(named: Named, path: str) -> Others:
    where = f"evals/{path}"
    try:
        content = inside(named.root, where).read_bytes()
        return Others(answers=read_others(content, where), digest=f"sha256:{sha256(content).hexdigest()}")
    except OSError as error:
        raise ConfigError(f"the other answers cannot be read: {error.strerror}", where=where) from None
    except (InputError, msgspec.DecodeError) as error:
        raise ConfigError(f"the other answers cannot be read: {error}", where=where) from None
