"""Rules for all tests."""

import ipaddress
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.bootstrap.projects import Project, make_template


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
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, made once."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def project(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Project:
    """A fresh copy of the example."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    root = tmp_path / "project"
    shutil.copytree(template, root)
    return Project(root, capsys)
