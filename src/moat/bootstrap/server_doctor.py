"""The doctor of a running server: the checks know all of evals, and are loaded when somebody asks for them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from moat.bootstrap.announcement import running_server
from moat.bootstrap.project import STATE_FOLDER, Project
from moat.ports.doctor import Checkup
from moat.ports.traces import Kept


class ServerDoctor:
    """Implements `moat.ports.doctor.Doctor` in a running server. Files are read as they are, one look at a time."""

    def __init__(
        self, root: Path, environ: Mapping[str, str], kept: Callable[[], Kept], refusing: Callable[[], str]
    ) -> None:
        """`kept`: what the trace store holds. `refusing`: why no call is taken; empty when calls are."""
        self._root = root
        self._environ = environ
        self._kept = kept
        self._refusing = refusing
        self._alone = threading.Lock()

    def examine(self, *, providers: bool, problems: Sequence[str]) -> Checkup:
        """See the port."""
        from moat.bootstrap.doctor import examined
        from moat.bootstrap.examination import Look, Running

        with self._alone:
            announced = running_server(self._root / STATE_FOLDER / "server.json")
            url = announced.url if announced is not None else ""
            running = Running(url, tuple(problems), self._refusing(), self._kept)
            return examined(Look(Project(self._root), self._environ, running), providers=providers)
