"""Moat: operate LLM features. Prompts as code, evals that gate, one pipeline from test to production."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["AsyncMoat", "Moat", "__version__", "evaluate", "evaluate_async", "gate"]

if TYPE_CHECKING:
    from moat.evaluation import evaluate, evaluate_async, gate
    from moat.sdk import AsyncMoat, Moat


def __getattr__(name: str) -> Any:
    """Load the SDK, or evaluations, at first use: `moat --version` and the server never pay for them."""
    if name in ("Moat", "AsyncMoat"):
        from moat import sdk

        return getattr(sdk, name)
    if name in ("evaluate", "evaluate_async", "gate"):
        from moat import evaluation

        return getattr(evaluation, name)
    raise AttributeError(f"module 'moat' has no attribute {name!r}")
