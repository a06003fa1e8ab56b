"""What is a change of one function in a file, and what only stands beside it."""

import pytest

from moat.evals.gating.function_code import code_of
from moat.evals.project_code import find_function

FILE = """\
from moat.evals.scorers import scorer

LIMIT = 9


def size(text):
    return len(text)


@scorer
def short(answer, case):
    return size(answer.text) < LIMIT
"""


def code(root, text):
    (root / "own.py").write_text(text)
    return code_of(find_function("own.py:short", root, "here"))


@pytest.mark.parametrize(
    "more",
    [
        "\n\n# a comment\n",
        "\n\ndef polite(answer, case):\n    return 'thank' in answer.text\n",
        "\n\nimport re\nfrom json import loads\n\n\n@scorer\nasync def one(a, c, *, least: int = 1) -> float | None:\n"
        "    return bool(re.search('x', a.text)) + size(a.text)\n",
    ],
)
def test_what_stands_beside_a_function_is_no_change_of_it(tmp_path, more):
    assert code(tmp_path, FILE + more) == code(tmp_path, FILE)


@pytest.mark.parametrize(
    "text",
    [
        FILE.replace("LIMIT = 9", "LIMIT = 99"),
        FILE.replace("return len(text)", "return 0"),
        FILE.replace("< LIMIT", "<= LIMIT"),
        f"{FILE}LIMIT = 99\n",
        f"{FILE}short = lambda answer, case: 1\n",
        f"{FILE}def short(answer, case):\n    return 1\n",
        f"{FILE}def len(text):\n    return 0\n",
        f"{FILE}from json import loads as len\n",
        f"{FILE}from json import *\n",
        f"{FILE}import own\n",
        f"{FILE}import requests\n",
        f"{FILE}def other(a=print(1)):\n    pass\n",
        f"{FILE}def other(a: print(1)):\n    pass\n",
        f"{FILE}@print\n@(lambda f: f)\ndef other():\n    pass\n",
        f"{FILE}class Other:\n    pass\n",
        f"{FILE}if True:\n    pass\n",
        f"{FILE}def __getattr__(name):\n    return 1\n",
        FILE.replace("@scorer\n", "").replace("from moat.evals.scorers import scorer", "")
        + "def evil(f):\n    global LIMIT\n    LIMIT = 99\n    return f\n\n\n@evil\ndef other(a, c):\n    return 1\n",
    ],
)
def test_whatever_may_reach_it_is_a_change_of_it(tmp_path, text):
    before = FILE if "@evil" not in text else FILE.replace("@scorer\n", "").replace(FILE.splitlines()[0], "")
    assert code(tmp_path, text) != code(tmp_path, before)


@pytest.mark.parametrize("reach", ["globals()['si' + 'ze']", "getattr(answer, 'x')", "eval('size')"])
def test_a_function_that_reaches_names_as_text_counts_with_its_file(tmp_path, reach):
    text = FILE.replace("return size", f"{reach}\n    return size")
    beside = "\n\ndef beside():\n    return 1\n"
    assert code(tmp_path, text + beside) != code(tmp_path, text)


def test_a_file_that_imports_the_project_counts_with_all_that_it_imports(tmp_path):
    (tmp_path / "lib.py").write_text("SIZE = 1\n")
    text = f"import lib\n{FILE}"
    before = code(tmp_path, text)
    (tmp_path / "lib.py").write_text("SIZE = 2\n")
    assert code(tmp_path, text) != before
