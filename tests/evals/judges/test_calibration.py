"""How a judge compares with people: measures, standing, corrected means, labels and samples."""

import datetime
import random
from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.errors import ConfigError, DocumentError, InputError, StorageError
from moat.domain.scores import Case, Result, Score
from moat.evals.answer import Answered
from moat.evals.calibration.agreement import Coefficient, Measures, Pair, Shift, measures, people_agree
from moat.evals.calibration.correction import corrected
from moat.evals.calibration.estimating import estimate
from moat.evals.calibration.sampling import item_id, pick, row, written
from moat.evals.calibration.standing import Calibration, judge_identity, keep, standing
from moat.evals.compare import Summary
from moat.evals.judges.labels import Item, Label, items, labels_text, merged, read_labels, read_rows, value_of
from moat.evals.scorers import NotRun
from moat.evals.statistics.intervals import mean_interval
from tests.evals.judges.worlds import World, a_scorer, scores

DAY_NS = 86_400 * 10**9
TODAY = datetime.date(2026, 5, 1)
NOW_NS = int(datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC).timestamp()) * 10**9


def pairs(table, **more):
    """`(truth, judged): count` -> pairs."""
    listed = [values for values, count in table.items() for _ in range(count)]
    return [
        Pair(case=f"c{n}", people=(truth,), judged=judged, length=50 + n, **more)
        for n, (truth, judged) in enumerate(listed)
    ]


def test_rates_and_coefficients_of_a_known_table() -> None:
    found = measures(pairs({(1, 1): 40, (1, 0): 10, (0, 1): 5, (0, 0): 45}), 0.5)
    assert (found.n, found.tp, found.fn, found.fp, found.tn) == (100, 40, 10, 5, 45)
    assert (found.tpr.value, found.tnr.value) == (0.8, 0.9)
    assert found.kappa.value == pytest.approx(0.7)
    assert 0.5 < found.kappa.low < 0.7 < found.kappa.high < 0.86
    assert found.shift.mean == pytest.approx(-0.05)
    assert found.binary
    assert (found.people, found.alpha_people, found.sway) == (1, None, None)


def test_a_judge_that_likes_long_answers_and_the_first_place_is_seen() -> None:
    chance = random.Random(1)
    listed = []
    for number in range(120):
        truth, length = chance.random(), chance.randint(20, 2000)
        judged = min(1.0, max(0.0, truth + 0.05 * (np.log2(length) - 9)))
        orders = (1.0, 0.0) if number % 2 else (0.5, 0.5)
        listed.append(Pair(case=f"c{number}", people=(truth,), judged=judged, length=length, orders=orders))
    found = measures(listed, 0.5)
    assert found.length_bias is not None
    assert 0.02 < found.length_bias.low < found.length_bias.value < found.length_bias.high < 0.08
    assert not found.binary
    assert found.sway is not None
    assert found.sway.lean.value == pytest.approx(0.5)
    assert found.sway.consistent.value == pytest.approx(0.5)


def test_weights_undo_what_a_stratified_sample_took_too_often() -> None:
    rare = pairs({(0, 0): 20, (1, 0): 20}, weight=1.0)
    common = pairs({(1, 1): 20, (0, 1): 4}, weight=20.0)
    found = measures([*rare, *common], 0.5)
    assert found.tpr.value == pytest.approx(400 / 420, abs=0.02)
    assert found.tnr.value == pytest.approx(20 / 100, abs=0.05)
    assert found.tp + found.fn < 40


