"""How well a detector does on labelled texts of one's own, or on public ones that are not in the repository.

    python -m bench.guards.labelled DETECTOR FILE [--place documents] [--text NAME] [--label NAME] [--positive VALUE]

FILE is CSV, JSON (a list) or JSON lines, with a text and a label in each row; in a list of bare texts, and without
`--label`, all are positive. A text counts with the score of its surest hit. Printed are recall and false positives at
several thresholds, the threshold that 2 % of the harmless reach, with the recall there, and AUROC.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from bench.guards.measuring import Row, auroc, hits, share, show
from moat.domain.guards import Place
from moat.guards.detector import Context
from moat.guards.detectors.injection import Injection
from moat.guards.detectors.toxicity import Toxicity

DETECTORS = {"injection": Injection(), "toxicity": Toxicity()}
THRESHOLDS = (0.2, 0.5, 0.8, 0.95)
ACCEPTED = 0.02
"""Share of harmless texts that may be taken for others."""
LONGEST = 10_000_000
"""Characters of a field."""


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.guards.labelled")
    parser.add_argument("detector", choices=DETECTORS)
    parser.add_argument("file", type=Path)
    parser.add_argument("--place", choices=get_args(Place), default="input")
    parser.add_argument("--text", default="text", help="the column of the text")
    parser.add_argument("--label", help="the column of the label")
    parser.add_argument("--positive", default="1", help="what the label of a text is that should be found")
    chosen = parser.parse_args()
    try:
        labelled = list(texts(chosen.file, chosen.text, chosen.label, chosen.positive))
    except (OSError, ValueError) as error:
        parser.error(f"{chosen.file}: {error}")
    context = Context(place=chosen.place)
    scores = [
        max((hit.score for hit in hits(DETECTORS[chosen.detector], text, context)), default=0.0) for text, _ in labelled
    ]
    print(show(rows(chosen.file.name, scores, [positive for _, positive in labelled])))
    return 0


def texts(path: Path, text: str, label: str | None, positive: str) -> Iterator[tuple[str, bool]]:
    """Each with whether it should be found."""
    for number, row in enumerate(_read(path), 1):
        if isinstance(row, str):
            yield row, True
            continue
        if missing := [name for name in (text, label) if name is not None and name not in row]:
            raise ValueError(f"row {number} has no {missing[0]}, only {', '.join(map(str, row))}")
        yield str(row[text]), label is None or str(row[label]) == positive


def _read(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".csv":
            csv.field_size_limit(LONGEST)
            yield from csv.DictReader(file)
        elif path.suffix == ".jsonl":
            yield from (json.loads(line) for line in file if line.strip())
        else:
            yield from json.load(file)


def rows(name: str, scores: Sequence[float], positive: Sequence[bool]) -> Iterator[Row]:
    """Shares at each threshold, and where labels are of both sorts the one that few of the harmless reach."""
    found = sorted(score for score, one in zip(scores, positive, strict=True) if one)
    harmless = sorted(score for score, one in zip(scores, positive, strict=True) if not one)
    for measure, of in (("recall", found), ("false positives", harmless)):
        for threshold in THRESHOLDS if of else ():
            yield share(f"{name}, threshold {threshold}", measure, sum(one >= threshold for one in of), len(of))
    if found and harmless:
        least = harmless[int(len(harmless) * (1 - ACCEPTED))]
        yield share(
            f"{name}, above {least:.2f}, as 2 % of the harmless are", "recall", _above(least, found), len(found)
        )
        yield Row(name, "AUROC", auroc(scores, positive), texts=len(scores))


def _above(least: float, scores: Sequence[float]) -> int:
    return sum(one > least for one in scores)


if __name__ == "__main__":
    sys.exit(main())
