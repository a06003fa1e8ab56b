"""Portkey's open-source gateway on Node, without its console."""

import shutil
from pathlib import Path

import msgspec

from bench.errors import Unavailable
from bench.peers.peer import Service, Upstream, install_once
from bench.process import run
from bench.traffic import Request, chat

FILES = Path(__file__).parent
PACKAGE = Path("node_modules/@portkey-ai/gateway")


class Portkey:
    """From `package-lock.json`, which pins the hono and @hono/node-server of Portkey's own lock file.

    With newer ones every stream answers 500 (Portkey-AI/gateway issues 1389 and 1550).
    """

    name = "Portkey"

    def install(self, home: Path) -> str:
        """Through npm, without running the packages' scripts."""
        files = [FILES / "package.json", FILES / "package-lock.json"]
        npm = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        install_once(home, "".join(file.read_text() for file in files), ("cp", *files, home), npm)
        package = msgspec.json.decode((home / PACKAGE / "package.json").read_bytes())
        return f"{package['version']} (Node {run((_node(), '--version'), home, 10).strip().removeprefix('v')})"

    def configure(self, home: Path, directory: Path, port: int, upstream: Upstream) -> Service:
        """Nothing to write: each request's headers name provider and upstream."""
        return Service(
            (_node(), str(home / PACKAGE / "build/start-server.js"), "--headless", f"--port={port}"),
            _ask(upstream.plain, stream=False),
            _ask(upstream.stream, stream=True),
            {"NODE_ENV": "production"},
        )


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise Unavailable("node is not installed")
    return node


def _ask(base: str, *, stream: bool) -> Request:
    headers = {"authorization": "Bearer bench", "x_portkey_provider": "openai", "x_portkey_custom_host": base}
    return chat("bench", stream=stream, **headers)