def test_all_measures_of_a_stratified_sample_are_those_of_the_run() -> None:
    """Copies of an answer instead of a weight: the same coefficients."""
    chance = random.Random(2)
    listed = []
    for number in range(60):
        truth, weight = chance.randint(0, 4) / 4, chance.choice([1, 2, 9])
        judged = min(1.0, truth + chance.choice([0, 0.2, 0.4]) * (weight > 2))
        orders = (1.0, 0.0) if weight > 2 else (0.5, 0.5)
        people = (truth, truth, 1.0) if number % 3 else (truth,)
        listed.append(
            Pair(
                case=f"c{number}",
                people=people,
                judged=judged,
                length=chance.randint(9, 900),
                orders=orders,
                weight=weight,
            )
        )
    copies = [msgspec.structs.replace(pair, weight=1) for pair in listed for _ in range(int(pair.weight))]
    found, whole = measures(listed, 0.5), measures(copies, 0.5)
    assert found.shift.mean == pytest.approx(whole.shift.mean)
    assert found.kappa.value == pytest.approx(whole.kappa.value)
    assert found.length_bias.value == pytest.approx(whole.length_bias.value)
    assert found.sway.lean.value == pytest.approx(whole.sway.lean.value)
    assert found.sway.consistent.value == pytest.approx(whole.sway.consistent.value)
    # Alpha takes chance pairs without those of an answer with itself, and so depends a little on the number.
    assert found.alpha.value == pytest.approx(whole.alpha.value, abs=0.02)
    assert found.alpha_people.value == pytest.approx(whole.alpha_people.value, abs=0.02)
    # Copies are one case, and add nothing; degrees of freedom count only what a weighted sample is worth.
    assert found.shift.error == pytest.approx(whole.shift.error)
    assert found.shift.degrees == pytest.approx(whole.shift.degrees)
    assert 0 < found.shift.degrees < 59


def test_a_mean_corrected_by_stratified_labels_covers_the_truth() -> None:
    """Simulated runs of 600 answers: the judge is too kind to bad ones, of which a stratified sample has many."""
    world = np.random.default_rng(8)
    covered, off, runs = 0, [], 60
    for _ in range(runs):
        truth = np.where(world.random(600) < 0.8, world.uniform(0.7, 1, 600), world.uniform(0, 0.4, 600))
        judged = np.clip(truth + np.where(truth < 0.5, 0.3, 0.02) + world.normal(0, 0.08, 600), 0, 1)
        made = [Result(case=str(n), scores=[Score(name="rel", value=float(judged[n]))]) for n in range(600)]
        picked = pick(made, "rel", 60, seed=str(world.random()), stratified=True)
        labelled = [
            Pair(
                case=each.result.case,
                people=(float(truth[int(each.result.case)]),),
                judged=each.result.scores[0].value,
                length=9,
                weight=each.weight,
            )
            for each in picked
        ]
        calibration = Calibration(
            suite="s",
            scorer="rel",
            identity="",
            prompt="",
            models=(),
            labels="",
            measures=measures(labelled, 0.5),
            created=TODAY,
            expires=TODAY,
        )
        found = mean_interval(judged)
        seen = {"n": 600, "missing": 0, "not_applicable": 0, "clusters": 600}
        summary = Summary(**seen, mean=found.mean, low=found.low, high=found.high, error=found.error)
        fixed = corrected(summary, calibration)
        off.append(fixed.mean - truth.mean())
        covered += fixed.low <= truth.mean() <= fixed.high
    assert abs(np.mean(off)) < 0.01
    assert covered / runs > 0.9


def test_nothing_can_be_compared_with_one_answer_and_people_alone_say_how_far_they_agree() -> None:
    with pytest.raises(ValueError, match="two answers"):
        measures(pairs({(1, 1): 1}), 0.5)
    assert people_agree([(1,), (0,)], [1, 1]) is None
    assert people_agree([(1, 1), (0, 0), (1, 1), (0, 0)], [1, 1, 1, 1]).value == 1
    unlike = [(1, 1), (0, 0), (1, 0), (0, 0), (1, 1), (0,)]
    assert people_agree(unlike, [1, 1, 9, 1, 1, 1]).value < people_agree(unlike, [1] * 6).value
    lot = measures(
        [Pair(case=f"c{n}", people=(n % 2, n % 2), judged=n % 2, length=9) for n in range(10)],
        0.5,
    )
    assert (lot.people, lot.alpha_people.value, lot.length_bias) == (2, 1, None)


def a_calibration(scorer, table, *, expires=datetime.date(2026, 7, 1), **more):
    return Calibration(
        suite="support",
        scorer=scorer.name,
        identity=judge_identity(scorer),
        prompt="judges/relevance@1.0.0",
        models=("judge",),
        labels="sha256:0",
        measures=measures(pairs(table), 0.5),
        created=TODAY,
        expires=expires,
        **more,
    )


