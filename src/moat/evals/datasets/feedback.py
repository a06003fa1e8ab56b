"""Files of what people said about answers."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from moat.documents import decode
from moat.domain.errors import DatasetError
from moat.evals.datasets.growing import Feedback
from moat.evals.datasets.json_text import read_lines
from moat.evals.datasets.rows import Row

Said = Literal["feedback", "review"]
_WORDS = {"up": 1.0, "down": 0.0, "good": 1.0, "bad": 0.0, "positive": 1.0, "negative": 0.0}


class About(NamedTuple):
    """Feedback by what it is about."""

    calls: list[Feedback]
    cases: list[Feedback]


def read_feedback(path: Path) -> About:
    """JSON Lines of `Feedback`; `score` may be a number from 0 to 1, true or false, or `up` and `down`.

    Raises `DatasetError` with file and line.
    """
    found = About([], [])
    for line, data in read_lines(path, str(path)):
        row = Row(str(path), _scored(data), line)
        said = decode(row, Feedback, error=DatasetError)
        if bool(said.trace) == bool(said.case):
            what = "says not what it is about" if not said.trace else "is about a trace and a case"
            raise DatasetError(what, where=row.place(()), remedy="Give `trace` or `case`.")
        if said.score is not None and not 0 <= said.score <= 1:
            raise DatasetError(f"the score {said.score:g} is not between 0 and 1", where=row.place(()))
        (found.calls if said.trace else found.cases).append(said)
    return found


def _scored(data: Any) -> Any:
    """The record with its score as a number."""
    score = data.get("score", msgspec.UNSET) if isinstance(data, dict) else msgspec.UNSET
    if isinstance(score, bool):
        return {**data, "score": float(score)}
    if isinstance(score, str) and score.lower() in _WORDS:
        return {**data, "score": _WORDS[score.lower()]}
    return data
