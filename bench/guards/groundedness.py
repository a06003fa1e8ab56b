"""Claims that documents support, contradict or do not mention, sentence by sentence.

Written by hand for this project: ten documents, 3 to 5 claims of each sort.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from bench.guards.measuring import Row, auroc, hits, share, timed
from moat.guards.detector import Context
from moat.guards.detectors.groundedness import Groundedness
from moat.guards.evidence import Evidence

CASES = Path(__file__).parent / "data/groundedness/cases.jsonl"
SORTS = ("supported", "contradicted", "unsupported")
BORDER = 0.5


def claims() -> list[tuple[str, str, tuple[str, ...]]]:
    """Sort, claim, documents."""
    cases = [json.loads(line) for line in CASES.read_text("utf-8").splitlines()]
    return [(sort, claim, tuple(case["documents"])) for case in cases for sort in SORTS for claim in case[sort]]


def rows() -> Iterator[Row]:
    """Shares that are doubted, by sort; AUROC of doubt; an answer with one false sentence of three; time."""
    labelled = claims()
    doubts = [Evidence(documents).doubt(claim).score for _, claim, documents in labelled]
    for sort in SORTS:
        of = [doubt for doubt, (other, _, _) in zip(doubts, labelled, strict=True) if other == sort]
        measure = "false positives" if sort == "supported" else "recall"
        yield share(f"{sort} claims", measure, sum(doubt >= BORDER for doubt in of), len(of))
    for sort in SORTS[1:]:
        pairs = [(d, s == sort) for d, (s, _, _) in zip(doubts, labelled, strict=True) if s in ("supported", sort)]
        value = auroc([doubt for doubt, _ in pairs], [wrong for _, wrong in pairs])
        yield Row(f"supported against {sort}", "AUROC", value, texts=len(pairs))
    value = auroc(doubts, [sort != "supported" for sort, _, _ in labelled])
    yield Row("supported against both", "AUROC", value, texts=len(labelled))
    yield from _time(labelled)


def _time(labelled: list[tuple[str, str, tuple[str, ...]]]) -> Iterator[Row]:
    documents = tuple(dict.fromkeys(document for _, _, those in labelled for document in those))
    text = " ".join(claim for _, claim, _ in labelled)
    assert hits(Groundedness(), text, Context(place="output", documents=documents)), "something is doubted"
    yield from timed(Groundedness(), text, Context(place="output", documents=documents))
