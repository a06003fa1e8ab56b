"""What the gate's tests share."""

import pytest

from tests.bootstrap.projects import Project
from tests.evals.gating.repositories import commit, git


@pytest.fixture
def branch(project: Project) -> Project:
    """The example on a branch of its own."""
    if not (project.root / ".git").exists():
        git(project.root, "init", "--quiet", "--initial-branch=main")
    if git(project.root, "status", "--porcelain"):
        commit(project.root, "all")
    git(project.root, "checkout", "--quiet", "-B", "main")
    git(project.root, "checkout", "--quiet", "-b", "topic")
    return project
