"""What a run answers and scores with."""

from dataclasses import dataclass, field

from moat.evals.running.budget import RunBudget
from moat.evals.running.pacing import Pacer
from moat.pipeline.compose import Next
from moat.ports.embedder import Embedder


@dataclass(frozen=True)
class Means:
    """The pipeline, and what stands beside it."""

    ask: Next
    budget: RunBudget = field(default_factory=RunBudget)
    """The `ledger` of the pipeline's ports."""
    pacer: Pacer | None = None
    """Their `health`; None: one that learns only of answers that fail."""
    embedder: Embedder | None = None
