"""What the bench must know of a program to measure it."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from bench.process import run
from bench.traffic import Request

INSTALL_SECONDS = 900.0


class Upstream(msgspec.Struct, frozen=True):
    """Base URLs of the canned provider, without a slash at the end."""

    plain: str
    stream: str


class Service(msgspec.Struct, frozen=True):
    """How to start a program, and what to ask it."""

    argv: tuple[str, ...]
    plain: Request
    stream: Request
    environment: dict[str, str] = {}


class Peer(Protocol):
    """One program between client and upstream."""

    @property
    def name(self) -> str:
        """Its row in the table."""

    def install(self, home: Path) -> str:
        """Have it in the folder `home`, at once when it is there already; gives its version, or Unavailable."""

    def configure(self, home: Path, directory: Path, port: int, upstream: Upstream) -> Service:
        """Write its configuration into the empty folder `directory`, to listen on `port` of 127.0.0.1."""


def install_once(home: Path, lock: str, *steps: Sequence[str | Path]) -> None:
    """Run the installation `steps` in an empty folder `home`, unless they did succeed for this `lock`."""
    stamp = home / "installed"
    if stamp.exists() and stamp.read_text() == lock:
        return
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for step in steps:
        run(step, home, INSTALL_SECONDS)
    stamp.write_text(lock)
