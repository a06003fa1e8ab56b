"""Evaluations of a project, for those who look at them and try things: what `moat eval` and `moat dataset` show."""

import datetime
from typing import Annotated, Any, Literal, Protocol

import msgspec

from moat.domain.scores import Case, Run
from moat.ports.eval_views import CasesWanted, ResultsWanted, RunComparison, RunDetail, RunResults, SuiteGate

TargetKind = Literal["prompt", "release", "model", "http", "function", "responses"]
MAX_CASES = 10_000_000
"""More than anybody asks."""


class SuiteScorer(msgspec.Struct, frozen=True, kw_only=True):
    """A scorer of a suite."""

    name: str
    kind: str
    judge: bool
    """Does a model's opinion make its score?"""
    gated: bool


class SuiteInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A suite as its file is now. Of a broken one name, path, problems and the last run are known."""

    name: str
    path: str
    problems: tuple[str, ...]
    """Why it cannot be run; empty when it can."""
    target: TargetKind | None = None
    """What answers."""
    prompt: str = ""
    """The prompt whose versions it evaluates; empty when something else answers."""
    answers: str = ""
    """What answers, in words: a prompt, an alias, a function, a file of responses, the host of a service."""
    model: str = ""
    """Alias that answers for versions that name none."""
    digest: str = ""
    """Over scorers and repeats: as a run's `suite_digest`."""
    dataset: str = ""
    """Path from the project."""
    dataset_digest: str = ""
    """Of the cases that it asks; empty when the dataset is broken."""
    cases: int | None = None
    split: str = ""
    slices: tuple[str, ...] = ()
    scorers: tuple[SuiteScorer, ...] = ()
    gates: tuple[SuiteGate, ...] = ()
    repeats: int = 1
    least: int = 0
    """After so many answers to each case, more are asked for only where these disagree; 0: all of `repeats`."""
    stop: Literal["never", "early"] = "never"
    budget: int | None = None
    """Picodollars that one run may cost; none: no cap."""
    last_run: Run | None = None


class DatasetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset as its file is now, beside what is locked."""

    name: str
    """Its file's, without the ending."""
    path: str
    """From the project."""
    state: Literal["locked", "edited", "not locked", "broken"]
    version: int | None
    """That was locked; none when it is not locked."""
    digest: str
    """Of all cases; empty when it is broken."""
    cases: int | None
    reason: str
    author: str
    locked: str
    """Of the lock: why, who, and when (ISO 8601, UTC)."""
    suites: tuple[str, ...]
    """That ask it."""
    problem: str
    """Why it is broken; empty when it is not."""


class PlanWanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a suite should be able to see."""

    suite: Annotated[str, msgspec.Meta(min_length=1)]
    detect: str = "2pts"
    """Difference of mean score: `2pts`, `2%` or `0.02`."""
    power: Annotated[float, msgspec.Meta(ge=0.01, le=0.999)] = 0.8
    """The chance to see it when it is there."""
    alpha: Annotated[float, msgspec.Meta(ge=0.0001, le=0.5)] = 0.05
    """The chance, two-sided, to see one that is not."""
    repeats: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    """None: the suite's own, and some others."""
    pass_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """Assumed instead of what stored runs show."""
    cases: Annotated[int, msgspec.Meta(ge=1, le=MAX_CASES)] | None = None
    """Of how many cases to tell the power; none: of the suite's."""


class PowerPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The chance to see the difference with so many cases."""

    cases: int
    power: float


class PowerOption(msgspec.Struct, frozen=True, kw_only=True):
    """One way to see the difference."""

    repeats: int
    cases: int
    answers: int
    """Cases times repeats: one version's run."""
    cost: int | None
    """Picodollars of one version's run, scoring included; none when no price is known."""


