"""Code under test may not end the program: what it raises is the case's error, the score's, or the file's."""

import asyncio
import sys

import pytest

from moat.cli import main as command
from moat.cli.edge import INTERNAL
from moat.domain.errors import ConfigError, ProviderDown
from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.project_code import find_function
from moat.evals.scorers import Bench
from moat.evals.scorers.functions import scorer_of
from moat.evals.targets.function import FunctionTarget

CASE = Case(id="a", variables={"question": "Who?"})
RAISED = ["SystemExit(0)", "asyncio.CancelledError()", "GeneratorExit()", "type('Own', (BaseException,), {})()"]
CODE = "import asyncio\n{kind}def answer({what}):\n    raise {error}\n"


def target(root, text):
    (root / "bot.py").write_text(text)
    return FunctionTarget(source=find_function("bot.py:answer", root, "suite s"))


@pytest.mark.parametrize("kind", ["", "async "])
@pytest.mark.parametrize("error", RAISED)
def test_of_a_function(tmp_path, kind, error):
    if (kind, error) == ("async ", "GeneratorExit()"):
        return  # it means a coroutine that is closed
    bound = target(tmp_path, CODE.format(kind=kind, what="question", error=error)).bind(Bench(ask=None))
    with pytest.raises(ProviderDown, match=r"bot\.py(:3)?: raised"):
        asyncio.run(bound.answer(CASE, 0))


def test_of_a_thread_that_pretends_to_be_interrupted(tmp_path):
    bound = target(tmp_path, CODE.format(kind="", what="question", error="KeyboardInterrupt")).bind(Bench(ask=None))
    with pytest.raises(ProviderDown, match="KeyboardInterrupt"):
        asyncio.run(bound.answer(CASE, 0))


@pytest.mark.parametrize("error", RAISED)
def test_of_a_file_that_is_imported(tmp_path, error):
    text = f"import asyncio\nraise {error}\ndef answer(question): ...\n"
    with pytest.raises(ConfigError, match=r"bot\.py:2: cannot be imported"):
        target(tmp_path, text).bind(Bench(ask=None))


@pytest.mark.parametrize("error", [SystemExit(0), asyncio.CancelledError()])
def test_of_a_scorer(error):
    def plain(answer, case):
        raise error

    async def waiting(answer, case):
        raise error

    for function in (plain, waiting):
        score = asyncio.run(scorer_of(function).score(CASE, Answered("x")))
        assert score.status == "error"
        assert type(error).__name__ in score.reason


def test_who_is_cancelled_is_cancelled(tmp_path):
    text = "import asyncio\nasync def answer(question):\n    await asyncio.sleep(60)\n"
    bound = target(tmp_path, text).bind(Bench(ask=None))

    async def limited():
        async with asyncio.timeout(0.01):
            await bound.answer(CASE, 0)

    with pytest.raises(TimeoutError):
        asyncio.run(limited())


@pytest.mark.parametrize(
    "error", [SystemExit(0), SystemExit(2), asyncio.CancelledError(), BaseExceptionGroup("", [SystemExit(0)])]
)
def test_the_program_ends_with_no_exit_code_of_theirs(monkeypatch, capsys, error):
    def app(**_):
        raise error

    monkeypatch.setattr(command, "app", app)
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == INTERNAL
    assert type(error).__name__ in capsys.readouterr().err


def test_an_error_of_theirs_that_says_it_is_a_success_is_none(monkeypatch):
    def app(**_):
        raise type("Fine", (ConfigError,), {"exit_code": 0})("fine")

    monkeypatch.setattr(command, "app", app)
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == INTERNAL


def test_shell_completion_ends_the_program_itself(monkeypatch, capsys):
    monkeypatch.setenv("_MOAT_COMPLETE", "source_bash")
    monkeypatch.setattr(sys, "argv", ["moat"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 0
    assert "Traceback" not in capsys.readouterr().err
