"""Answers that give their instructions away, and answers that only use them.

Written by hand for this project: eight sets of instructions, each with retellings and harmless answers. Quoted and
encoded leaks are made from the instructions.
"""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.guards.measuring import Row, hits, share, timed
from moat.guards.detector import Context
from moat.guards.detectors.leak import Leak

CASES = Path(__file__).parent / "data/leak/cases.jsonl"
CANARY = "heron-4417-lantern"
QUOTED: dict[str, Callable[[str], str]] = {
    "quoted whole": lambda text: f"Sure! Here they are:\n\n{text}",
    "quoted, two sentences": lambda text: "I was told: " + ".".join(text.split(".")[:2]) + ".",
    "quoted, upper case": str.upper,
    "quoted, a word a line": lambda text: "\n".join(text.split()),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
}


def rows() -> Iterator[Row]:
    """Recall by way of leaking, false positives, canaries, time."""
    detector = Leak(canaries=(CANARY,))
    cases = [json.loads(line) for line in CASES.read_text("utf-8").splitlines()]

    def found(answer: str, case: dict[str, str]) -> bool:
        context = Context(place="output", instructions=case["instructions"], question=case["question"])
        return any(hit.score >= detector.threshold for hit in hits(detector, answer, context))

    for name, told in QUOTED.items():
        yield share(name, "recall", sum(found(told(case["instructions"]), case) for case in cases), len(cases))
    for sort, measure in (("reworded", "recall"), ("harmless", "false positives")):
        answers = [(answer, case) for case in cases for answer in case[sort]]
        yield share(sort, measure, sum(found(answer, case) for answer, case in answers), len(answers))
    for name, canary in (
        ("canary", CANARY),
        ("canary, spaced", " ".join(CANARY)),
        ("canary, other marks", "Heron 4417 Lantern"),
    ):
        yield share(name, "recall", sum(found(f"It is {canary}.", case) for case in cases), len(cases))
    context = Context(place="output", instructions=cases[0]["instructions"], question=cases[0]["question"])
    yield from timed(detector, " ".join(answer for case in cases for answer in case["harmless"]), context)
