"""What a function of the project rests on."""

import os

import pytest

from moat.evals.project_code import find_function


def digest(root, code):
    (root / "evals").mkdir(parents=True, exist_ok=True)
    (root / "evals" / "bot.py").write_text(code)
    return find_function("evals/bot.py:answer", root, "suite s").digest


@pytest.mark.parametrize("dots", [2, 3, 4, 40])
@pytest.mark.parametrize("names", ["import other", "other import thing", "import *"])
def test_a_relative_import_that_leaves_the_project_is_not_followed(tmp_path, dots, names):
    for folder in (tmp_path, tmp_path / "project", tmp_path.parent):
        folder.mkdir(exist_ok=True)
        (folder / "other.py").write_text("thing = 1\n")
    code = f"from {'.' * dots}{names}\ndef answer(question): ...\n"
    before = digest(tmp_path / "project", code)
    (tmp_path / "other.py").write_text("thing = 2\n")
    assert digest(tmp_path / "project", code) == before


@pytest.mark.parametrize("line", ["from . import near", "from .. import near", "from .near import x", "import near"])
def test_one_that_stays_counts(tmp_path, line):
    (tmp_path / "evals").mkdir()
    for folder in (tmp_path, tmp_path / "evals"):
        (folder / "near.py").write_text("x = 1\n")
    code = f"{line}\ndef answer(question): ...\n"
    before = digest(tmp_path, code)
    for folder in (tmp_path, tmp_path / "evals"):
        (folder / "near.py").write_text("x = 2\n")
    assert digest(tmp_path, code) != before


def test_a_link_that_leaves_the_project_counts_with_what_it_leads_to(tmp_path):
    (tmp_path / "far.py").write_text("x = 1\n")
    (tmp_path / "project").mkdir()
    os.symlink(tmp_path / "far.py", tmp_path / "project" / "near.py")
    code = "import near\ndef answer(question): ...\n"
    before = digest(tmp_path / "project", code)
    (tmp_path / "far.py").write_text("x = 2\n")
    assert digest(tmp_path / "project", code) != before
