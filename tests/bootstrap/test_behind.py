"""What stands behind an alias, as runs and kept answers are told apart by it."""

from pathlib import Path

import pytest

from moat.bootstrap.behind import behind
from moat.bootstrap.eval_answers import _identities
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.syncing import CommittedProject
from tests.bootstrap.projects import Project as Example

CONFIG = """

providers:
  far:
    kind: openai
    base_url: ${FAR_URL:-https://far.example/v1}
    api_key: ${FAR_TOKEN}
    headers: {x-team: "${FAR_TEAM:-red}"}
models:
  bot: {use: [far/one]}
"""


def seen(root: Path) -> tuple[str, dict[str, str]]:
    project = Project(root)
    return behind("bot", project), _identities(project, environment())


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("FAR_URL", "FAR_TEAM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FAR_TOKEN", "one")
    (tmp_path / "moat.yaml").write_text(CONFIG)
    return tmp_path


@pytest.mark.promise("keep-5")
def test_another_address_by_a_variable_is_another_model(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alias, answers = seen(root)
    for url in ("https://near.example/v1", "https://far.example/v2"):
        monkeypatch.setenv("FAR_URL", url)
        assert seen(root)[0] != alias
        assert seen(root)[1] != answers
    monkeypatch.setenv("FAR_URL", "https://far.example/v1")
    assert seen(root) == (alias, answers), "where the variable says what the file does, nothing is another"


@pytest.mark.parametrize(
    "changes",
    [
        {"FAR_TOKEN": "two"},
        {"FAR_TEAM": "blue"},
        {"FAR_URL": "https://ann:s3cret@far.example/v1"},
        {"FAR_URL": "https://far.example/v1?api_key=s3cret"},
    ],
)
def test_another_credential_is_the_same_model(
    root: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    alias, _ = seen(root)
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    assert seen(root)[0] == alias


def test_a_variable_that_is_not_set_is_no_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = behind("bot", Project(root))
    monkeypatch.delenv("FAR_TOKEN")
    assert behind("bot", Project(root)) == known
    assert behind("none", Project(root)) == ""


def test_files_that_a_variable_names_are_looked_at_and_keys_are_not(root: Path, monkeypatch) -> None:
    (root / "moat.yaml").write_text(
        "providers:\n"
        "  near: {kind: simulated, rules: '${RULES:-rules.yaml}'}\n"
        "  vertex: {kind: vertex, project: p, location: eu, credentials_file: account.json}\n"
        "models:\n  bot: {use: [near/one, vertex/one]}\n"
    )
    found = set()
    for rules, account in (("a", "k1"), ("a", "k2"), ("b", "k2")):
        (root / "rules.yaml").write_text(rules)
        (root / "account.json").write_text(account)
        found.add(behind("bot", Project(root)))
    (root / "other.yaml").write_text("c")
    monkeypatch.setenv("RULES", "other.yaml")
    found.add(behind("bot", Project(root)))
    assert len(found) == 3


def test_a_merge_is_asked_with_the_files_of_the_project_itself(project: Example, tmp_path: Path) -> None:
    """moat.yaml is never the commit's, so that what it names is not either: else no merge would find its runs."""
    here = Project(project.root)
    commit = here.repository.describe("HEAD")
    here.repository.export(commit.id, tmp_path / "commit")
    merged = CommittedProject(here, tmp_path / "commit", commit)
    assert behind("assistant", merged) == behind("assistant", here)
