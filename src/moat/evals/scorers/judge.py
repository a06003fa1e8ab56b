"""A model scores the answer, by a prompt of the project."""

from typing import Any, Literal

from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.judges.asking import RULES, Question, Vote, judgement, missing
from moat.evals.judges.forms import Claims, Documents, Form, Scalar
from moat.evals.judges.material import documents_of, pieces
from moat.evals.scorers.judging import FIRST_VERSION, FOLDER, Judging, Pinned, all_of
from moat.evals.scorers.scorer import Bench, NotRun, scorer

FormName = Literal["score", "claims", "recall", "documents"]

FORMS: dict[str, FormName] = {"groundedness": "claims", "context_recall": "recall", "context_precision": "documents"}
"""Metrics whose judges do not reply with a score."""


@scorer("judge")
class Judge(Judging, frozen=True):
    """A model's score, 0 to 1, for one answer: by one of the shipped metrics, or by a rubric of the project's own."""

    metric: str = ""
    """`relevance` is short for `prompt: judges/relevance@1.0.0`, `relevance@1.1.0` for that version of it."""
    form: FormName | None = None
    """What the judge replies. `score`: a score on the `scale`. `claims`: the claims of the answer, each supported by
    the documents or not. `recall`: the same for the claims of the reference. `documents`: each of use or not. None: as
    the metric needs it, else `score`."""
    scale: str | dict[str, float] = "0-1"
    """Of `score`: `0-1`, `binary`, a range of whole numbers such as `1-5`, or labels with what each is worth."""

    def __post_init__(self) -> None:
        """Check the options."""
        if bool(self.metric) == bool(self.prompt):
            raise ValueError("give `metric` or `prompt`: one says by what is judged")
        super().__post_init__()
        scale = Scalar(self.scale)
        if self._form != "score" and self.scale != "0-1":
            raise ValueError(f"a judge that replies with {self._form} has no `scale`")
        if self.fold == "majority" and not (self._form == "score" and scale.discrete):
            raise ValueError("`fold: majority` needs votes that can be equal: a `scale` of labels or whole numbers")

    @property
    def reference(self) -> str:
        """The prompt, or that of the metric."""
        if not self.metric:
            return self.prompt
        name, _, version = self.metric.partition("@")
        return f"{FOLDER}/{name}@{version or FIRST_VERSION}" if name else ""

    @property
    def identity(self) -> dict[str, Any]:
        """With the form of its replies, which the metric alone does not say."""
        return {**super().identity, "form": self._form}

    @property
    def words(self) -> dict[str, float]:
        """Those of the scale."""
        return Scalar(self.scale).words

    @property
    def _form(self) -> FormName:
        return self.form or FORMS.get(self.metric.partition("@")[0], "score")

    def _reply(self, case: Case, answer: Answered) -> Form:
        match self._form:
            case "claims":
                return Claims()
            case "recall":
                return Claims(of="the reference")
            case "documents":
                return Documents(count=len(documents_of(case, answer)))
        return Scalar(self.scale)

    async def votes(self, case: Case, answer: Answered, bench: Bench, pinned: Pinned) -> list[Vote]:
        """One judgement for each seat and repeat."""
        rubric = pinned.rubric
        wanted = [name for name in rubric.variables if name != RULES]
        material = pieces(case, answer, expected=self.expected, wanted=wanted)
        absent = missing(rubric, material)
        if absent:
            raise NotRun(f"the case has no {', '.join(absent)}, which {rubric.id} wants")
        if self._form == "documents" and "context" not in material:
            raise NotRun("there are no documents")
        form = self._reply(case, answer)
        return await all_of(
            [
                judgement(
                    bench,
                    Question(
                        rubric=rubric,
                        form=form,
                        material=material,
                        model=seat.alias,
                        feature=self.feature,
                        repeat=repeat,
                        patience_ns=self.patience_ns,
                        call_repeat=answer.repeat * self.repeats + repeat,
                    ),
                )
                for seat in pinned.seats
                for repeat in range(self.repeats)
            ]
        )
