"""A report as JUnit XML, as GitLab, Jenkins and GitHub's test reporters read it.

One `testsuite` for each report, with a test for each case, and one for its gates. A case fails when a gated score (any
score, where nothing is gated) is below 0.5, and is an error when it has no answer or no score. A gate fails when it
regressed, and is an error when it is inconclusive. The verdict is the gates': a suite may pass with cases that fail.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree

import msgspec

from moat.evals.reports.cases import CaseReport
from moat.evals.reports.explorer import conversation, input_of
from moat.evals.reports.page import printable
from moat.evals.reports.repeated import repeat_facts
from moat.evals.reports.report import RunReport, subject
from moat.evals.statistics.repeats import Share

PASSED = 0.5
"""The least score of a case that went well."""
MAX_TEXT = 10_000


def to_junit(reports: Sequence[RunReport]) -> bytes:
    """The XML document."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        _suite(root, report, f"moat.{report.run.suite}", list(_cases(report)), _scores(report))
        if report.gates:
            _suite(root, report, f"moat.{report.run.suite}.gates", list(_gates(report)))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _suite(
    root: ElementTree.Element,
    report: RunReport,
    name: str,
    tests: Sequence[ElementTree.Element],
    more: Iterable[tuple[str, str]] = (),
) -> ElementTree.Element:
    kinds = [child.tag for test in tests for child in test]
    when = datetime.fromtimestamp(report.run.created_ns / 1e9, UTC)
    suite = _element(
        "testsuite",
        name=name,
        tests=str(len(tests)),
        failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")),
        skipped=str(kinds.count("skipped")),
        time=f"{sum(float(test.get('time', '0')) for test in tests):.3f}",
        timestamp=when.strftime("%Y-%m-%dT%H:%M:%S"),
    )
    properties = ElementTree.SubElement(suite, "properties")
    facts = {
        "run": report.run.id,
        "baseline": report.baseline.id if report.baseline else "",
        "subject": subject(report.run),
        "model": report.run.model,
        "dataset": report.run.dataset_digest,
        "verdict": report.verdict or "",
    }
    for key, value in (*facts.items(), *more):
        if value:
            properties.append(_element("property", name=key, value=value))
    suite.extend(tests)
    root.append(suite)
    return suite


def _scores(report: RunReport) -> Iterator[tuple[str, str]]:
    """Each score as properties: its mean, and what repeats say, with intervals."""
    for line in report.scores:
        seen = line.candidate
        found = [("mean", Share(seen.mean, seen.low, seen.high))] if seen.mean is not None else []
        found += repeat_facts(seen.steady) if seen.steady is not None else ()
        for name, share in found:
            key = f"score.{line.name}.{name}"
            yield from ((key, f"{share.mean:.6f}"), (f"{key}.low", f"{share.low:.6f}"))
            yield f"{key}.high", f"{share.high:.6f}"
        if line.corpus is not None:
            yield f"score.{line.name}.corpus", f"{line.corpus:.6f}"


def _cases(report: RunReport) -> Iterator[ElementTree.Element]:
    decisive = {line.name for line in report.scores if line.gated} or {line.name for line in report.scores}
    for one in report.cases:
        seconds = sum(result.latency_ns for result in one.candidate) / 1e9
        test = _element("testcase", classname=f"moat.{report.run.suite}", name=one.case.id, time=f"{seconds:.3f}")
        low = {n: now for n, (now, _) in one.scores.items() if n in decisive and now is not None and now < PASSED}
        if one.failed:
            errors = [
                r.error or f"{s.name}: {s.reason}" for r in one.candidate for s in r.scores if s.status == "error"
            ]
            errors = [result.error for result in one.candidate if result.error] or errors
            test.append(_element("error", _story(one), message=errors[0], type="error"))
        elif low:
            said = ", ".join(f"{name} {value:.2f}" for name, value in low.items())
            test.append(_element("failure", _story(one), message=said, type="score"))
        elif not any(now is not None for now, _ in one.scores.values()):
            test.append(_element("skipped", message="no scorer has anything to say about it"))
        yield test


def _gates(report: RunReport) -> Iterator[ElementTree.Element]:
    for result in report.gates:
        where = result.gate.where
        name = f"{result.gate.score} where {where}" if where else result.gate.score
        test = _element("testcase", classname=f"moat.{report.run.suite}.gates", name=name, time="0")
        if result.verdict != "pass":
            kind = "failure" if result.verdict == "regressed" else "error"
            test.append(_element(kind, result.reason, message=result.reason, type=result.verdict))
        yield test


def _story(one: CaseReport) -> str:
    """What a reader of the test needs: what went in, what was expected, what came out and why it is wrong."""
    parts = [f"input: {_shown(input_of(one.case))}"]
    if one.case.expected is not None:
        parts.append(f"expected: {_shown(one.case.expected)}")
    for result in one.candidate:
        mark = f" (repeat {result.repeat})" if len(one.candidate) > 1 else ""
        parts.append(f"error{mark}: {result.error}" if result.error else f"output{mark}: {result.output}")
        if result.tool_calls:
            parts.append(f"tool calls: {_shown(result.tool_calls)}")
        if result.messages:
            parts.append(f"conversation:\n{conversation(result.messages)}")
        parts += [
            f"{s.name}: {s.status if s.value is None else f'{s.value:.2f}'} {s.reason}".rstrip() for s in result.scores
        ]
    whole = "\n".join(parts)
    return whole if len(whole) <= MAX_TEXT else whole[:MAX_TEXT] + "…"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _element(tag: str, content: str = "", **attributes: str) -> ElementTree.Element:
    element = ElementTree.Element(tag, {name: printable(value) for name, value in attributes.items()})
    if content:
        element.text = printable(content)
    return element
