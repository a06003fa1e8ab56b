import json
import math
from xml.etree import ElementTree

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.domain.errors import StorageError
from moat.domain.scores import Case, Result, Score
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.reports.files import rendered, write_report
from moat.evals.reports.junit import to_junit
from moat.evals.reports.markdown import MAX_LENGTH, run_markdown
from moat.evals.reports.report import Mark, means, subject, totals
from moat.evals.reports.tables import COLUMNS, json_parts, rows, write_parquet
from moat.evals.suites import Gate
from tests.evals.reports.worlds import a_dataset, a_report, results

TEXT = st.text(max_size=40)


def one_case(**more):
    """A report on one case."""
    case = Case(id="c", variables={"q": more.pop("question", "?")}, expected=more.pop("expected", None))
    result = Result(case="c", **more)
    dataset = Dataset((case,), dataset_digest((case,)))
    return a_report(dataset=dataset, new=[result], paired=False, gates=())


def test_what_got_worse_comes_first_and_the_totals_add_up():
    report = a_report(80, repeats=2)
    changes = [one.change for one in report.cases]
    assert changes == sorted(changes, key=["worse", "mixed", "better", "new", "same"].index)
    losses = [one.loss for one in report.cases if one.change == "worse"]
    assert losses == sorted(losses, reverse=True)
    assert report.totals.answers == 160
    assert report.totals.cost == 160 * 3_000_000_000
    assert list(report.totals.latency_ns) == sorted(report.totals.latency_ns)
    line = report.scores[0]
    assert line.worse == sum(1 for c in report.cases if (p := c.scores["facts"])[0] < p[1])
    assert report.scores[0].candidate.flake_rate is not None


def test_failures_are_cases_that_failed_and_not_zeros():
    dataset = a_dataset(4)
    new = results(dataset, lambda c: 1.0)
    new[1] = replace(
        new[1], error="timed out", scores=[replace(s, value=None, status="not_run") for s in new[1].scores]
    )
    new[2] = replace(new[2], scores=[Score(name="facts", status="error", reason="judge down"), new[2].scores[1]])
    report = a_report(dataset=dataset, new=new, paired=False, gates=())
    failed = [one.case.id for one in report.cases if one.failed]
    assert failed == [dataset.cases[1].id, dataset.cases[2].id]
    assert report.totals.errors == 1
    assert means(new)["facts"] == {dataset.cases[0].id: 1.0, dataset.cases[3].id: 1.0}
    assert totals([]).latency_ns == ()


def test_json_is_one_document_with_a_version_and_no_number_that_json_lacks():
    report = a_report(10)
    data = json.loads(b"".join(json_parts(report)), parse_constant=lambda name: pytest.fail(name))
    assert (data["format"], data["version"]) == ("moat-eval-report", 1)
    assert {"run", "baseline", "verdict", "gates", "scores", "slices", "totals", "cases"} <= data.keys()
    first = data["cases"][0]
    assert first["case"]["id"] == report.cases[0].case.id
    assert first["candidate"][0]["output"] == report.cases[0].candidate[0].output
    assert data["scores"][0]["candidate"]["mean"] == pytest.approx(report.scores[0].candidate.mean)


def test_parquet_has_a_row_for_each_case_repeat_and_score_of_both_runs(tmp_path):
    report = a_report(10, repeats=2)
    path = tmp_path / "it's.parquet"
    write_parquet(report, path)
    table = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [str(path)])
    assert [column[0] for column in table.description] == list(COLUMNS)
    found = [dict(zip(COLUMNS, row, strict=True)) for row in table.fetchall()]
    assert len(found) == 10 * 2 * 2 * 2
    for row, wanted in zip(found, rows(report), strict=True):
        for name, value in wanted.items():
            shown = json.loads(row[name]) if COLUMNS[name] == "JSON" and row[name] is not None else row[name]
            assert shown == value, name
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_result_without_scores_has_a_row(tmp_path):
    report = one_case(error="down")
    assert [row.get("score") for row in rows(report)] == [None]
    write_parquet(report, tmp_path / "r.parquet")


def test_junit_counts_what_went_wrong_and_carries_the_story():
    dataset = a_dataset(6)
    new = results(dataset, lambda c: 1.0)
    new[0] = replace(new[0], scores=[Score(name="facts", value=0.0, reason="<no> order & nothing")])
    new[1] = replace(new[1], error="timed out", scores=[])
    new[2] = replace(new[2], scores=[Score(name="facts", status="not_run")])
    gates = (Gate(score="facts", min=0.99),)
    root = ElementTree.fromstring(to_junit([a_report(dataset=dataset, new=new, gates=gates)]))
    cases, gated = root.findall("testsuite")
    assert [cases.get(n) for n in ("tests", "failures", "errors", "skipped")] == ["6", "1", "1", "1"]
    failure = cases.find("testcase/failure")
    assert failure.get("message") == "facts 0.00"
    assert "Where is my order number 0?" in failure.text
    assert "expected: It is on its way, order 0." in failure.text
    assert "<no> order & nothing" in failure.text
    assert [case.get("name") for case in gated.findall("testcase")] == ["facts"]
    assert gated.find("testcase")[0].tag in ("failure", "error")
    assert {p.get("name") for p in cases.findall("properties/property")} >= {"run", "baseline", "verdict", "dataset"}


