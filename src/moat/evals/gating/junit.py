"""The outcome of a gate as JUnit XML, which every CI shows: a test suite for each step, a test case for each demand.

Elements and attributes as Jenkins' and GitLab's readers take them. A regressed gate is a failure, an inconclusive one
an error: both are seen, and told apart.
"""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as xml

from moat.domain.scores import Verdict
from moat.evals.gating.outcome import Evaluated, Outcome, subject

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no characters for."""


def to_junit(outcome: Outcome) -> str:
    """One document."""
    root = xml.Element("testsuites", name="moat gate")
    if outcome.lint is not None:
        errors = [problem for problem in outcome.lint.problems if problem.severity == "error"]
        cases = [("files", outcome.lint.verdict, "\n".join(map(str, errors)))]
        _suite(root, "lint", "moat.lint", cases)
    for evaluated in outcome.evaluated:
        name = f"{subject(evaluated)} in {evaluated.pair.suite}"
        _suite(root, name, f"moat.gate.{evaluated.pair.suite}", list(_demands(evaluated)))
    for cost in outcome.costs:
        if cost.limit_percent is not None:
            prompt = cost.estimate.candidate.prompt
            increase = cost.estimate.increase
            why = f"{increase:+.1%}" if increase is not None else "not known"
            demand = f"at most +{cost.limit_percent:g} % a request"
            _suite(root, f"cost of {prompt}", "moat.cost", [(demand, cost.verdict, why)])
    if outcome.failures:
        _suite(root, "not evaluated", "moat.gate", [(why, "inconclusive", why) for why in outcome.failures])
    if outcome.weakened:
        _suite(root, "weakened", "moat.gate", [(why, "inconclusive", why) for why in outcome.weakened])
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(root, encoding="unicode") + "\n"


def _demands(evaluated: Evaluated) -> Iterator[tuple[str, Verdict, str]]:
    for result in evaluated.report.gates:
        gate = result.gate
        where = f" where {gate.where}" if gate.where else ""
        limits = [
            f"margin {gate.margin:g}" if gate.margin is not None else "",
            f"min {gate.min:g}" if gate.min is not None else "",
        ]
        way = f"; {result.way_out}" if result.way_out else ""
        yield f"{gate.score}{where}, {', '.join(filter(None, limits))}", result.verdict, result.reason + way


def _suite(root: xml.Element, name: str, classname: str, cases: list[tuple[str, Verdict, str]]) -> None:
    verdicts = [verdict for _, verdict, _ in cases]
    suite = xml.SubElement(
        root,
        "testsuite",
        name=_text(name),
        tests=str(len(cases)),
        failures=str(verdicts.count("regressed")),
        errors=str(verdicts.count("inconclusive")),
    )
    for title, verdict, why in cases:
        case = xml.SubElement(suite, "testcase", name=_text(title), classname=_text(classname))
        if verdict != "pass":
            tag = "failure" if verdict == "regressed" else "error"
            xml.SubElement(case, tag, message=_text(why), type=verdict).text = _text(why)


def _text(text: str) -> str:
    return _NOT_XML.sub("�", text)
