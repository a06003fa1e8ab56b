"""Suites as tests.

    @pytest.mark.moat_suite("support", prompt="1.1.0")
    def test_support(moat_case):
        assert moat_case.passes, moat_case

is one test for each case of the suite, named after it; the suite is run once, when the first of them wants its answer
(under xdist once in each worker, which finds what another has stored). The fixture `evaluate` is `moat.evaluate`:

    def test_support_as_a_whole(evaluate):
        report = evaluate("support", prompt="1.1.0")
        assert report.passes, report

Nothing of Moat but this file is imported in a test run that uses neither.
"""

import fcntl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from moat.evals.reports.cases import CaseReport
    from moat.evaluation.outcome import Outcome

MARK = "moat_suite"
_OUTCOMES = pytest.StashKey["dict[str, Outcome]"]()


class CaseOutcome:
    """One case of a suite, as a test asserts it."""

    def __init__(self, found: "CaseReport", outcome: "Outcome") -> None:
        self.report = found
        """Case, answers and scores: `moat.evals.reports.cases.CaseReport`."""
        self._outcome = outcome

    @property
    def passes(self) -> bool:
        """Has it its answers, and is no gated score (no score, where nothing is gated) below 0.5?"""
        from moat.evaluation.outcome import case_passes

        return case_passes(self.report, self._outcome.report)

    @property
    def scores(self) -> dict[str, float | None]:
        """By name, averaged over repeats."""
        return {name: value for name, (value, _) in self.report.scores.items()}

    @property
    def output(self) -> str:
        """The first answer."""
        return self.report.candidate[0].output

    def __str__(self) -> str:
        """Input, expectation, answers, and what scorers said."""
        from moat.evaluation.outcome import story

        return "\n".join([self.report.case.id, *story(self.report)])

    def __repr__(self) -> str:
        """The same, for pytest's own words about a failed assertion."""
        return f"<{self}>"


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark."""
    config.addinivalue_line(
        "markers", f"{MARK}(name, **options): a test for each case of a Moat suite; options as `moat.evaluate` has them"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case of a marked suite."""
    mark = metafunc.definition.get_closest_marker(MARK)
    if mark is None:
        return
    if "moat_case" not in metafunc.fixturenames:
        raise pytest.UsageError(f"{metafunc.definition.nodeid} is marked `{MARK}` and does not take `moat_case`")
    if len(mark.args) != 1:
        raise pytest.UsageError(f"`{MARK}` wants the name of one suite: {metafunc.definition.nodeid}")
    cases = _case_ids(mark.args[0], _options(mark, metafunc.config))
    metafunc.parametrize(
        "moat_case", cases, ids=[case.encode("ascii", "backslashreplace").decode() for case in cases], indirect=True
    )


@pytest.fixture
def moat_case(request: pytest.FixtureRequest) -> CaseOutcome:
    """The case of this test, answered and scored."""
    mark = request.node.get_closest_marker(MARK)
    if mark is None or not hasattr(request, "param"):
        raise pytest.UsageError(f"`moat_case` is for tests that are marked with `{MARK}`")
    outcome = _outcome(request.config, mark)
    return CaseOutcome(outcome.case(request.param), outcome)


@pytest.fixture(name="evaluate")
def evaluate_fixture(request: pytest.FixtureRequest) -> Any:
    """`moat.evaluate`, in the project that the test run is in."""
    from moat.evaluation import evaluate

    def evaluated(*args: Any, **options: Any) -> Any:
        if args and "project" not in options:
            options["project"] = request.config.rootpath
        return evaluate(*args, **options)

    return evaluated


def _options(mark: pytest.Mark, config: pytest.Config) -> dict[str, Any]:
    return {"project": config.rootpath, **mark.kwargs}


def _case_ids(suite: str, options: dict[str, Any]) -> list[str]:
    """Read from the suite's dataset: nothing is asked while tests are collected."""
    from moat.bootstrap.reporting import suite_cases
    from moat.domain.errors import MoatError

    try:
        return [case.id for case in suite_cases(Path(options["project"]), suite).cases]
    except MoatError as error:
        raise pytest.UsageError(str(error)) from None


def _outcome(config: pytest.Config, mark: pytest.Mark) -> "Outcome":
    """The suite's outcome, made once in this process; processes take turns, so that the second finds it stored."""
    from moat.evaluation import evaluate

    known = config.stash.setdefault(_OUTCOMES, {})
    key = repr((mark.args, sorted(mark.kwargs.items())))
    if key not in known:
        options = _options(mark, config)
        folder = Path(options["project"]) / ".moat"
        folder.mkdir(mode=0o700, exist_ok=True)
        with (folder / "pytest.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known[key] = evaluate(*mark.args, **options)
    return known[key]
