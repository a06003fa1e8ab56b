"""A project of its own for each test."""

import shutil
from pathlib import Path

import pytest

from tests.bootstrap.projects import Project, make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, made once."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def project(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Project:
    """A fresh copy of the example."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    root = tmp_path / "project"
    shutil.copytree(template, root)
    return Project(root, capsys)
