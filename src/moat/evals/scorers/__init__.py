"""Scorers, one file a family. To add one: a file with a `@scorer("kind")` class, and its import here."""

from moat.evals.answer import Answered, Broken
from moat.evals.scorers import labels, limits, patterns, refusal, rouge, structure, text, tools
from moat.evals.scorers.scorer import KINDS, Bench, NotRun, Scorer, scorer

__all__ = [
    "KINDS",
    "Answered",
    "Bench",
    "Broken",
    "NotRun",
    "Scorer",
    "labels",
    "limits",
    "patterns",
    "refusal",
    "rouge",
    "scorer",
    "structure",
    "text",
    "tools",
]
