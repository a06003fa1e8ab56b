"""What a driver hands to the pipeline."""

from collections.abc import Callable
from dataclasses import dataclass

from moat.pipeline.compose import Stage
from moat.ports.background import Background
from moat.ports.cache import ResponseCache, SemanticCache
from moat.ports.clock import Clock
from moat.ports.guards import Guards
from moat.ports.handling import Capture, DataHandling
from moat.ports.ledger import Ledger
from moat.ports.models import Health, Models
from moat.ports.prices import Prices
from moat.ports.prompts import Prompts, Renderer
from moat.ports.spool import Spool


@dataclass(frozen=True)
class Ports:
    """The outside world of one pipeline. Online and offline differ here and nowhere else."""

    clock: Clock
    models: Models
    prices: Prices
    prompts: Prompts
    renderer: Renderer
    spool: Spool
    background: Background
    ledger: Ledger | None = None
    """None: nothing is limited."""
    health: Health | None = None
    """None: every deployment is tried."""
    cache: ResponseCache | None = None
    """None: every call goes to a model."""
    semantic: SemanticCache | None = None
    """None: only equal questions are answered from the cache."""
    guards: Guards | None = None
    """None: nothing is guarded."""
    handling: DataHandling | None = None
    """None: data may go anywhere."""
    capture: Capture | None = None
    """None: all data is kept alike."""
    capture_content: bool = True
    """Keep prompts and answers in the record, not just their measures."""
    max_content: int = 2**20
    """Characters of one input or output that a record keeps."""


StageFactory = Callable[[Ports], Stage]
"""Makes a stage from the ports it needs; called once, when the pipeline is built."""