GOOD = {(1, 1): 40, (1, 0): 5, (0, 1): 5, (0, 0): 30}


def test_a_judge_is_uncalibrated_then_calibrated_then_expired(tmp_path) -> None:
    world = World(tmp_path, scores(1), aliases=("judge", "b"))
    judge = a_scorer(metric="relevance", name="rel").pin(world)
    assert standing(judge, tmp_path, NOW_NS).state == "uncalibrated"
    path = keep(tmp_path, a_calibration(judge, GOOD))
    assert path == "evals/calibrations/support.rel.json"
    found = standing(judge, tmp_path, NOW_NS)
    assert (found.state, found.words) == ("calibrated", "calibrated: kappa 0.75 on 80 answers")
    assert standing(a_scorer(metric="relevance", name="other").pin(world), tmp_path, NOW_NS).state == "calibrated"
    assert standing(judge, tmp_path, NOW_NS + 61 * DAY_NS).state == "expired"
    changed = a_scorer(metric="relevance", name="rel", model="b").pin(world)
    assert "not the one that was calibrated" in standing(changed, tmp_path, NOW_NS).words
    world.models["judge"] = ["rules/judge-2"]
    assert standing(a_scorer(metric="relevance", name="rel").pin(world), tmp_path, NOW_NS).state == "expired"
    assert standing(a_scorer(metric="relevance", name="rel", scale="binary").pin(world), tmp_path, 0).state == "expired"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({(1, 1): 10, (1, 0): 10, (0, 1): 10, (0, 0): 10}, "beyond chance"),
        ({(1, 1): 2, (0, 0): 1, (1, 0): 1}, "beyond chance"),
        ({(1, 1): 40}, "label some of the other kind"),
    ],
)
def test_labels_that_prove_no_agreement_calibrate_nothing(table, words, tmp_path) -> None:
    judge = a_scorer(metric="relevance").pin(World(tmp_path, scores(1)))
    keep(tmp_path, a_calibration(judge, table))
    found = standing(judge, tmp_path, NOW_NS)
    assert found.state == "uncalibrated"
    assert words in found.words


def test_only_opinions_need_calibration_wherever_they_stand(tmp_path) -> None:
    world = World(tmp_path, scores(1))
    plain = {"kind": "length", "max": 3}
    judge = {"kind": "judge", "metric": "safety"}
    for options in (
        plain,
        {"kind": "any_of", "of": [plain]},
        {"kind": "ragas", "metric": "rouge_score"},
        {"kind": "promptfoo"},
    ):
        assert standing(a_scorer(**options).pin(world), tmp_path, NOW_NS) is None
    for options in (
        judge,
        {"kind": "all_of", "of": [plain, judge]},
        {"kind": "not", "of": [{"kind": "mean", "of": [{"kind": "any_of", "of": [plain, judge]}]}]},
        {"kind": "ragas", "metric": "faithfulness", "model": "judge"},
        {"kind": "promptfoo", "model": "judge"},
    ):
        assert standing(a_scorer(**options).pin(world), tmp_path, NOW_NS).state == "uncalibrated", options


def test_a_broken_calibration_is_named(tmp_path) -> None:
    judge = a_scorer(metric="relevance").pin(World(tmp_path, scores(1)))
    (tmp_path / "evals" / "calibrations").mkdir(parents=True)
    (tmp_path / "evals" / "calibrations" / "x.json").write_text('{"suite": 3}')
    with pytest.raises(DocumentError, match=r"calibrations/x\.json"):
        standing(judge, tmp_path, NOW_NS)
    (tmp_path / "other").write_text("a file where the project should be")
    with pytest.raises(StorageError):
        keep(tmp_path / "other", a_calibration(judge, GOOD))


def a_summary(values):
    found = mean_interval(values)
    single = set(values) <= {0, 1}
    return Summary(
        n=len(values),
        missing=0,
        not_applicable=0,
        mean=found.mean,
        low=found.low,
        high=found.high,
        error=found.error,
        clusters=found.clusters,
        passes=sum(values) if single else None,
    )


