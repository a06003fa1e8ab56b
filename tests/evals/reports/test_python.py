"""`moat.evaluate` without a project and in one; the pytest plugin over real test runs."""

import asyncio
import json
import os
import subprocess
import sys
import textwrap

import pytest

import moat
from moat.domain.errors import ConfigError, DatasetError, NotFound, RequestError
from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.suites import Gate
from moat.evaluation.command import main
from moat.evaluation.memory import MemoryRuns
from moat.evaluation.outcome import EvalResult

CASES = [
    {"input": "Explain Kubernetes", "expected": "Container orchestration platform"},
    {"input": "What is git?", "expected": "Version control"},
]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A folder that is in no project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def bot(question):
    return "Container orchestration platform" if "Kubernetes" in question else "No idea"


def test_a_function_is_evaluated_on_cases_without_a_project(empty):
    def similar(expected, actual):
        return (expected == actual) > 0.85

    outcome = moat.evaluate(dataset=CASES, target=bot, scorers=["equals", similar])
    assert outcome.scores == {"equals": 0.5, "similar": 0.5}
    assert (outcome.verdict, outcome.passes) == (None, False)
    assert [one.case.id for one in outcome.failures] == ["2"]
    assert EvalResult("similar", 1.0, "", "1") in outcome.results
    assert outcome.summary()["equals"] | {"low": 0, "high": 0} == {
        "mean": 0.5, "min": 0.0, "max": 1.0, "count": 2, "errors": 0, "low": 0, "high": 0,
    }  # fmt: skip
    assert len(outcome.frame()) == 4
    assert outcome.case("1").candidate[0].output == "Container orchestration platform"
    with pytest.raises(NotFound):
        outcome.case("3")
    text = str(outcome)
    for said in ("What is git?", "Version control", "No idea", "equals: 0.500"):
        assert said in text
    assert list(empty.iterdir()) == []


def test_reports_are_written(empty):
    outcome = moat.evaluate(dataset=CASES, target=bot, scorers=["equals"], slices=["expected"])
    for kind in ("html", "markdown", "junit", "json", "parquet"):
        assert getattr(outcome, f"to_{kind}")(empty / f"r.{kind}").stat().st_size > 300
    assert json.loads((empty / "r.json").read_bytes())["slices"]


@pytest.mark.anyio
async def test_it_is_awaited_and_works_inside_a_running_loop(empty):
    async def slow(input):
        await asyncio.sleep(0)
        return bot(input)

    async def right(answer, case):
        return answer.text == case.expected

    awaited = await moat.evaluate_async(dataset=CASES, target=slow, scorers=[right])
    blocked = moat.evaluate(dataset=CASES, target=slow, scorers=[right])
    assert awaited.scores == blocked.scores == {"right": 0.5}


def test_gates_repeats_and_functions_of_every_shape(empty):
    asked = []

    def of_case(case):
        asked.append(case.id)
        return {"text": "yes", "context": ["doc"]}

    def grounded(answer, context):
        return 1.0 if context == ["doc"] else 0.0

    class Bot:
        def __call__(self, a, b):
            return str(a + b)

    outcome = moat.evaluate(
        dataset=[Case(id="x", expected="yes")],
        target=of_case,
        scorers=["equals", grounded],
        gates={"equals": 0.9},
        repeats=3,
    )
    assert (outcome.verdict, outcome.passes, asked) == ("pass", True, ["x"] * 3)
    sums = moat.evaluate(dataset=[{"a": 1, "b": 2, "expected": "3"}], target=Bot(), scorers=["equals"])
    assert sums.passes
    whole = moat.evaluate(
        dataset=CASES, target=lambda **all: all["input"], scorers=["equals"], gates=[Gate(score="equals", min=1)]
    )
    assert whole.verdict in ("regressed", "inconclusive")
    assert "gate equals" in str(whole)


def test_recorded_answers_and_targets_of_ones_own(empty):
    class Echo:
        name, digest = "echo", "sha256:echo"

        def bind(self, bench):
            return self

        async def answer(self, case, repeat):
            return Answered(case.expected)

    seed = {"question": "What?", "response": "That.", "context": "Says: That."}
    recorded = moat.evaluate(
        dataset=[seed, {"question": "no answer"}], scorers=[{"kind": "contains", "values": ["That"]}]
    )
    assert [one.test_case_id for one in recorded.results if not one.error] == ["1"]
    assert "brings no answer" in recorded.results[0].error
    assert moat.evaluate(dataset=CASES, target=Echo(), scorers=["equals"]).passes


