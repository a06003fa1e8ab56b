"""The offline driver: cases through the one pipeline, scores, and verdicts with statistics.

`datasets` and `suites` read files, `runner` answers and scores the cases, `compare` pairs two runs, `gate`
judges the comparison, `markdown` shows it. A new kind of scorer is one file in `scorers/`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moat.domain.scores import Case, Score
    from moat.evals.answer import Answered
    from moat.evals.scorers.scorer import NotRun, scorer

__all__ = ["Answered", "Case", "NotRun", "Score", "scorer"]


def __getattr__(name: str) -> Any:
    """What scorers in projects are written with, imported when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from moat.evals import scorers

    return getattr(scorers, name)