def a_measured(labels, judged, *, binary):
    """Measures with what a correction needs, and nothing else."""
    none = Coefficient(None, -1, 1)
    shift = mean_interval([said - truth for truth, said in zip(labels, judged, strict=True)])
    table = Counter(zip(labels, judged, strict=True)) if binary else Counter()
    return Calibration(
        suite="s",
        scorer="j",
        identity="",
        prompt="",
        models=(),
        labels="",
        measures=Measures(
            n=len(labels),
            people=1,
            threshold=0.5,
            tp=table[1, 1],
            fn=table[1, 0],
            fp=table[0, 1],
            tn=table[0, 0],
            tpr=none,
            tnr=none,
            kappa=none,
            alpha=none,
            alpha_people=None,
            shift=Shift(shift.mean, shift.low, shift.high, shift.error, len(labels) - 1),
            length_bias=None,
            binary=binary,
        ),
        created=TODAY,
        expires=TODAY,
    )


@pytest.mark.parametrize("binary", [True, False])
def test_a_biased_judges_mean_is_corrected_and_its_interval_covers_the_truth(binary) -> None:
    """400 simulated worlds: the judge is too kind, and the raw interval misses the truth nearly always."""
    world = np.random.default_rng(5)
    raw = covered = 0
    for _ in range(400):
        if binary:
            truth = (world.random(700) < 0.7).astype(int)
            judged = np.where(truth == 1, world.random(700) < 0.95, world.random(700) < 0.35).astype(int)
            true_mean = 0.7
        else:
            truth = world.beta(4, 3, 700)
            judged = np.clip(truth + 0.1 + world.normal(0, 0.1, 700), 0, 1)
            true_mean = 4 / 7
        calibration = a_measured(truth[:200].tolist(), judged[:200].tolist(), binary=binary)
        found = corrected(a_summary(judged[200:].tolist()), calibration)
        assert found.low <= found.mean <= found.high
        covered += found.low <= true_mean <= found.high
        raw += found.raw_low <= true_mean <= found.raw_high
    assert raw < 100
    assert 0.92 <= covered / 400 <= 0.99


def test_what_cannot_be_corrected_says_so() -> None:
    useless = a_measured([1, 1, 0, 0], [1, 0, 1, 0], binary=True)
    assert corrected(a_summary([1, 1, 0]), useless).mean is None
    assert "coin" in corrected(a_summary([1, 1, 0]), useless).method
    assert corrected(Summary(n=0, missing=3, not_applicable=0), useless) is None
    one = a_measured([0.5, 0.6], [0.6, 0.9], binary=False)
    assert "too few" in corrected(a_summary([0.4]), one).method
    assert corrected(a_summary([0.0] * 20), a_measured([0.5, 0.5, 0.4], [0.9, 0.9, 0.9], binary=False)).mean == 0


def judged_results(values):
    return [
        Result(case=f"c{n}", output=f"answer {n}", scores=[Score(name="rel", value=value)])
        for n, value in enumerate(values)
    ]


def labelled(values, **more):
    return [Item(case=f"c{n}", answer=f"answer {n}", repeat=0, values=(float(v),), **more) for n, v in values]


def test_labels_and_judgements_together_tell_what_people_would_score_a_run() -> None:
    """300 simulated runs: the interval covers what people would have said of all answers; the judge alone does not."""
    world = np.random.default_rng(7)
    covered = alone = 0
    for _ in range(300):
        truth = world.beta(3, 2, 300)
        said = np.clip(truth + 0.12 + world.normal(0, 0.08, 300), 0, 1)
        sample = [(int(n), truth[n]) for n in world.choice(300, 40, replace=False)]
        found = estimate("run_1", "rel", judged_results(said.tolist()), labelled(sample), {})
        assert (found.labelled, found.judged) == (40, 260)
        covered += found.low <= truth.mean() <= found.high
        alone += abs(found.judge - truth.mean()) < 0.05
    assert covered / 300 >= 0.93
    assert alone == 0
    assert found.gain > 1.5


