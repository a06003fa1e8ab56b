"""The doctor of a running server: the checks know all of evals, and are loaded when somebody asks for them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from moat.bootstrap.announcement import running_server
from moat.bootstrap.project import STATE_FOLDER, Project
from moat.ports.doctor import Checkup
from moat.ports.traces import Kept


class ServerDoctor:
    """Implements `moat.ports.doctor.Doctor` on the event loop of a running server. Files are read as they are, in one
    thread: one look at a time, however many people wait for it.
    """

    def __init__(
        self, root: Path, environ: Mapping[str, str], kept: Callable[[], Kept], refusing: Callable[[], str]
    ) -> None:
        """`kept`: what the trace store holds. `refusing`: why no call is taken; empty when calls are."""
        self._root = root
        self._environ = environ
        self._kept = kept
        self._refusing = refusing
        self._alone = asyncio.Lock()
        self._looks: dict[bool, asyncio.Task[Checkup]] = {}
        """Those under way, without and with providers."""

    async def examine(self, *, providers: bool, problems: Sequence[str]) -> Checkup:
        """See the port."""
        look = self._looks.get(providers)
        if look is None:
            look = self._looks[providers] = asyncio.create_task(self._look(providers, problems))
            look.add_done_callback(lambda _: self._looks.pop(providers))
        return await asyncio.shield(look)  # who leaves does not end it for the others

    async def _look(self, providers: bool, problems: Sequence[str]) -> Checkup:
        async with self._alone:
            return await asyncio.to_thread(self._examined, providers, problems)

    def _examined(self, providers: bool, problems: Sequence[str]) -> Checkup:
        from moat.bootstrap.doctor import examined
        from moat.bootstrap.examination import Look, Running

        announced = running_server(self._root / STATE_FOLDER / "server.json")
        url = announced.url if announced is not None else ""
        running = Running(url, tuple(problems), self._refusing(), self._kept)
        return examined(Look(Project(self._root), self._environ, running), providers=providers)
