"""Rules for all tests."""

import ipaddress
import os
import shutil
import signal
import socket
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.bootstrap.projects import Project, make_template
from tests.shared import made_once

hypothesis.settings.register_profile(
    # The same examples in every run, and no clock: a busy machine, or chance, refuses no change.
    "suite",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")


def pytest_configure() -> None:
    """A run in the background of a script ignores Ctrl-C, and so would every command that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """For `--numprocesses auto`: tests wait half of the time, so two to a core; each takes half a gigabyte."""
    return min(2 * (os.cpu_count() or 1), 8)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """`no_cover` without tracing: pytest-cov itself pauses only one of the two measurements of an xdist worker."""
    if pyfuncitem.get_closest_marker("no_cover") is None:
        return (yield)
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the product does."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _stay_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach a real provider: only loopback addresses and local sockets can be connected."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0]
            local = host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback
            assert local, f"a test tried to connect to {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The example, made once."""
    return made_once(tmp_path_factory, worker_id, "template", make_template) / "example"


@pytest.fixture
def project(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Project:
    """A fresh copy of the example."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    root = tmp_path / "project"
    shutil.copytree(template, root)
    return Project(root, capsys)