def test_an_estimate_needs_a_random_sample_and_two_cases_of_each_kind() -> None:
    results_of_run = [*judged_results([0.5, 0.6, 0.7, 0.8]), Result(case="c9", error="gone")]
    two = labelled([(0, 1), (1, 0)])
    assert estimate("run_1", "rel", results_of_run, two, {}).labelled == 2
    with pytest.raises(InputError, match="stratified"):
        estimate("run_1", "rel", results_of_run, [*two, *labelled([(2, 1)], weight=3.0)], {})
    with pytest.raises(InputError, match="moat judge export"):
        estimate("run_1", "rel", results_of_run, labelled([(0, 1)]), {})
    together = {f"c{n}": Case(id=f"c{n}", cluster="one") for n in range(4)}
    with pytest.raises(InputError, match="two cases"):
        estimate("run_1", "rel", results_of_run, two, together)


LABEL = Label(score="rel", case="c1", answer="yes", value=1.0, rater="ann")


def test_labels_survive_their_file_and_the_newer_counts() -> None:
    again = msgspec.structs.replace(LABEL, value=0.25, comment="on second thought", weight=3.0, run="run_1", repeat=2)
    other = msgspec.structs.replace(LABEL, rater="bob", answer="zwei\nZeilen\u2028drei")
    kept = merged([LABEL, other], [again])
    assert len(kept) == 2
    assert sorted(read_labels(labels_text(kept), "x"), key=str) == sorted([again, other], key=str)
    assert labels_text(kept) == labels_text(reversed(kept))
    grouped = items([again, msgspec.structs.replace(LABEL, rater="bob", value=0.75), other], "rel")
    assert [(item.answer, item.value, len(item.values)) for item in grouped] == [("yes", 0.5, 2), (other.answer, 1, 1)]
    assert items(kept, "another") == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{}", "x:2"),
        (b'{"score":"a","case":"c","answer":"b","value":2,"rater":"r"}', "0 to 1"),
        (b'{"score":"a","case":"c","answer":"b","value":1,"rater":""}', "rater"),
        (b'{"score":"a","case":"c","answer":"b","value":1,"rater":"r","weight":0}', "weight"),
        (b'{"score":"a","case":"c","answer":"b","value":1,"rater":"r","more":1}', "more"),
        (b"\xff", "x:2: not UTF-8"),
        (b"[" * 3000, "x:2"),
    ],
)
def test_a_broken_label_is_named_with_its_line(line, words) -> None:
    with pytest.raises(DocumentError, match=words):
        read_labels(labels_text([LABEL]) + line, "x")


def test_a_labelled_csv_file_and_what_is_wrong_with_it() -> None:
    text = 'item,value,rater,comment\r\nab,pass,ann,"a\nb"\ncd,,bob,\nef,0.5,bob,\n'
    rows = read_rows(("\ufeff" + text).encode(), "x.csv")
    assert [(placed.place, placed.row.item, placed.row.value) for placed in rows] == [
        ("x.csv:3", "ab", "pass"),
        ("x.csv:5", "ef", "0.5"),
    ]
    for content, words in (
        ("item\nab\n", "no column `value`"),
        ("item,value\nab\n", "x.csv:2"),
        ("item,value\nab,1,2\n", "x.csv:2"),
        ('item,value\nab,"1\n', "x.csv"),
        ("item,value,repeat\nab,1,many\n", "x.csv:2"),
    ):
        with pytest.raises(DocumentError, match=words):
            read_rows(content.encode(), "x.csv")
    with pytest.raises(DocumentError, match=r"x\.jsonl:1"):
        read_rows(b'{"item": 3}', "x.jsonl")


@pytest.mark.parametrize(
    ("said", "scale", "value"),
    [
        (0.25, {}, 0.25),
        ("0.25", {}, 0.25),
        (True, {}, 1),
        ("Pass", {}, 1),
        (" no ", {}, 0),
        (1, {}, 1),
        ("4", {"1": 0, "4": 0.75}, 0.75),
        (4, {"1": 0, "4": 0.75}, 0.75),
        ("Warm", {"warm": 0.8}, 0.8),
    ],
)
def test_what_people_may_say(said, scale, value) -> None:
    assert value_of(said, scale, "x:1") == value