CHILDREN = {
    "testsuites": (set(), {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
        {"properties", "testcase"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname", "time"}, {"skipped", "error", "failure"}),
    "skipped": ({"message"}, set()),
    "error": ({"message", "type"}, set()),
    "failure": ({"message", "type"}, set()),
}
"""Jenkins' junit-10.xsd, as far as these reports use it: the attributes and children of each element."""


@given(TEXT, TEXT, TEXT, st.sampled_from([0.0, 1.0, None]))
def test_junit_is_valid_whatever_models_say(output, reason, error, value):
    score = Score(name=f"s{reason}", value=value, status="ok" if value is not None else "error", reason=reason)
    report = one_case(output=output, error=error, scores=[score], question=output, expected=reason)
    for element in ElementTree.fromstring(to_junit([report])).iter():
        attributes, children = CHILDREN[element.tag]
        assert set(element.attrib) == attributes or element.tag == "skipped"
        assert {child.tag for child in element} <= children


@given(TEXT, TEXT, st.sampled_from([0.0, 0.5, 1.0]))
def test_every_format_takes_whatever_models_say(output, reason, value):
    report = one_case(output=output, scores=[Score(name="s", value=value, reason=reason)], question=reason)
    for kind in ("html", "markdown", "junit", "json"):
        assert b"".join(rendered(report, kind)).decode("utf-8").strip()


def test_markdown_has_the_verdict_first_and_texts_cannot_leave_their_fence():
    dataset = a_dataset(3)
    new = results(dataset, lambda c: 0.0, text="")
    new = [replace(result, output="```\n# heading\n</details> @everyone") for result in new]
    text = run_markdown(a_report(dataset=dataset, new=new, old=results(dataset, lambda c: 1.0)))
    assert text.startswith("## ")
    assert "````\n```\n# heading" in text
    assert text.count("<details>") == 3


def test_long_markdown_is_cut_honestly():
    dataset = a_dataset(30)
    new = [replace(r, output="x" * 20_000, error="") for r in results(dataset, lambda c: 0.0)]
    many = {f"score {number}": "y" * 300 for number in range(60)}
    new = [replace(r, scores=[Score(name=n, value=0.0, reason=w) for n, w in many.items()]) for r in new]
    text = run_markdown(a_report(dataset=dataset, new=new, paired=False, gates=()))
    assert len(text) < MAX_LENGTH + 100
    assert "more.\n" in text


def test_marks_stand_beside_their_score_everywhere():
    report = a_report(12, marks={"facts": Mark(text="uncalibrated judge", mean=0.4, low=0.2, high=0.6)})
    assert "uncalibrated judge" in run_markdown(report)
    assert "corrected 0.400" in run_markdown(report)
    assert json.loads(b"".join(json_parts(report)))["scores"][0]["mark"]["text"] == "uncalibrated judge"


def test_a_target_that_is_no_prompt_has_its_own_name():
    report = a_report(4, paired=False)
    assert subject(replace(report.run, target="https://bot.example/answer")) == "https://bot.example/answer"
    assert subject(replace(report.run, prompt="", version="")) == "assistant"


@pytest.mark.parametrize("name", ["r.html", "r.md", "r.xml", "r.json", "r.parquet"])
def test_files_are_written_whole_or_not_at_all(tmp_path, name):
    report = a_report(5)
    write_report(report, tmp_path / name)
    assert (tmp_path / name).stat().st_size > 500
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with pytest.raises(StorageError, match="cannot be written"):
        write_report(report, tmp_path / "missing" / name)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        write_report(report, tmp_path / "folder" / name)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == [name]


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(StorageError, match="no format is known"):
        write_report(a_report(3), tmp_path / "report.docx")


def test_infinite_uncertainty_is_no_number_in_json():
    report = one_case(output="x", scores=[Score(name="s", value=1.0)])
    assert math.isinf(report.scores[0].candidate.error)
    assert json.loads(b"".join(json_parts(report)))["scores"][0]["candidate"]["error"] is None


def test_a_report_is_built_without_slices_or_gates():
    report = a_report(5, paired=False, gates=(), slice_by=())
    assert (report.verdict, report.slices, report.baseline) == (None, (), None)
