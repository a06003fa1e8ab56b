"""Which answers of a run people should label, and the file they label them in."""

import csv
import io
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from moat.domain.scores import Case, Result, Score
from moat.evals.answer import Answered
from moat.evals.judges.material import as_text, documents_of, question_of, response_of

FORMULA = ("=", "+", "-", "@", "\t", "\r")
UNSURE = 0.25
"""Votes that lie so far apart make a stratum of their own."""
COLUMNS = ("item", "score", "question", "context", "reference", "answer", "value", "rater", "comment", "weight")
OPEN_COLUMNS = ("run", "case", "repeat", "judge", "judge_reason")
"""What a blind file leaves out: whose answer it is, and what the judge said of it."""


class Picked(msgspec.Struct, frozen=True):
    """An answer to label."""

    result: Result
    weight: float
    """How many of the run it stands for."""


def pick(results: Iterable[Result], score: str, count: int, *, seed: str, stratified: bool) -> list[Picked]:
    """So many answers of a run, the same for the same seed, in random order.

    `stratified`: as many of each stratum (quarters of the score, votes that differ, no score) as far as it has them, so
    that rare failures are seen; their weights undo it. Else all have the same chance.
    """
    chance = random.Random(seed)
    strata: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if not result.error:
            strata[_stratum(result, score) if stratified else ""].append(result)
    picked = []
    for (_, group), share in zip(sorted(strata.items()), _shares(strata, count), strict=True):
        weight = len(group) / share if share else 0.0
        picked += [Picked(result, weight) for result in chance.sample(group, share)]
    chance.shuffle(picked)
    return picked


def _shares(strata: Mapping[str, Sequence[Result]], count: int) -> list[int]:
    """How many of each, in order of name: small strata whole, the others in equal parts."""
    sizes = [len(group) for _, group in sorted(strata.items())]
    shares = [0] * len(sizes)
    left = min(count, sum(sizes))
    while left:
        open_ = [index for index, size in enumerate(sizes) if shares[index] < size]
        each = max(1, left // len(open_))
        for index in open_:
            more = min(each, sizes[index] - shares[index], left)
            shares[index] += more
            left -= more
    return shares


def _stratum(result: Result, name: str) -> str:
    score = _score(result, name)
    if score is None or score.value is None:
        return "no score"
    if score.evidence.get("disagreement", 0) >= UNSURE or score.evidence.get("swayed"):
        return "unsure"
    return f"score {min(3, int(score.value * 4))}"


def item_id(run: str, case: str, repeat: int) -> str:
    """Stands for an answer of a run without telling whose it is."""
    return blake2b(msgspec.json.encode((run, case, repeat)), digest_size=8).hexdigest()


def row(run: str, score: str, case: Case | None, picked: Picked, *, blind: bool) -> dict[str, Any]:
    """One line to fill in: `value`, `rater` and, as one likes, `comment`."""
    result = picked.result
    case = case or Case(id=result.case)
    answer = Answered(result.output, tool_calls=result.tool_calls, messages=result.messages, context=result.context)
    judged = _score(result, score)
    line = {
        "item": item_id(run, result.case, result.repeat),
        "score": score,
        "question": question_of(case, answer),
        "context": list(documents_of(case, answer)),
        "reference": case.expected,
        "answer": response_of(answer),
        "value": None,
        "rater": "",
        "comment": "",
        "weight": round(picked.weight, 6),
    }
    if blind:
        return line
    return line | {
        "run": run,
        "case": result.case,
        "repeat": result.repeat,
        "judge": judged.value if judged else None,
        "judge_reason": judged.reason if judged else "",
    }


def written(rows: Sequence[Mapping[str, Any]], *, as_csv: bool, blind: bool) -> bytes:
    """The rows as a file."""
    if not as_csv:
        return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*COLUMNS, *(() if blind else OPEN_COLUMNS)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe: a model wrote it."""
    if value is None or isinstance(value, int | float):
        return value
    text = "\n\n".join(map(str, value)) if isinstance(value, list) else as_text(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _score(result: Result, name: str) -> Score | None:
    return next((score for score in result.scores if score.name == name), None)