@pytest.mark.parametrize(
    ("said", "scale"), [(2, {}), ("nan", {}), ("perhaps", {}), (0.5, {"1": 0}), ([1], {}), (-1, {})]
)
def test_what_people_may_not_say(said, scale) -> None:
    with pytest.raises(DocumentError, match="x:1"):
        value_of(said, scale, "x:1")


def test_a_score_by_people_needs_their_labels(tmp_path) -> None:
    world = World(tmp_path, scores(1))
    unlabelled = a_scorer(kind="human", of="rel", labels="labels/s.jsonl").pin(world)
    with pytest.raises(NotRun):
        unlabelled.measure(Case(id="c1"), Answered("yes"))
    (tmp_path / "evals" / "labels" / "folder.jsonl").mkdir(parents=True)
    with pytest.raises(ConfigError, match="moat judge import"):
        a_scorer(kind="human", of="rel", labels="labels/folder.jsonl").pin(world)
    (tmp_path / "evals" / "labels" / "s.jsonl").write_bytes(labels_text([LABEL]))
    human = a_scorer(kind="human", of="rel", labels="labels/s.jsonl").pin(world)
    assert human.measure(Case(id="c1"), Answered("yes"))[0] == 1
    with pytest.raises(NotRun):
        human.measure(Case(id="c1"), Answered("no"))
    assert human.identity["digest"].startswith("sha256:")


def test_what_a_spreadsheet_would_run_is_only_text() -> None:
    made = pick([Result(case="c", output="=HYPERLINK(1)")], "rel", 1, seed="s", stratified=False)
    table = written([row("r", "rel", None, made[0], blind=True)], as_csv=True, blind=True).decode()
    assert "'=HYPERLINK(1)" in table


def results(count):
    def score(n):
        value = None if n % 10 == 9 else 1.0 if n % 10 else 0.1
        evidence = {"disagreement": 0.6} if n % 10 == 8 else {}
        return Score(name="rel", value=value, status="error" if value is None else "ok", evidence=evidence)

    return [Result(case=f"c{n}", output=f"answer {n}", scores=[score(n)]) for n in range(count)]


@given(st.integers(1, 60), st.integers(0, 55), st.booleans())
def test_a_sample_has_the_size_asked_for_no_answer_twice_and_weights_that_add_up(count, size, stratified) -> None:
    picked = pick(results(size), "rel", count, seed="s", stratified=stratified)
    assert len(picked) == min(count, size)
    assert len({each.result.case for each in picked}) == len(picked)
    assert picked == pick(results(size), "rel", count, seed="s", stratified=stratified)
    if picked and (not stratified or count >= 4):
        assert sum(each.weight for each in picked) == pytest.approx(size)


def test_a_stratified_sample_shows_failures_and_failed_answers_are_nobodys() -> None:
    made = [*results(200), Result(case="broken", error="gone")]
    picked = pick(made, "rel", 40, seed="s", stratified=True)
    low = [each for each in picked if each.result.scores[0].value == 0.1]
    assert len(low) == 10
    assert {each.weight for each in low} == {2.0}
    assert "broken" not in {each.result.case for each in picked}


def test_a_blind_row_tells_neither_whose_answer_it_is_nor_what_the_judge_said() -> None:
    made = pick(results(3), "rel", 3, seed="s", stratified=False)
    case = Case(id="c1", variables={"question": "why?"}, expected={"a": 1}, context=["one", "two"])
    rows = [row("run_1", "rel", case, each, blind=True) for each in made]
    assert {"run", "case", "repeat", "judge", "judge_reason"} & set(rows[0]) == set()
    assert "run_1" not in str(rows)
    assert rows[0]["item"] == item_id("run_1", made[0].result.case, 0)
    table = written(rows, as_csv=True, blind=True).decode()
    assert '"one\n\ntwo"' in table
    assert read_rows(table.encode(), "x.csv") == []
    open_row = row("run_1", "rel", None, made[0], blind=False)
    assert (open_row["run"], open_row["judge"]) == ("run_1", made[0].result.scores[0].value)
    assert msgspec.json.decode(written([open_row], as_csv=False, blind=False)) == open_row
