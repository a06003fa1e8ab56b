"""What a check of the doctor works on, and what it says."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from moat.bootstrap.project import STATE_FOLDER, Project
from moat.bootstrap.settings import Settings
from moat.domain.errors import MoatError
from moat.ports.doctor import Check, CheckArea, CheckStanding
from moat.ports.traces import Kept


class Running(NamedTuple):
    """The server, when it is the one that looks."""

    url: str
    problems: tuple[str, ...]
    """As `moat status` shows them."""
    refusing: str
    """Why it takes no calls; empty when it does."""
    kept: Callable[[], Kept]
    """What its trace store holds."""


class Finding(NamedTuple):
    """What a check found."""

    standing: CheckStanding
    looked_at: str
    found: str
    remedy: str = ""
    command: str = ""
    name: str = ""
    """Empty: the check's own."""

    def as_check(self, area: CheckArea, name: str) -> Check:
        """In the list."""
        return Check(
            area=area,
            name=self.name or name,
            standing=self.standing,
            looked_at=self.looked_at,
            found=self.found,
            remedy=self.remedy,
            command=self.command,
        )


class Look:
    """One look: the project as its files are now, and the environment of whoever looks."""

    def __init__(self, project: Project, environ: Mapping[str, str], running: Running | None) -> None:
        """`running` is None when no server runs."""
        self.project = project
        self.environ = environ
        self.running = running

    @property
    def folder(self) -> Path:
        """`.moat/`, which need not be there: to look makes nothing."""
        return self.project.root / STATE_FOLDER

    @property
    def state_path(self) -> Path:
        """Of the state store, which need not be there either."""
        return self.folder / "state.db"

    @cached_property
    def settings(self) -> Settings | None:
        """None when moat.yaml cannot be read: the check of it says why."""
        try:
            return self.project.settings
        except MoatError:
            return None

    @property
    def sound(self) -> Settings:
        """For checks that are not made without it."""
        return self.project.settings


class Examination(NamedTuple):
    """A check that can be made."""

    name: str
    look: Callable[[Look], Iterable[Finding]]
    """May raise a `MoatError` or `OSError`, which is then what was found."""
    needs_settings: bool = True