def test_what_a_function_raises_is_the_cases_error_with_its_place(empty):
    def broken(input):
        if "git" in input:
            raise ValueError("boom")
        return "Container orchestration platform"

    def unsure(expected, actual):
        raise ZeroDivisionError

    outcome = moat.evaluate(dataset=CASES, target=broken, scorers=["equals", unsure])
    assert "test_python.py" in outcome.case("2").candidate[0].error
    assert "boom" in outcome.case("2").candidate[0].error
    assert {r.metric: r.error for r in outcome.results if r.test_case_id == "1"}["equals"] == ""
    assert "ZeroDivisionError" in outcome.case("1").candidate[0].scores[1].reason
    assert not outcome.passes


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, RequestError, "nothing to evaluate"),
        ({"dataset": CASES}, ConfigError, "nothing scores"),
        ({"dataset": CASES, "scorers": ["equal"]}, ConfigError, "equals"),
        ({"dataset": CASES, "scorers": [{"kind": "number", "tolerence": 1}]}, ConfigError, "unknown key"),
        ({"dataset": [], "scorers": ["equals"]}, DatasetError, "no cases"),
        ({"dataset": [{"id": "a"}, {"id": "a"}], "scorers": ["equals"]}, DatasetError, "same id"),
        ({"dataset": [{"tags": 3}], "scorers": ["equals"]}, DatasetError, "dataset"),
        ({"dataset": "missing.json", "scorers": ["equals"]}, DatasetError, "missing.json"),
        ({"dataset": CASES, "scorers": ["equals"], "gates": {"equal": 1}}, ConfigError, "equals"),
        ({"dataset": CASES, "scorers": ["equals"], "target": 3}, ConfigError, "no function"),
        ({"dataset": CASES, "scorers": ["equals"], "target": "bot.py:answer"}, ConfigError, "bot.py"),
        ({"dataset": CASES, "scorers": ["equals"], "prompt": "1.0.0"}, RequestError, "for a suite"),
        ({"dataset": CASES, "scorers": ["equals"], "slices": ["tag"], "target": bot}, ConfigError, "slice"),
        ({"dataset": CASES, "scorers": ["equals"], "project": "/nowhere"}, NotFound, "moat.yaml"),
    ],
)
def test_what_cannot_be_is_said(empty, options, error, words):
    with pytest.raises(error, match=words):
        moat.evaluate(**options)


def test_a_suite_and_its_own_parts_do_not_go_together(empty):
    with pytest.raises(RequestError, match="says itself"):
        moat.evaluate("support", dataset=CASES)
    with pytest.raises(NotFound):
        moat.evaluate("support")