class PowerOfScore(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes for one score."""

    score: str
    known: Literal["two runs", "one run", "stated", "assumed"]
    basis: str
    """What the numbers rest on, in words."""
    sees: float
    """The smallest difference that the suite finds as it is."""
    power: PowerPoint
    """Of the cases that were asked about, else of the suite's."""
    options: tuple[PowerOption, ...]
    """The suite's own repeats first."""
    margin: float | None
    """Of the score's gate."""
    cases_for_margin: int | None
    """Cases with which a version that is no worse passes that gate with this power."""
    curve: tuple[PowerPoint, ...]
    """By cases, with the repeats of the first option."""


class PowerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a suite can see, and what it takes to see more."""

    suite: str
    detect: float
    power: float
    alpha: float
    cases: int
    clusters: int
    """Independent groups of cases."""
    repeats: int
    answer_cost: int | None
    """Picodollars of one answer with its scoring, as stored runs had it."""
    run_cost: int | None
    """Picodollars of one version's run as the suite is."""
    scores: tuple[PowerOfScore, ...]
    notes: tuple[str, ...]
    """What to keep in mind when reading the numbers."""


class JudgeMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """A number with its 95 % interval; no value where it cannot be told."""

    value: float | None
    low: float
    high: float


class JudgeSlice(msgspec.Struct, frozen=True, kw_only=True):
    """How a judge compared with people in one part of the cases: as `JudgeCalibration`."""

    name: str
    """`tags=vip`, `labels.intent=refund`."""
    n: int
    few: bool
    """So few answers that the intervals say next to nothing."""
    tp: int
    fn: int
    fp: int
    tn: int
    kappa: JudgeMeasure
    tpr: JudgeMeasure
    tnr: JudgeMeasure
    shift: JudgeMeasure
    length_bias: JudgeMeasure | None


class JudgeCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """How a judge compared with people, once."""

    created: datetime.date
    expires: datetime.date
    n: int
    """Answers that both judged."""
    people: int
    """Most people who labelled one answer."""
    failed: int
    """Labelled answers that the judge could not score."""
    threshold: float
    """From this value on an answer passes."""
    tp: int
    fn: int
    fp: int
    tn: int
    """`fp`: the judge passed what people failed."""
    kappa: JudgeMeasure
    """Cohen's, of pass and fail."""
    alpha: JudgeMeasure
    """Krippendorff's, between the judge and the people's mean."""
    alpha_people: JudgeMeasure | None
    """Among the people; none when no answer was labelled by two."""
    tpr: JudgeMeasure
    tnr: JudgeMeasure
    """Of what people passed (failed), what the judge passed (failed)."""
    shift: JudgeMeasure
    """How much higher the judge scores than people."""
    length_bias: JudgeMeasure | None
    """How much higher with each doubling of an answer's length."""
    lean: JudgeMeasure | None
    """Of a pairwise judge: how much higher an answer scores in the first place."""
    consistent: JudgeMeasure | None
    """Of a pairwise judge: share of pairs that are judged alike in both orders."""
    slices: tuple[JudgeSlice, ...]
    """Along the paths that the suite had when the judge was compared, else by tag; those with five labelled answers."""


class JudgeStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A judge of a suite, and whether it may be believed."""

    suite: str
    scorer: str
    prompt: str
    """The rubric, `judges/relevance@1.0.0`; empty of a judge that is somebody else's code."""
    models: tuple[str, ...]
    labels: int
    """Labels that people gave for this score so far."""
    standing: Literal["calibrated", "expired", "uncalibrated"]
    words: str
    """Why, in words."""
    calibration: JudgeCalibration | None
    """The last one, also of a judge that changed since."""


class NewCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recorded call that shall become a case."""

    trace_id: Annotated[str, msgspec.Meta(max_length=200)] = ""
    request_id: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """One of the two; of a trace it is the first call."""
    id: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Of the case; empty: the request's."""
    expected: Any = None
    """What a right answer is."""
    labels: dict[str, Any] = {}
    """What else is known about it."""
    tags: Annotated[list[Annotated[str, msgspec.Meta(min_length=1, max_length=200)]], msgspec.Meta(max_length=50)] = []

    def __post_init__(self) -> None:
        """Of one call."""
        if bool(self.trace_id) == bool(self.request_id):
            raise ValueError("give one of `trace_id` and `request_id`")


class CaseProposed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    dataset: str
    """The file that holds the case now, from the project: of a dataset that is locked, the one of its proposals."""
    case: Case
    """With credentials and data about people masked, by their formats."""
    added: bool
    """False: the dataset or its proposals hold it already, or ask the same."""
    next: tuple[str, ...]
    """What to do that it is asked: commands, in this order."""


class Evaluations(Protocol):
    """Evaluations of one project, whose files are read as they are."""

    def detail(self, run_id: str, slice_by: tuple[str, ...]) -> RunDetail:
        """A run by id or unambiguous beginning. Raises `NotFound`, and `ConfigError` for a path that leads nowhere."""
        ...

    def results(self, run_id: str, wanted: ResultsWanted, limit: int) -> RunResults:
        """Its answers, page by page. Raises `NotFound`."""
        ...

    def compare(self, run_id: str, baseline_id: str, wanted: CasesWanted, limit: int) -> RunComparison:
        """With a baseline, or what the gate would take when that is empty. Raises `NotFound`, `ConfigError` for what is
        no slice, and `ConflictError` for runs that do not compare.
        """
        ...

    def suites(self) -> list[SuiteInfo]:
        """By name, broken ones too."""
        ...

    def datasets(self) -> list[DatasetInfo]:
        """By path. Raises `DatasetError` when the lock cannot be read."""
        ...

    def plan(self, wanted: PlanWanted) -> PowerPlan:
        """Raises `NotFound`, and what is wrong with the suite or its data."""
        ...

    def judges(self) -> list[JudgeStanding]:
        """Of all suites that can be read. Raises `DocumentError` for a broken calibration or file of labels."""
        ...

    def propose(self, dataset: str, new: NewCase, actor: str) -> CaseProposed:
        """Raises `NotFound` for a dataset or call that there is not, `ConflictError` for a call that is no case."""
        ...
