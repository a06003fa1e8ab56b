"""The tables of docs/guards.md, out of what was measured."""

from collections.abc import Mapping, Sequence

from bench.guards import policy
from bench.guards.measuring import Row

PAGES = {
    "pii": "detectors-pii.md",
    "secrets": "detectors-pii.md",
    "injection": "detectors-injection.md",
    "toxicity": "detectors-content.md",
    "language": "detectors-content.md",
    "groundedness": "detectors-answers.md",
    "leak": "detectors-answers.md",
}
TOLD: dict[str, Sequence[tuple[str, str, str]]] = {
    "pii": (("data of any kind", "all kinds", "recall"), ("harmless texts", "harmless", "false positives")),
    "secrets": (("of any kind", "all", "recall"), ("hashes, ids, placeholders, talk", "all", "false positives")),
    "injection": (
        ("what users write", "threshold 0.5", "recall"),
        ("the same by a list of keywords", "keywords", "recall"),
        ("harmless requests", "threshold 0.5", "false positives"),
        ("harmless, full of trigger words", "threshold 0.5", "false positives, trigger words"),
    ),
    "toxicity": (
        ("all kinds", "all", "AUROC"),
        ("questions and documents", "questions and documents", "false positives"),
    ),
    "language": (
        ("50 characters, 47 languages", "50 characters, 47 languages", "accuracy"),
        ("50 characters that are not English", "50 characters, not English", "recall"),
    ),
    "groundedness": (
        ("claims that contradict", "contradicted claims", "recall"),
        ("claims out of nowhere", "unsupported claims", "recall"),
        ("supported claims", "supported claims", "false positives"),
    ),
    "leak": (
        ("instructions, quoted in parts", "quoted, two sentences", "recall"),
        ("instructions, reworded", "reworded", "recall"),
        ("answers that tell nothing", "harmless", "false positives"),
    ),
}
"""Of each detector: what a row is called there, and which it is: its texts and its measure."""


def summary(cost: policy.Measured | None, detectors: Mapping[str, Sequence[Row]]) -> str:
    """Markdown. Raises `KeyError` for a row that is told of and was not measured."""
    tables = [policy.show(cost)] if cost is not None else []
    lines = ["| detector | texts | measure | share | 95 % | n | us per 2 KB |", "|---|---|---|--:|---|--:|--:|"]
    for name, rows in detectors.items():
        measured = {(row.what, row.measure): row for row in rows}
        took = f"{measured['2 KB of English', 'time'].value:.0f}"
        title = f"[`{name}`]({PAGES[name]})"
        for label, what, measure in TOLD[name]:
            row = measured[what, measure]
            interval = "" if row.low is None or row.high is None else f"{row.low:.3f} to {row.high:.3f}"
            measure = measure.partition(",")[0]
            lines.append(f"| {title} | {label} | {measure} | {row.value:.3f} | {interval} | {row.texts} | {took} |")
            title = took = ""
    return "\n\n".join([*tables, "\n".join(lines)] if detectors else tables)