def test_the_command_does_what_the_seed_says(empty, capsys):
    (empty / "test_cases.json").write_text(json.dumps(CASES))
    (empty / "bot.py").write_text("def answer(input):\n    return 'Version control' if 'git' in input else '?'\n")
    given = ["--dataset", "test_cases.json", "--target", "bot.py:answer", "--scorer", "equals"]
    assert main([*given, "--min", "equals=0.1", "-o", "r.html", "-o", "r.xml"]) == 0
    assert (empty / "r.html").is_file()
    assert main([*given, "--json"]) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["equals"]["mean"] == 0.5
    assert main([*given, "--scorer", "{kind: length, max: 3}", "--min", "equals"]) == 65
    assert main([*given, "-o", "r.docx"]) == 74
    done = subprocess.run([sys.executable, "-m", "moat.evaluate", *given], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "equals: 0.500" in done.stdout


def test_a_function_of_a_file_is_called_like_one_that_is_handed_over(empty):
    (empty / "bot.py").write_text(
        "def one(x):\n    return x\n\n\nasync def more(input, **rest):\n    return input\n\n\n"
        "def whole(case):\n    return case.expected\n"
    )
    cases = [{"id": "a", "input": "yes", "other": 1, "expected": "yes"}]
    for name in ("one", "more", "whole"):
        assert moat.evaluate(dataset=cases, target=f"bot.py:{name}", scorers=["equals"]).scores == {"equals": 1}


def test_importing_moat_stays_light_and_the_module_is_as_good_as_the_function(empty):
    code = """
        import sys, moat
        assert not [m for m in sys.modules if m.startswith("moat.")], sys.modules.keys()
        import moat.evaluate
        assert moat.evaluate(dataset=[{"input": "a", "expected": "a"}], target=str, scorers=["equals"]).passes
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_suite_of_a_project_runs_compares_and_is_stored(project):
    outcome = moat.evaluate("smoke", prompt="1.1.0", baseline="support/answer@1.0.0", project=project.root)
    assert outcome.report.run.version == "1.1.0"
    assert outcome.report.baseline.version == "1.0.0"
    assert outcome.verdict in ("pass", "regressed", "inconclusive")
    again = moat.evaluate(
        "smoke", prompt="support/answer@1.1.0", baseline=outcome.report.baseline.id, project=project.root
    )
    assert again.report.run.id == outcome.report.run.id
    judged = moat.gate("smoke", prompt="1.1.0", baseline="1.0.0", project=project.root)
    stored = {run["id"]: run["verdict"] for run in project.ok("eval", "list", "--json").json}
    assert judged.verdict == stored[judged.report.run.id]
    strict = moat.gate("smoke", prompt="1.1.0", baseline="1.0.0", thresholds={"facts": 1.0}, project=project.root)
    assert len(strict.report.gates) == len(judged.report.gates) + 1
    with pytest.raises(NotFound, match="there is no suite"):
        moat.evaluate("smok", prompt="1.1.0", project=project.root)
    for form in ("html", "markdown", "md", "junit", "json"):
        done = project.ok("eval", "report", again.report.run.id, "--format", form)
        assert "support/answer" in done.out
    project.ok(
        "eval",
        "report",
        again.report.run.id,
        "--baseline",
        again.report.baseline.id,
        "-o",
        str(project.root / "r.parquet"),
    )
    assert (project.root / "r.parquet").stat().st_size > 1000
    assert project.run("eval", "report", again.report.run.id, "-o", "r.docx").code == 65
    assert project.run("eval", "report", again.report.run.id, "--format", "parquet").code == 65
    assert project.run("eval", "report", "run_nothing").code == 66


def in_pytest(folder, *options, plugins=("moat",), **sources):
    """A test run with Moat's plugin as it is installed, and none but that; `sources` are its files."""
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(source))
    named = [option for plugin in plugins for option in ("-p", plugin)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *named, "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


SUITE = """
    import pytest

    @pytest.mark.moat_suite("smoke", prompt="1.2.0")
    def test_smoke(moat_case):
        assert moat_case.passes, moat_case

    def test_whole(evaluate):
        report = evaluate("smoke", prompt="1.2.0")
        assert report.scores["valid_json"] == 1, report
"""


@pytest.fixture
def cases(project):
    """Ids of the suite's."""
    lines = (project.root / "evals/datasets/smoke.jsonl").read_text().splitlines()
    return [json.loads(line)["id"] for line in lines]


def test_each_case_is_a_test_that_reads_well_when_it_fails_and_wrong_use_is_said(project, cases):
    wrong = {
        "there is no suite 'smoky'": SUITE.replace('"smoke"', '"smoky"'),
        "does not take `moat_case`": SUITE.replace("(moat_case)", "()"),
        "wants the name of one suite": SUITE.replace('"smoke", prompt', "prompt"),
        "is for tests that are marked": SUITE.replace('@pytest.mark.moat_suite("smoke", prompt="1.2.0")', ""),
    }
    sources = {f"test_wrong_{number}": source for number, source in enumerate(wrong.values())}
    sources["test_right"] = SUITE
    sources["test_failing"] = SUITE.replace("moat_case.passes", "not moat_case.scores and moat_case.output")
    done = in_pytest(project.root, "-v", "--continue-on-collection-errors", **sources)
    assert done.returncode == 1, done
    for case in cases:
        assert f"test_right.py::test_smoke[{case}] PASSED" in done.stdout
        assert f"test_failing.py::test_smoke[{case}] FAILED" in done.stdout
    assert "test_right.py::test_whole PASSED" in done.stdout
    for said in ("input:", "output:", *wrong):
        assert said in done.stdout, done.stdout
    assert len(project.ok("eval", "list", "--json").json) == 1


def test_processes_of_a_test_run_share_one_run_of_a_suite(project, cases):
    done = in_pytest(project.root, "-v", "-n", "2", plugins=("moat", "xdist"), test_right=SUITE)
    assert done.returncode == 0, done
    for case in cases:
        assert f"PASSED test_right.py::test_smoke[{case}]" in done.stdout
    assert len(project.ok("eval", "list", "--json").json) == 1


def test_the_plugin_is_installed_and_loads_nothing_until_it_is_used(empty):
    source = """
        import sys

        def test_it(pytestconfig):
            assert pytestconfig.pluginmanager.get_plugin("moat")
            assert {m for m in sys.modules if m.startswith("moat")} == {
                "moat", "moat.evaluation", "moat.evaluation.pytest_plugin",
            }
    """
    done = in_pytest(empty, test_nothing=source)
    assert done.returncode == 0, done.stdout


def test_runs_in_memory_are_runs():
    runs = MemoryRuns()
    with pytest.raises(NotFound):
        runs.get("run_x")
