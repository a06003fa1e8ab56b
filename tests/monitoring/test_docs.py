"""docs/metrics.md says what the page says."""

import re

from tests.docs.pages import ROOT
from tests.monitoring.names import families, types

ROW = re.compile(r"^\| (?P<names>`[^|]+`) \|(?P<labels>[^|]*)\| (?P<what>[^|]+) \|$", re.MULTILINE)
TEXT = (ROOT / "docs" / "metrics.md").read_text("utf-8")
KEPT = {"process_*", "moat_build_info"}


def documented() -> dict[str, tuple[str, ...]]:
    """Labels by metric."""
    found: dict[str, tuple[str, ...]] = {}
    for row in ROW.finditer(TEXT):
        for name in re.findall(r"`([^`]+)`", row["names"]):
            if re.fullmatch(r"(?:llm|moat|gen_ai|process)_.+", name):
                assert name not in found, name
                found[name] = tuple(re.findall(r"`([a-z_]+)`", row["labels"]))
    return found


def test_every_metric_is_documented_with_its_labels_and_no_other() -> None:
    suffix = {"counter": "_total", "gauge": "", "histogram": ""}
    there = {name + suffix[types()[name]]: labels for name, labels in families().items()}
    assert {name: labels for name, labels in documented().items() if name not in KEPT} == there


def test_histograms_are_called_so() -> None:
    rows = {name: row["what"] for row in ROW.finditer(TEXT) for name in re.findall(r"`([^`]+)`", row["names"])}
    assert {name for name, what in rows.items() if what.startswith("Histogram")} == {
        name for name, kind in types().items() if kind == "histogram"
    }
