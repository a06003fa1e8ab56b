"""Moat as its users run it: `moat serve` in a project, with a key and everything on that is on by default."""

import sys
from pathlib import Path

import msgspec

import moat
from bench.errors import Unavailable
from bench.peers.peer import Service, Upstream
from bench.process import run
from bench.traffic import chat

PROGRAM = str(Path(sys.executable).with_name("moat"))


class Moat:
    """This checkout."""

    name = "Moat"

    def install(self, home: Path) -> str:
        """`make setup` has done it."""
        return moat.__version__

    def configure(self, home: Path, directory: Path, port: int, upstream: Upstream) -> Service:
        """A project with one provider for each of the upstream's answers, and a key."""
        bases = {"plain": upstream.plain, "stream": upstream.stream}
        price = {"input": "0.60", "output": "2.40"}
        project = {
            "project": "bench",
            "providers": {
                name: {"kind": "openai", "base_url": base, "api_key": "${PROVIDER_KEY}"} for name, base in bases.items()
            },
            "models": {name: {"use": [f"{name}/bench"], "price": price} for name in bases},
        }
        (directory / "moat.yaml").write_bytes(msgspec.json.encode(project))
        created = run((PROGRAM, "keys", "create", "--name", "bench", "--json"), directory, 60)
        try:
            secret = msgspec.json.decode(created, type=dict[str, object])["secret"]
        except (msgspec.DecodeError, KeyError):
            raise Unavailable("`moat keys create --json` printed no secret") from None
        return Service(
            (PROGRAM, "serve", "--host", "127.0.0.1", "--port", str(port)),
            chat("plain", authorization=f"Bearer {secret}"),
            chat("stream", stream=True, authorization=f"Bearer {secret}"),
            {"PROVIDER_KEY": "bench"},
        )
