"""Every fenced block of the pages runs, or is read by the loader of its kind of file."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from moat.bootstrap.guarding import policies
from moat.bootstrap.models import ProviderShelf, price_table
from moat.bootstrap.settings import load_settings
from moat.documents import parse_yaml, read_yaml
from moat.evals.datasets import load_dataset
from moat.evals.suites import load_suite
from moat.guards.engine.trying import broken
from moat.prompts.lint import lint
from moat.testing.simulation import read_simulation
from tests.docs.pages import Block, Page, pages
from tests.docs.world import copied, environment, execute, new_project, released_project, running
from tests.shared import made_once

CHECKED = ("bash", "python", "yaml", "json", "jsonl", "csv")
"""Languages whose blocks must say what is done with them."""
SECRETS = {
    "OPENAI_API_KEY": "sk-docs",
    "ANTHROPIC_API_KEY": "docs",
    "VLLM_KEY": "docs",
    "GEMINI_API_KEY": "docs",
    "VERTEX_ACCESS_TOKEN": "docs",
    "MISTRAL_API_KEY": "docs",
    "AZURE_OPENAI_API_KEY": "docs",
    "AZURE_TOKEN": "docs",
    "AWS_ACCESS_KEY_ID": "docs",
    "AWS_SECRET_ACCESS_KEY": "docs",
}


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A new project, to be copied."""
    return made_once(tmp_path_factory, worker_id, "fresh", new_project)


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A project with releases, to be copied."""
    return made_once(tmp_path_factory, worker_id, "released", released_project)


def config(text: str, project: Path) -> None:
    """What a block of moat.yaml says comes before the example's, name by name; its providers must build."""
    path = project / "moat.yaml"
    whole, block = read_yaml(path).data, parse_yaml(text).data
    for key, value in block.items():
        whole[key] = {**whole.get(key, {}), **value} if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(whole))
    settings = load_settings(project)
    ProviderShelf(SECRETS).providers(settings)
    price_table(settings, SECRETS)


def prompt(text: str, project: Path) -> None:
    _linted("prompts/docs/1.0.0.yaml", text, project)


def tool(text: str, project: Path) -> None:
    _linted("tools/docs/1.0.0.yaml", text, project)


def _linted(path: str, text: str, project: Path) -> None:
    (project / path).parent.mkdir(parents=True)
    (project / path).write_text(text)
    models = frozenset(load_settings(project).config.models)
    assert [str(p) for p in lint(project, models=models, covered={"docs", "support/answer"})] == []


def suite(text: str, project: Path) -> None:
    path = project / "evals" / "docs.yaml"
    path.write_text(text)
    load_dataset(load_suite(path).dataset)


def simulation(text: str, project: Path) -> None:
    path = project / "simulation" / "docs.yaml"
    path.write_text(text)
    read_simulation(path)


def cases(text: str, project: Path, suffix: str) -> None:
    path = project / "evals" / f"docs.{suffix}"
    path.write_text(text)
    load_dataset(path)


def policy(text: str, project: Path) -> None:
    """Alone in its project; each example beside it comes out as it says."""
    shutil.rmtree(project / "policies")
    (project / "policies").mkdir()
    (project / "policies" / "docs.yaml").write_text(text)
    settings = load_settings(project)
    (found,) = policies(project, settings.config, settings.document)
    flaws = [(test.text, asyncio.run(broken(found, test))) for test in found.config.tests]
    assert [flaw for flaw in flaws if flaw[1]] == []


READERS: dict[str, Callable[[str, Path], None]] = {
    "config": config,
    "prompt": prompt,
    "tool": tool,
    "suite": suite,
    "policy": policy,
    "simulation": simulation,
}

RUNNABLE = [page for page in pages() if any("run" in block.words for block in page.blocks())]
FILES = [b for page in pages() for b in page.blocks() if {*READERS, "cases"} & set(b.words)]


def test_every_block_says_what_is_done_with_it() -> None:
    known = {"run", "shown", "cases", *READERS}
    silent = [b.place for page in pages() for b in page.blocks() if b.language in CHECKED and not known & set(b.words)]
    assert silent == []


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_the_commands_and_programs_of_a_page_run(
    page: Page, fresh: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    blocks = page.blocks()
    wanted = [block for block in blocks if "run" in block.words]
    if not any("server" in block.words for block in blocks):
        project = copied(fresh, tmp_path / "project")
        for block in wanted:
            execute(block, project, environment(tmp_path))
        return
    project = copied(request.getfixturevalue("released"), tmp_path / "project")
    with running(project) as where:
        for block in wanted:
            execute(block, project, environment(tmp_path, **where))


@pytest.mark.parametrize("block", FILES, ids=lambda block: block.place)
def test_the_files_shown_on_a_page_can_be_read(block: Block, fresh: Path, tmp_path: Path) -> None:
    project = copied(fresh, tmp_path / "project")
    if "cases" in block.words:
        cases(block.text, project, block.language)
        return
    READERS[next(word for word in block.words if word in READERS)](block.text, project)
