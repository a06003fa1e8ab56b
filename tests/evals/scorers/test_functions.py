"""Python functions as scorers: of a project, of a package, of the caller."""

import asyncio
from importlib.metadata import EntryPoint
from pathlib import Path

import msgspec
import pytest

import moat.evals
from moat.domain.errors import ConfigError
from moat.domain.scores import Case, Score
from moat.evals.scorers import Answered, Bench, NotRun, plugins, scorer, scorer_kind
from moat.evals.scorers.functions import check_signature, kind_of_function, scorer_of, source_digest
from tests.evals.scorers.worlds import made, unreachable

BENCH = Bench(ask=unreachable)


class Project:
    """A project in a folder, as scorers see it."""

    def __init__(self, root: Path, **files: str) -> None:
        self.root = root
        for name, text in files.items():
            path = root / name.replace("__", "/").replace("_py", ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def prompt(self, name, version):
        raise AssertionError("not asked for")

    def deployments(self, alias):
        raise AssertionError("not asked for")

    def scorer(self, path="evals/scorers.py:polite", **options):
        return made({"kind": "python", "path": path, **options}).pin(self)

    def score(self, *args, answer="Thank you", **options):
        return asyncio.run(
            self.scorer(*args, **options).bind(BENCH).score(Case(id="a", expected="x"), Answered(answer))
        )


POLITE = """
from moat.evals import scorer

@scorer
def polite(answer, case, *, least=1):
    thanks = answer.text.lower().count("thank")
    return thanks >= least, f"{thanks} thanks"
"""


def test_a_function_of_the_project_scores(tmp_path):
    project = Project(tmp_path, evals__scorers_py=POLITE)
    assert project.score() == Score(name="python", value=1.0, reason="1 thanks")
    assert project.score(options={"least": 2}, name="very").value == 0
    nested = made({"kind": "not", "of": [{"kind": "python", "path": "evals/scorers.py:polite"}]})
    bound = nested.pin(project).bind(BENCH)
    assert asyncio.run(bound.score(Case(id="a"), Answered("Thanks"))).value == 0


@pytest.mark.parametrize(
    ("body", "value", "status", "reason"),
    [
        ("return 0.25", 0.25, "ok", ""),
        ("return True", 1, "ok", ""),
        ("return 1, 'why'", 1, "ok", "why"),
        ("return Score(name='other', value=0.5, reason='r', cost=3)", 0.5, "ok", "r"),
        ("return Score(name='x', value=1, evidence={'a': object()})", None, "error", "its evidence is no JSON"),
        ("return 1, '\\ud800'", 1, "ok", "?"),
        ("return Score(name='x', status='error', reason='no')", None, "error", "no"),
        ("raise NotRun('nothing to compare')", None, "not_run", "nothing to compare"),
        ("return None", None, "error", "returned NoneType, not a number from 0 to 1, true or false"),
        ("return 'good'", None, "error", "returned str"),
        ("return 1.5", None, "error", "returned 1.5, which is not between 0 and 1"),
        ("return float('nan')", None, "error", "returned nan"),
        ("return 1 / 0", None, "error", "evals/scorers.py:3: ZeroDivisionError: division by zero"),
        ("return answer.nothing", None, "error", "evals/scorers.py:3: AttributeError"),
        ("raise StopIteration(3)", None, "error", "evals/scorers.py:3: StopIteration: 3"),
        ("raise TimeoutError('mine')", None, "error", "evals/scorers.py:3: TimeoutError: mine"),
        ("return sorted([1, 'a'])", None, "error", "evals/scorers.py:3: TypeError"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "async "])
def test_what_a_function_says(tmp_path, prefix, body, value, status, reason):
    head = "from moat.evals import NotRun, Score\n"
    project = Project(tmp_path, evals__scorers_py=f"{head}{prefix}def polite(answer, case):\n    {body}\n")
    got = project.score()
    assert (got.name, got.value, got.status) == ("python", value, status)
    if "StopIteration" in reason and prefix:
        reason = "evals/scorers.py: RuntimeError"  # Python itself raises it, outside of the function
    assert got.reason.startswith(reason)


def test_an_async_function_has_a_time_limit(tmp_path):
    text = "import asyncio\nasync def polite(answer, case):\n    await asyncio.sleep(60)\n"
    got = Project(tmp_path, evals__scorers_py=text).score(timeout=0.01)
    assert (got.status, got.reason) == ("error", "no score within 0.01 s")


def test_a_function_that_returns_something_to_wait_for_is_waited_for(tmp_path):
    text = "async def later():\n    return 1\ndef polite(answer, case):\n    return later()\n"
    assert Project(tmp_path, evals__scorers_py=text).score().value == 1


def test_reading_a_suite_runs_no_code(tmp_path):
    text = "raise SystemExit('was run')\ndef polite(answer, case):\n    return 1\n"
    assert Project(tmp_path, evals__scorers_py=text).scorer().identity["source"].startswith("sha256:")


def test_the_code_is_part_of_what_a_scorer_means(tmp_path):
    files = {"evals__scorers_py": "from evals.words import WORDS\n" + POLITE, "evals__words_py": "WORDS = 1\n"}
    first = Project(tmp_path / "a", **files).scorer().identity
    assert Project(tmp_path / "b", **files).scorer().identity == first
    for changed in ({"evals__words_py": "WORDS = 2\n"}, {"evals__scorers_py": files["evals__scorers_py"] + "#\n"}):
        assert Project(tmp_path / "c", **{**files, **changed}).scorer().identity != first
    assert Project(tmp_path / "a", unrelated_py="x = 1\n").scorer().identity == first
    assert Project(tmp_path / "a").scorer(options={"least": 2}).identity != first


def test_imports_are_followed_within_the_project(tmp_path):
    Project(
        tmp_path,
        evals__scorers_py="import app.core\nfrom . import near\nfrom .near import x\ndef polite(a, c): return x\n",
        evals__near_py="import sys\nx = 1\n",
        app__core_py="from app import deep\n",
        app__deep_py="def broken(:\n",
    )
    (tmp_path / "app" / "__init__.py").touch()

    def identity():
        return Project(tmp_path).scorer().identity["source"]

    first = identity()
    for file in ("evals/near.py", "app/core.py", "app/deep.py", "app/__init__.py"):
        (tmp_path / file).write_text((tmp_path / file).read_text() + "# changed\n")
        assert identity() != first, file
        first = identity()


def test_a_changed_file_is_loaded_anew(tmp_path):
    assert Project(tmp_path, evals__scorers_py="def polite(answer, case): return 1\n").score().value == 1
    assert Project(tmp_path, evals__scorers_py="def polite(answer, case): return 0\n").score().value == 0


def test_the_project_s_own_modules_can_be_imported(tmp_path):
    files = {
        "moat_test_words__lists_py": "WORDS = ['thank']\n",
        "evals__scorers_py": "from moat_test_words.lists import WORDS\ndef polite(answer, case): return bool(WORDS)\n",
    }
    assert Project(tmp_path, **files).score().value == 1


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        ("evals/scorers.py", POLITE, "names no function"),
        ("evals/scorers.txt:polite", POLITE, "names no function"),
        ("evals/scorers.py:not a name", POLITE, "names no function"),
        ("evals/other.py:polite", POLITE, "there is no file evals/other.py"),
        ("evals/scorers.py:rude", POLITE, "evals/scorers.py: there is no function 'rude'"),
        ("../outside.py:polite", POLITE, "is outside of the project"),
        ("/etc/passwd.py:polite", POLITE, "is outside of the project"),
        ("evals/link.py:polite", POLITE, "is outside of the project"),
        ("evals/scorers.py:polite", "def polite(:\n", "evals/scorers.py:1: not valid Python"),
        ("evals/scorers.py:polite", "x = 1\0", "cannot be read|not valid"),
    ],
)
def test_what_cannot_be_found_is_told_when_the_suite_is_read(tmp_path, path, text, problem):
    (tmp_path / "outside.py").write_text(POLITE)
    project = Project(tmp_path / "project", evals__scorers_py=text)
    (project.root / "evals" / "link.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(ConfigError, match=problem):
        project.scorer(path)


@pytest.mark.parametrize(
    ("text", "options", "problem"),
    [
        ("import nothing_of_this_name\n" + POLITE, {}, "evals/scorers.py:1: cannot be imported: ModuleNotFoundError"),
        ("1 / 0\n" + POLITE, {}, "evals/scorers.py:1: cannot be imported: ZeroDivisionError"),
        ("polite = 3\n", {}, "'polite' is no function"),
        ("polite: int\n", {}, "'polite' is no function"),
        ("def polite(answer): return 1\n", {}, "does not take what it is given"),
        (POLITE, {"most": 3}, "does not take what it is given: got an unexpected keyword argument 'most'"),
        (
            "from moat.evals import scorer\n@scorer\ndef polite(answer): return 1\n",
            {},
            "has to take an answer and a case",
        ),
    ],
)
def test_what_cannot_be_run_is_told_before_the_first_case(tmp_path, text, options, problem):
    pinned = Project(tmp_path, evals__scorers_py=text).scorer(options=options)
    with pytest.raises(ConfigError, match=problem):
        pinned.bind(BENCH)


def test_without_a_project_there_is_no_function():
    with pytest.raises(ConfigError, match="in a project"):
        made({"kind": "python", "path": "a.py:b"}).bind(BENCH)
    with pytest.raises(msgspec.ValidationError, match="timeout"):
        made({"kind": "python", "path": "a.py:b", "timeout": 0})


def test_the_decorator_leaves_a_function_as_it_is():
    @scorer
    def polite(answer, case, *, least=1):
        return 1

    assert polite(None, None) == 1
    with pytest.raises(TypeError, match="has to take an answer and a case"):

        @scorer
        def rude(answer):
            return 1


def test_a_function_at_hand_becomes_a_scorer():
    def short(answer, case, *, most=5):
        return len(answer.text) <= most, "counted"

    made_here = scorer_of(short, name="brief", most=3).bind(BENCH)
    got = asyncio.run(made_here.score(Case(id="a"), Answered("four")))
    assert got == Score(name="brief", value=0.0, reason="counted")
    assert made_here.identity["source"] == source_digest(short)
    assert source_digest(len) == "builtins.len"

    def broken(answer, case):
        raise KeyError("x")

    got = asyncio.run(scorer_of(broken).score(Case(id="a"), Answered("four")))
    assert got.reason.startswith(f"{__file__}:")


def test_functions_in_c_that_tell_nothing_are_taken_as_they_are():
    check_signature(dict.fromkeys, {}, "here")
    check_signature(type, {}, "here")


@pytest.fixture
def installed(monkeypatch):
    def install(**values):
        points = {name: EntryPoint(name, value, plugins.GROUP) for name, value in values.items()}
        monkeypatch.setattr(plugins, "_installed", lambda: points)

    yield install
    plugins._loaded.cache_clear()


def packaged(answer, case, *, word="thank"):
    """A packaged scorer."""
    return word in answer.text


def test_installed_packages_bring_kinds(installed):
    installed(thanks=f"{__name__}:packaged", whole="moat.evals.scorers.text:Equals", gone="no_such_module:x")
    bound = made({"kind": "thanks", "options": {"word": "you"}}).bind(BENCH)
    got = asyncio.run(bound.score(Case(id="a"), Answered("thank you")))
    assert (got.name, got.value) == ("thanks", 1.0)
    assert bound.identity["source"].startswith("sha256:")
    assert made({"kind": "whole", "ignore_case": True}).ignore_case
    assert {"thanks", "equals"} <= set(plugins.known_kinds())
    with pytest.raises(ConfigError, match="entry point 'gone': the scorer cannot be loaded"):
        scorer_kind("gone", "here")
    with pytest.raises(ConfigError, match="does not take"):
        made({"kind": "thanks", "options": {"words": "you"}}).bind(BENCH)


def test_a_package_that_brings_no_scorer_is_told(installed):
    installed(odd="moat.evals.scorers.plugins:GROUP")
    with pytest.raises(ConfigError, match="is no scorer"):
        scorer_kind("odd", "here")


def test_an_unknown_kind_is_told_with_the_nearest():
    with pytest.raises(ConfigError, match=r"suite.yaml:3: unknown scorer kind 'equal'. Did you mean 'equals'?"):
        scorer_kind("equal", "suite.yaml:3")
    with pytest.raises(ConfigError, match=r"There are: agent, all_of"):
        scorer_kind("zzz", "suite.yaml:3")


def test_the_origin_of_a_kind_may_be_named():
    kind = kind_of_function("k", packaged, "package==1.0")
    assert kind(kind="k").identity["source"] == "package==1.0"


def test_projects_write_scorers_with_names_from_one_place():
    assert moat.evals.Answered is Answered
    assert moat.evals.NotRun is NotRun
    assert moat.evals.Case is Case
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = moat.evals.nothing
