"""The project as it was where a branch left another: found by git, read from its own files."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from os.path import dirname, normpath
from pathlib import Path
from typing import Any, NamedTuple

from moat.adapters.git import GitRepository
from moat.adapters.git.snapshot import PATHS
from moat.bootstrap.project import Project
from moat.bootstrap.settings import CONFIG_FILE
from moat.bootstrap.suite_files import FOLDER
from moat.documents import read_yaml
from moat.domain.errors import ConflictError, DocumentError, NotFound
from moat.evals.project_code import imported_names
from moat.prompts.catalog import Catalog

BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
"""Where changes are merged to, when nobody says: the first that there is."""
NOTHING = "0" * 40
"""What forges call the commit before a branch's first one."""
LOCKS = ("evals.lock",)


class Base(NamedTuple):
    """What changes are counted from."""

    name: str
    """As it was asked for: `origin/main`."""
    commit: str


class BaseProject(Project):
    """A project as a commit has it, moat.yaml included; the stores are the project's own."""

    def __init__(self, project: Project, root: Path, commit: str) -> None:
        """`root` holds the files of the commit."""
        super().__init__(root)
        self.commit = commit
        self._project = project

    @property
    def old_models(self) -> Project:
        """What the base asks, to answer what the project asks for."""
        return OldModels(self._project, self.root, self.commit)

    @property
    def repository(self) -> GitRepository:
        """Seen from the commit."""
        return self._project.repository.at(self.commit)

    @property
    def author(self) -> str:
        """Of the commit."""
        return self._project.repository.describe(self.commit).author

    @property
    def folder(self) -> Path:
        """`.moat/` of the project itself."""
        return self._project.folder


class OldModels(BaseProject):
    """The models of a base with the prompts of the project: judges are the same on both sides of a comparison."""

    @property
    def catalog(self) -> Catalog:
        """The project's own."""
        return self._project.catalog


def find_base(repository: GitRepository, asked: str, environ: Mapping[str, str]) -> Base | None:
    """Where the current commit left a branch. `asked` empty: what the CI says it will be merged to, else the first of
    `BRANCHES` that there is, else nothing.

    Raises `NotFound` for an unknown revision that was asked for, `ConflictError` for a clone too shallow to tell.
    """
    name = asked or _target(environ)
    if name == NOTHING or not repository.commit():
        return None
    if name:
        try:
            repository.resolve(name)
        except NotFound as error:
            remedy = (
                f"Fetch it: `git fetch origin {name.removeprefix('origin/')}`, or `fetch-depth: 0` in the checkout."
            )
            raise NotFound(error.what, where="--base", remedy=remedy) from None
    else:
        name = next((branch for branch in BRANCHES if _known(repository, branch)), "")
    return Base(name, repository.merge_base(name, "HEAD")) if name else None


@contextmanager
def checked_out(project: Project, base: Base) -> Iterator[BaseProject | None]:
    """The project at a base for a while, in a folder that goes away; None when the base did not have it."""
    repository = project.repository
    if not repository.present(base.commit, CONFIG_FILE):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="moat-base-") as folder:
        root = Path(folder)
        left_out = repository.export(base.commit, root, (*PATHS, *LOCKS))
        wanted = _mentioned(root)
        while more := sorted(wanted - {path.name for path in root.iterdir()}):
            there = repository.present(base.commit, *more)
            if not there:
                break
            repository.export(base.commit, root, there)
            wanted = _imported(root)
        links = _links(repository, base.commit, left_out)
        beside = sorted(path for path in {*_beside(root), *links.values()} if not (root / path).exists())
        if beside and (there := repository.present(base.commit, *beside)):
            repository.export(base.commit, root, there)
        for path, end in links.items():
            if (root / end).is_file():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / end, root / path)
        yield BaseProject(project, root, base.commit)


def _target(environ: Mapping[str, str]) -> str:
    """The branch that a pull request of GitHub, or a merge request of GitLab, is for."""
    github, gitlab = environ.get("GITHUB_BASE_REF"), environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")
    return f"origin/{github or gitlab}" if github or gitlab else ""


def _known(repository: GitRepository, revision: str) -> bool:
    with suppress(NotFound):
        return bool(repository.resolve(revision))
    return False


def _mentioned(root: Path) -> set[str]:
    """First parts of the relative paths that moat.yaml and the suites name: rules of simulations, functions."""
    found = set()
    for file in (root / CONFIG_FILE, *sorted((root / FOLDER).glob("*.yaml"))):
        with suppress(DocumentError):
            for text in _texts(read_yaml(file).data):
                first = text.removeprefix("./").partition("/")[0].partition(":")[0]
                if first and first not in (".", "..", "~") and len(text) < 500 and "\n" not in text:
                    found.add(first)
    return found


def _links(repository: GitRepository, commit: str, left_out: Iterable[str]) -> dict[str, str]:
    """Where links below `evals/` lead inside of the project; a dataset may be one."""
    found = {}
    for path in left_out:
        if path.startswith(f"{FOLDER}/") and normpath(path) == path:
            with suppress(ConflictError):  # it is no link
                found[path] = normpath(f"{dirname(path)}/{repository.link(commit, path)}")
    return {path: end for path, end in found.items() if not end.startswith(("..", "/"))}


def _beside(root: Path) -> set[str]:
    """What the suites name by its place from their folder that is not below it: `../data/support.jsonl`."""
    found = set()
    for file in sorted((root / FOLDER).glob("*.yaml")):
        with suppress(DocumentError):
            for text in _texts(read_yaml(file).data):
                if text.startswith("../") and len(text) < 500 and "\n" not in text:
                    found.add(normpath(f"{FOLDER}/{text}"))
    return {path for path in found if not path.startswith("..")}


def _imported(root: Path) -> set[str]:
    """Files and folders at the top that the code there would import, if they were there."""
    names = set()
    for file in root.rglob("*.py"):
        names |= imported_names(file)
    return {found for name in names for found in (name, f"{name}.py")}


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
