"""What repeats say, and the corpus's numbers of BLEU and chrF, in every form of a report."""

import json
from xml.etree import ElementTree

import msgspec
import pytest

from moat.domain.scores import Result, Score
from moat.evals.reports.files import rendered
from moat.evals.scorers import KINDS
from moat.evals.scorers.bleu import bleu_counts, bleu_of
from moat.evals.statistics.repeats import pass_hat_k
from tests.evals.reports.worlds import a_dataset, a_report, results


def properties(report):
    root = ElementTree.fromstring(b"".join(rendered(report, "junit")))
    return {each.get("name"): each.get("value") for each in root[0].find("properties")}


def test_pass_hat_k_and_flaky_cases_stand_in_every_report():
    dataset = a_dataset(60)
    new = results(dataset, lambda case: 0.8, seed=4, repeats=3)
    report = a_report(dataset=dataset, new=new, repeats=3)
    values = {}
    for result in new:
        values.setdefault(result.case, []).append(result.scores[0].value)
    expected = pass_hat_k(list(values.values()), 3).mean
    steady = report.scores[0].candidate.steady
    assert (steady.repeats, steady.cases, steady.pass_k.mean) == (3, 60, pytest.approx(expected))
    said = json.loads(b"".join(rendered(report, "json")))["scores"][0]
    assert said["candidate"]["steady"]["pass_k"]["mean"] == pytest.approx(expected)
    assert said["baseline"]["steady"]["flaky"]["low"] > 0
    cell = f"{expected:.3f} [{steady.pass_k.low:.3f}, {steady.pass_k.high:.3f}]"
    for kind in ("html", "markdown"):
        text = b"".join(rendered(report, kind)).decode()
        assert cell in text
        assert "pass^k" in text
    found = properties(report)
    assert float(found["score.facts.pass^3"]) == pytest.approx(expected, abs=1e-6)
    assert float(found["score.facts.flaky.low"]) < float(found["score.facts.flaky"])
    assert float(found["score.facts.mean"]) == pytest.approx(report.scores[0].candidate.mean, abs=1e-6)


def test_without_repeats_there_is_nothing_to_say_of_them():
    report = a_report(10)
    assert report.scores[0].candidate.steady is None
    for kind in ("html", "markdown", "junit"):
        assert b"pass^" not in b"".join(rendered(report, kind))


def test_bleu_of_all_answers_at_once_stands_beside_the_mean_of_single_ones():
    dataset = a_dataset(4)
    pairs = [("the cat sat on the mat", "the cat sat on a mat"), ("a dog", "a dog"), ("no", "yes"), ("one two", "two")]
    new, counts = [], []
    for case, (said, wanted) in zip(dataset.cases, pairs, strict=True):
        counts.append(bleu_counts(said, [wanted]))
        score = Score(name="bleu", value=bleu_of(counts[-1], sentence=True), evidence={"counts": counts[-1]})
        new.append(Result(case=case.id, output=said, scores=[score]))
    scorers = (msgspec.convert({"kind": "bleu"}, KINDS["bleu"]), msgspec.convert({"kind": "chrf"}, KINDS["chrf"]))
    report = a_report(dataset=dataset, new=new, old=new, gates=(), scorers=scorers)
    expected = bleu_of([sum(column) for column in zip(*counts, strict=True)], sentence=False)
    line = report.scores[0]
    assert line.corpus == line.baseline_corpus == pytest.approx(expected)
    assert line.corpus != pytest.approx(line.candidate.mean)
    for kind in ("html", "markdown"):
        assert f"{expected:.3f} over all answers at once" in b"".join(rendered(report, kind)).decode()
    assert float(properties(report)["score.bleu.corpus"]) == pytest.approx(expected, abs=1e-6)
