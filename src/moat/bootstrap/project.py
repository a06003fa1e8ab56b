"""A project on disk and the stores under its `.moat/`: what every command starts from."""

import getpass
from functools import cached_property
from pathlib import Path

from moat.adapters.git import GitRepository
from moat.bootstrap.settings import Settings, environment, find_root, load_settings
from moat.domain.errors import StorageError
from moat.domain.releases import PromptVersion
from moat.prompts.catalog import Catalog
from moat.prompts.lock import publish

STATE_FOLDER = ".moat"


class Project:
    """The files of a project. Reading is lazy: a command pays for what it uses."""

    def __init__(self, root: Path, before: Catalog | None = None) -> None:
        """`before`: a catalog of the same project, loaded earlier; what is unchanged since is taken from there."""
        self.root = root
        self._before = before

    @classmethod
    def find(cls, folder: Path | None) -> "Project":
        """The project at or above a folder (default: the current one)."""
        return cls(find_root(folder or Path.cwd()))

    @cached_property
    def settings(self) -> Settings:
        """moat.yaml, checked."""
        return load_settings(self.root)

    @cached_property
    def catalog(self) -> Catalog:
        """All prompt versions in the files."""
        return Catalog.load(self.root, self._before)

    @cached_property
    def repository(self) -> GitRepository:
        """The git repository the project is in, if any."""
        return GitRepository(self.root, environment())

    @property
    def author(self) -> str:
        """Who acts: git's user, else the operating system's."""
        return self.repository.author() or getpass.getuser()

    def publish(self, version: PromptVersion) -> None:
        """Write a version into prompts.lock. Raises `PromptError` when it is there with another content."""
        publish(self.root, [version])

    @property
    def folder(self) -> Path:
        """`.moat/`, made when missing and closed to other users: it holds keys' hashes and prompts."""
        folder = self.root / STATE_FOLDER
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"the folder cannot be made: {error.strerror}",
                where=str(folder),
                remedy="Moat keeps its state there: make the project writable, or remove what is in the way.",
            ) from None
        return folder

    @property
    def state_path(self) -> Path:
        """SQLite: releases, keys, runs."""
        return self.folder / "state.db"

    @property
    def traces_path(self) -> Path:
        """DuckDB: spans."""
        return self.folder / "traces.duckdb"

    @property
    def spool_path(self) -> Path:
        """Segments that are not in the trace store yet."""
        return self.folder / "spool"

    @property
    def feedback_path(self) -> Path:
        """Segments of what was said of answers, not in the trace store yet."""
        return self.spool_path / "feedback"

    @property
    def link_key_path(self) -> Path:
        """The secret that feedback links are signed with; without it none of those in the world is taken any more."""
        return self.folder / "feedback.key"

    @property
    def digest_key_path(self) -> Path:
        """The secret of the digests that stand in place of data: a new one gives other digests."""
        return self.folder / "digest.key"

    @property
    def files_path(self) -> Path:
        """Files of requests and of their results."""
        return self.folder / "files"

    @property
    def server_path(self) -> Path:
        """Where a running server says how to reach it."""
        return self.folder / "server.json"

    @property
    def lock_path(self) -> Path:
        """Locked by the running server, and says its process."""
        return self.folder / "server.lock"
