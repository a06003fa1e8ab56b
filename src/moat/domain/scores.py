"""Evaluations: cases, scores, runs, verdicts."""

from typing import Any, Literal

import msgspec

ScoreStatus = Literal["ok", "error", "not_run"]
"""A score is a value, an error, or was not run: never silently dropped."""

Verdict = Literal["pass", "regressed", "inconclusive"]

RunStatus = Literal["running", "finished", "interrupted", "stopped"]
"""`stopped`: a random part of the cases is done, which may have been enough to decide a comparison."""


class SimulatedUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user whom a model plays: what he wants, who he is, and when he gives up."""

    goal: str
    persona: str = ""
    max_turns: int = 5


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One example of a dataset: what goes in, and what is expected or known about a good answer."""

    id: str
    variables: dict[str, Any] = {}
    """The prompt's variables."""
    messages: list[dict[str, Any]] = []
    """Further chat messages after the prompt's own."""
    expected: Any = None
    """The reference answer or label, for scorers that compare."""
    labels: dict[str, Any] = {}
    """What scorers look up by name (`intent`, `must_contain`, ...)."""
    tags: list[str] = []
    cluster: str = ""
    """Cases of one document or conversation share a cluster and are not independent."""
    context: list[str] = []
    """The documents that an answer may rest on, where the case itself brings them."""
    turns: list[str] = []
    """What the user says next, one after each answer; the last answer is scored."""
    user: SimulatedUser | None = None
    """A model that plays the user after the first answer, instead of `turns`."""
    golden: bool = False
    """Must stay right: a gated score that falls to a failure on it blocks, whatever the average says."""
    split: str = ""
    """The part of the dataset it belongs to (`dev`, `test`, `held-out`, ...)."""
    source: str = ""
    """Where it comes from: `trace:<id>`, `feedback:<id>`, `review:<id>`, or in words."""

    @property
    def unit(self) -> tuple[str, str]:
        """What is independent of other cases: its cluster, or itself."""
        return ("cluster", self.cluster) if self.cluster else ("case", self.id)


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What one scorer says about one answer."""

    name: str
    value: float | None = None
    """0 (bad) to 1 (good); None unless `status` is ok."""
    status: ScoreStatus = "ok"
    reason: str = ""
    """Why, in words a person can act on."""
    evidence: dict[str, Any] = {}
    """What it rests on, as JSON: votes of judges, parts that matched, ...; for reports, by kind of scorer."""
    cost: int = 0
    """Picodollars that scoring cost."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One case answered once and scored."""

    case: str
    repeat: int = 0
    output: str = ""
    tool_calls: list[dict[str, Any]] = []
    scores: list[Score] = []
    error: str = ""
    """Why there is no answer; then every score is `not_run`."""
    latency_ns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int | None = None
    """Picodollars of the answer, without its scoring; None when unknown."""
    trace_id: str = ""
    messages: list[dict[str, Any]] = []
    """The whole conversation, where it was more than one question and one answer."""
    context: list[str] = []
    """The documents that the target says it answered from."""
    cached: bool = False
    """The answer was given before and cost nothing now: latency, tokens and cost are those of when it was made."""


DRAFT = "draft"
"""Stands for the commit of a run whose prompt is in none."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A stored, resumable evaluation: a suite on one target."""

    id: str
    suite: str
    suite_digest: str
    """Over scorers and repeats: scores of different suites do not compare. Changing a gate needs no new run."""
    dataset_digest: str
    prompt: str
    version: str
    prompt_digest: str
    model: str
    deployments: tuple[str, ...] = ()
    """`provider/model` of everything behind the alias when it ran."""
    behind: str = ""
    """Digest of how those were set up, and of who played the users of cases: the same names may mean something else."""
    policies: tuple[str, ...] = ()
    """`name@digest` of the guard policies that its calls ran under."""
    cases: int
    repeats: int = 1
    least: int = 0
    """After so many answers to each case, more were asked for where these disagreed, up to `repeats`; 0: each case has
    all of them."""
    status: RunStatus = "running"
    created_ns: int = 0
    finished_ns: int = 0
    commit: str = ""
    author: str = ""
    provider: str = ""
    """Providers that answered, `simulated` among them when it did."""
    spent: int = 0
    """Picodollars it cost so far: scoring, and tries without a result, included."""
    score: float | None = None
    """Mean of the gated scores over cases, when finished."""
    target: str = ""
    """What answered, when it was no prompt version: a URL, a function, a file of responses, ...; then `prompt` and
    `version` are empty and `prompt_digest` stands for it."""
    split: str = ""
    """The part of the dataset that was asked; empty: all of it."""
    verdict: str = ""
    """The newest judgement's; empty before there is one."""

    @property
    def simulated(self) -> bool:
        """Did a simulated provider answer, at least in part? Where guards stopped all, would it have?"""
        return "simulated" in (self.provider or " ".join(self.deployments))


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate found about a run, and against what. It says nothing about other gates or another baseline."""

    run: str
    """The candidate's: it names the suite, the data, the prompt and the model."""
    gates_digest: str
    """Over the gates that were judged: a run's own `suite_digest` leaves them out."""
    baseline: str
    """Digest of the prompt it was compared with; empty when there was none."""
    verdict: Verdict
    created_ns: int
    tests: int = 0
    """Among how many tests alpha was split where the comparison may end early; 0: among those of its own gates."""
