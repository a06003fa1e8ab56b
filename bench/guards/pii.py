"""How much personal data `pii` finds, and what it takes for some that is none."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.guards import records
from bench.guards.measuring import Row, hits, share, timed
from moat.guards.detector import Context, Hit
from moat.guards.detectors.pii import Pii

DATA = Path(__file__).parent / "data/pii/cases.jsonl.gz"
ENGLISH = (
    "Thanks for getting back to me so quickly. We looked at the plan for next spring and most of it is fine, but the "
    "part about the kitchen needs another look: the sink is on the wrong side, and nobody has asked what it costs. "
)


class Case(NamedTuple):
    """One text with one value in it, or with none (`kind` is empty)."""

    text: str
    kind: str
    start: int
    end: int
    lang: str
    obfuscation: str


def cases() -> list[Case]:
    """All, in the order of the file."""
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [Case(r["text"], r["kind"], r["start"], r["end"], r["lang"], r["as"]) for r in rows]


def rows() -> Iterator[Row]:
    """Recall by kind, language and obfuscation; precision by kind; harmless texts in which any was seen."""
    detector, context = Pii(), Context(place="input")
    found, total, right, said = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for case in cases():
        seen = [hit for hit in hits(detector, case.text, context) if hit.score >= detector.threshold]
        for name in _slices(case):
            total[name] += 1
            found[name] += any(is_right(hit, case) for hit in seen) if case.kind else bool(seen)
        for hit in seen:
            said[hit.kind] += 1
            right[hit.kind] += is_right(hit, case)
    for name in total:
        yield share(name, "false positives" if name.startswith("harmless") else "recall", found[name], total[name])
    for kind in said:
        yield share(kind, "precision", right[kind], said[kind])
    yield from records.rows()
    yield from timed(detector, ENGLISH, context)


def is_right(hit: Hit, case: Case) -> bool:
    """The same kind (ids of a person and of a taxpayer are one number in many countries), and most of the value."""
    kinds = {"national_id", "tax_id"} if case.kind in ("national_id", "tax_id") else {case.kind}
    covered = min(hit.end, case.end) - max(hit.start, case.start)
    return hit.kind in kinds and covered >= 0.6 * (case.end - case.start)


def _slices(case: Case) -> Iterator[str]:
    if not case.kind:
        yield "harmless"
    elif case.obfuscation:
        yield f"all kinds, {case.obfuscation}"
    else:
        yield "all kinds" if case.kind != "address" else "addresses"
        yield case.kind
        yield f"in {case.lang}"
