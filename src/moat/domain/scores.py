"""Evaluations: cases, scores, runs, verdicts."""

from typing import Any, Literal

import msgspec

ScoreStatus = Literal["ok", "error", "not_run"]
"""A score is a value, an error, or was not run: never silently dropped."""

Verdict = Literal["pass", "regressed", "inconclusive"]

RunStatus = Literal["running", "finished", "interrupted"]


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


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What one scorer says about one answer."""

    name: str
    value: float | None = None
    """0 (bad) to 1 (good); None unless `status` is ok."""
    status: ScoreStatus = "ok"
    reason: str = ""
    """Why, in words a person can act on."""


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
    """Picodollars."""
    trace_id: str = ""


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
    cases: int
    repeats: int = 1
    status: RunStatus = "running"
    created_ns: int = 0
    finished_ns: int = 0
    commit: str = ""
    author: str = ""
    provider: str = ""
    """Providers that answered, `simulated` among them when it did."""
    score: float | None = None
    """Mean of the gated scores over cases, when finished."""
    verdict: str = ""
    """The newest judgement's; empty before there is one."""


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
