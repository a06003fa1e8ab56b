"""Evaluations from Python, from pytest and without a project.

    report = moat.evaluate("support", prompt="support/answer@1.1.0")
    assert report.passes, report

    report = moat.evaluate(dataset="test_cases.json", target=my_function, scorers=["equals"])

`suite` has what runs a project's suite, `loose` what needs none, `outcome` what both return.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moat.evaluation.api import evaluate, evaluate_async, gate
    from moat.evaluation.outcome import EvalResult, Outcome

__all__ = ["EvalResult", "Outcome", "evaluate", "evaluate_async", "gate"]


def __getattr__(name: str) -> Any:
    """Loaded at first use: pytest imports this package in every project that has Moat installed."""
    if name in ("EvalResult", "Outcome"):
        from moat.evaluation import outcome

        return getattr(outcome, name)
    if name in ("evaluate", "evaluate_async", "gate"):
        from moat.evaluation import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
