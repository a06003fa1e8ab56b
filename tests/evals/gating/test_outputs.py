"""What an outcome looks like: bounded, inert, and with the verdict first."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.scores import Case, Result, Score
from moat.evals.compare import Measured, compare
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.gate import judge
from moat.evals.gating.comment import MAX_LENGTH, marker, to_comment
from moat.evals.gating.findings import RULES, findings
from moat.evals.gating.junit import to_junit
from moat.evals.gating.outcome import Costed, Evaluated, Lint, Outcome
from moat.evals.gating.plan import Change, Pair
from moat.evals.suites import Gate
from moat.prompts.problems import Problem
from moat.spend.estimate import Estimate, Side, Tokens
from tests.evals.gating.test_gate import measured


def evaluated(count=100, lost=30, *, text="fine", suite="support", golden=False, where=""):
    cases = tuple(Case(id=f"c{i}{text}", variables={"q": text}, golden=golden, tags=["vip"]) for i in range(count))
    data = Dataset(cases, dataset_digest(cases))

    def side(name, values):
        results = [
            Result(case=c.id, output=f"{name} {text}", scores=[Score(name="good", value=float(v), reason=text)])
            for c, v in zip(cases, values, strict=True)
        ]
        return Measured(measured(data, [1] * count, name=name, provider="simulated").run, results)

    old, new = side("baseline", [1] * count), side("candidate", [0] * lost + [1] * (count - lost))
    gates = (Gate(score="good", margin=0.05, where=where),)
    report = judge(compare(old, new, data, [where] if where else []), gates)
    pair = Pair(suite=suite, prompt="p", version="1.1.0", reasons=("p@1.1.0 is new",))
    return Evaluated(pair=pair, report=report, path="prompts/p/1.1.0.yaml", reused=("run_candidate",))


def costed(verdict="regressed", before=100, now=200):
    side = [Side(prompt="p@1.1.0", model="m", tokens=Tokens(input=1, output=1), cost=cost) for cost in (before, now)]
    estimate = Estimate(candidate=side[1], baseline=side[0], calls_per_month=10, volume="given", evidence="cases")
    return Costed(estimate=estimate, limit_percent=10.0, verdict=verdict, path="prompts/p/1.1.0.yaml")


CHANGE = Change(kind="prompt", name="p@1.1.0", what="new")
WORST = Outcome(
    base="f" * 40,
    base_name="origin/main",
    commit="abc+",
    changes=(CHANGE,),
    lint=Lint(verdict="pass", problems=(Problem(rule="pii", severity="warning", path="x", message="m"),)),
    evaluated=(evaluated(where="tags=vip"), evaluated(lost=0, suite="other")),
    costs=(costed(),),
    notes=("look here",),
    failures=("http on its target: down",),
)


def test_the_verdict_comes_first_then_what_changed_then_what_got_worse():
    text = to_comment(WORST, project="apps/bot")
    assert text.splitlines()[:3] == ["<!-- moat gate: apps/bot -->", "## ❌ regressed", ""]
    order = ["Worse: p", "origin/main", "simulated", "### What changed", "### Evaluations", "### Cost", "### Lint"]
    order += [
        "### To know",
        "### ❌ regressed: p",
        "<summary>c0fine",
        "Where tags=vip",
        "### ✅ pass: p",
        "moat gate --base fff",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "+100.0%" in text
    assert "(stored before)" in text


def test_nothing_to_say_is_short():
    text = to_comment(Outcome(commit="abc"))
    assert "## ✅ pass" in text
    assert "Nothing changed that a suite evaluates." in text
    assert "### " not in text


def test_a_comment_fits_and_says_what_it_leaves_out():
    outcome = Outcome(commit="abc", evaluated=tuple(evaluated(text="long " * 200, suite=f"s{i}") for i in range(9)))
    text = to_comment(outcome)
    assert MAX_LENGTH - 10_000 < len(text) <= MAX_LENGTH
    assert re.search(r"… \d+ more parts are left out", text)
    assert text.rstrip().endswith("```"), "how to reproduce is always there"
    many = Outcome(commit="abc", changes=tuple(CHANGE for _ in range(500)), notes=("x" * 10_000,) * 100)
    assert len(to_comment(many)) <= MAX_LENGTH
    assert "… and 470 more" in to_comment(many)


@given(
    st.text(max_size=60)
    | st.sampled_from(["</details>", "```\n# x", "<script>", "@everyone", "--> <!--", "|a|", "![x](y)"])
)
def test_what_models_say_stays_inert(text):
    outcome = Outcome(
        base="f",
        base_name=text,
        commit="abc",
        evaluated=(evaluated(80, 20, text=text),),
        notes=(text,),
        failures=(text,),
    )
    said = to_comment(outcome, project=text)
    outside = re.sub(r"^(`{3,})\n.*?^\1$", "", said, flags=re.DOTALL | re.MULTILINE)
    assert outside.count("<details>") == outside.count("</details>") == outside.count("<summary>")
    assert not re.search(r"<(?=[A-Za-z/!?])(?!/?details>|/?summary>|!-- moat gate: [^<>]* -->)", outside)
    assert "@" not in outside
    assert len(said.splitlines()[0]) < 200


def test_projects_are_told_apart():
    assert marker("apps/bot") != marker("apps/web") != marker()


def test_findings_stand_in_the_files_that_are_to_be_changed():
    found = findings(WORST)
    places = [(p.rule, p.severity, p.path, p.line) for p in found]
    assert ("gate-regressed", "error", "prompts/p/1.1.0.yaml", 1) in places
    assert ("cost-increase", "error", "prompts/p/1.1.0.yaml", 1) in places
    assert ("not-evaluated", "warning", "evals", 0) in places
    golden = findings(
        Outcome(commit="a", evaluated=(evaluated(lost=2, golden=True),), costs=(costed("inconclusive", 0),))
    )
    assert [p.rule for p in golden].count("golden-case") == 2
    assert [p.severity for p in golden if p.rule == "cost-increase"] == ["warning"]
    assert {p.rule for p in found + golden} <= {*RULES, "pii"}
    undecided = findings(Outcome(commit="a", evaluated=(evaluated(30, 0),)))
    assert undecided[0].rule == "gate-inconclusive"
    assert "would decide" in undecided[0].remedy


@given(st.text(max_size=40))
def test_junit_is_xml_whatever_is_in_it(text):
    outcome = Outcome(
        commit="a", evaluated=(evaluated(40, 10, text=text, suite=text),), failures=(text,), costs=(costed(),)
    )
    root = ElementTree.fromstring(to_junit(outcome))
    suites = list(root)
    assert int(root.get("tests", "0")) == len(root.findall(".//testcase"))
    assert int(root.get("failures", "0")) == len(root.findall(".//failure"))
    assert int(root.get("errors", "0")) == len(root.findall(".//error"))
    assert all(suite.get("name") is not None for suite in suites)


def test_junit_tells_blocked_from_undecided():
    root = ElementTree.fromstring(to_junit(WORST))
    assert [(s.get("name"), s.get("failures"), s.get("errors")) for s in root] == [
        ("lint", "0", "0"),
        ("p@1.1.0 in support", "1", "0"),
        ("p@1.1.0 in other", "0", "0"),
        ("cost of p@1.1.0", "1", "0"),
        ("not evaluated", "0", "1"),
    ]


@pytest.mark.parametrize(
    ("outcome", "verdict", "summary"),
    [
        (WORST, "regressed", "Worse: p@1.1.0 in support, cost of p@1.1.0."),
        (Outcome(evaluated=(evaluated(lost=0),)), "pass", "Everything that changed holds."),
        (Outcome(failures=("x",)), "inconclusive", "Not decided: 1 evaluations that could not be run."),
        (Outcome(lint=Lint(verdict="regressed")), "regressed", "The files have errors; nothing was evaluated."),
        (Outcome(costs=(costed("inconclusive"),)), "inconclusive", "Not decided: cost of p@1.1.0."),
    ],
)
def test_the_worst_step_is_the_verdict(outcome, verdict, summary):
    assert (outcome.verdict, outcome.summary) == (verdict, summary)
