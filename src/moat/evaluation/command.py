"""`python -m moat.evaluate`: cases, a function and scorers from the command line, without a project."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from moat.documents import parse_yaml
from moat.domain.errors import MoatError, RequestError
from moat.evals.reports.files import write_report
from moat.evaluation.api import evaluate
from moat.evaluation.outcome import Outcome

EXIT_CODES = {"pass": 0, "regressed": 1, "inconclusive": 2}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it. Exit 0: passes, 1: does not, 2: the cases do not decide; errors as `moat` has them."""
    asked = _parser().parse_args(arguments)
    try:
        outcome = evaluate(
            dataset=asked.dataset,
            target=asked.target or None,
            scorers=[_scorer(text) for text in asked.scorer],
            gates=dict(_gate(text) for text in asked.min),
            slices=asked.slice,
            repeats=asked.repeats,
        )
        _write(outcome, asked)
    except MoatError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    if asked.json:
        sys.stdout.write(msgspec.json.encode(outcome.summary()).decode() + "\n")
    else:
        sys.stdout.write(f"{outcome}\n")
    return EXIT_CODES[outcome.verdict] if outcome.verdict else int(not outcome.passes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m moat.evaluate", description="Evaluate a function on cases.")
    parser.add_argument("--dataset", required=True, metavar="FILE", help="cases: JSON, JSONL, YAML, CSV or Parquet")
    parser.add_argument(
        "--target", default="", metavar="PATH:FUNCTION", help="who answers; without it the cases bring their answers"
    )
    parser.add_argument(
        "--scorer",
        action="append",
        default=[],
        metavar="KIND",
        help="a kind (`equals`), its options (`{kind: number, tolerance: 0.1}`), or `path.py:function`; repeatable",
    )
    parser.add_argument(
        "--min", action="append", default=[], metavar="SCORE=MEAN", help="fail when a mean is below; repeatable"
    )
    parser.add_argument(
        "--slice", action="append", default=[], metavar="PATH", help="scores by `tags`, `labels.<name>`"
    )
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="ask each case so many times")
    parser.add_argument(
        "--output", "-o", action="append", default=[], metavar="FILE", help=".html, .md, .xml, .json or .parquet"
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    return parser


def _scorer(text: str) -> Any:
    if text.lstrip().startswith("{"):
        return parse_yaml(text, name="--scorer").data
    if ".py:" in text:
        return {"kind": "python", "path": text, "name": text.rpartition(":")[2]}
    return text


def _gate(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        what = "is no number" if equals else "has no `=`"
        raise RequestError(f"{text!r} {what}", where="--min", remedy="Write it as `equals=0.85`.") from None


def _write(outcome: Outcome, asked: argparse.Namespace) -> None:
    for name in asked.output:
        write_report(outcome.report, Path(name))
