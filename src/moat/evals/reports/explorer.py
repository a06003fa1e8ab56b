"""The data of the page's list of all cases: small JSON, bounded, the most telling cases with all of their texts."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from moat.domain.scores import Case, Result
from moat.evals.reports.cases import CaseReport
from moat.evals.reports.cutting import Cut, pretty
from moat.evals.reports.report import RunReport

FULL, SHORT = 6000, 300
"""Characters of a text: in the cases at the top, and once the page gets large."""
FULL_BYTES, SHORT_BYTES, MOST_BYTES = 7_000_000, 11_000_000, 14_000_000
"""Above the first, texts are cut short; above the second they are left out; above the third, cases are."""


def case_data(report: RunReport) -> tuple[bytes, int]:
    """The JSON, safe inside a `script` element, and how many cases it has no room for."""
    names = [score.name for score in report.scores]
    rows: list[bytes] = []
    size = 0
    for one in report.cases:
        if size > MOST_BYTES:
            break
        limit = FULL if size < FULL_BYTES else SHORT if size < SHORT_BYTES else 0
        row = msgspec.json.encode(_case(one, names, limit))
        row = row.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")
        rows.append(row)
        size += len(row)
    head = msgspec.json.encode(names).replace(b"<", b"\\u003c").replace(b">", b"\\u003e")
    return b'{"scores":' + head + b',"cases":[' + b",\n".join(rows) + b"]}", len(report.cases) - len(rows)


def input_of(case: Case) -> Any:
    """What went in, as a reader wants it: one plain text, or the variables and messages."""
    if len(case.variables) == 1 and not case.messages:
        (value,) = case.variables.values()
        if isinstance(value, str):
            return value
    found: dict[str, Any] = dict(case.variables)
    for name in ("messages", "turns", "context"):
        if value := getattr(case, name):
            found[name] = value
    return found


def conversation(messages: Sequence[dict[str, Any]]) -> str:
    """A conversation as plain text."""
    parts = []
    for message in messages:
        content = message.get("content")
        said = content if isinstance(content, str) else "" if content is None else pretty(content)
        if calls := message.get("tool_calls"):
            said = f"{said}\n{pretty(calls)}".strip()
        parts.append(f"{message.get('role', '?')}: {said}")
    return "\n\n".join(parts)


def _case(one: CaseReport, names: Sequence[str], limit: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "i": one.case.id,
        "c": one.change,
        "v": [one.scores.get(name) for name in names],
    }
    if one.failed:
        row["f"] = 1
    if one.case.golden:
        row["g"] = 1
    if one.case.tags:
        row["t"] = one.case.tags
    if not limit:
        return row | {"cut": 1}
    cut = Cut(limit)
    if given := input_of(one.case):
        row["in"] = cut.any(given)
    if one.case.expected is not None:
        row["ex"] = cut.any(one.case.expected)
    row["new"] = [_result(result, cut) for result in one.candidate]
    if one.baseline:
        row["old"] = [_result(result, cut) for result in one.baseline]
    if cut.happened:
        row["cut"] = 1
    return row


def _result(result: Result, cut: Cut) -> dict[str, Any]:
    row: dict[str, Any] = {"o": cut.text(result.output), "s": list(_scores(result, cut))}
    if result.error:
        row["e"] = cut.text(result.error)
    if result.tool_calls:
        row["t"] = cut.any(result.tool_calls)
    if result.messages:
        row["m"] = cut.text(conversation(result.messages))
    if result.context:
        row["x"] = [cut.text(document) for document in result.context]
    if result.trace_id:
        row["n"] = f"trace {result.trace_id}"
    return row


def _scores(result: Result, cut: Cut) -> Iterable[list[Any]]:
    for score in result.scores:
        row = [score.name, score.value, score.status, cut.text(score.reason)]
        yield [*row, cut.any(score.evidence)] if score.evidence else row
