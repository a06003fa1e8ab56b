"""A program that does not start, or answers wrongly, is named and never measured."""

import os
import sys
from pathlib import Path

import pytest

from bench.errors import Unavailable
from bench.machine import Processors
from bench.measure import Site, measure
from bench.peers.peer import Service, Upstream
from bench.traffic import chat

SERVER = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = {body!r}.encode()
        self.send_response({status})
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Program:
    """A peer that is one Python script; it gets its port as argument."""

    name = "program"

    def __init__(self, script: str) -> None:
        self.script = script

    def install(self, home: Path) -> str:
        return "1"

    def configure(self, home: Path, directory: Path, port: int, upstream: Upstream) -> Service:
        return Service((sys.executable, "-c", self.script, str(port)), chat("plain"), chat("stream", stream=True))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import sys; sys.exit('no licence')", "ended with status 1: no licence"),
        (SERVER.format(status=200, body="hello"), "the plain answer is no chat completion: hello"),
        (
            SERVER.format(status=200, body='{"choices": [{"message": {"content": "cached"}}]}'),
            "the plain answer is not the upstream's: cached",
        ),
    ],
)
def test_it_is_refused_with_the_reason(tmp_path: Path, script: str, reason: str) -> None:
    here = frozenset({min(os.sched_getaffinity(0))})
    site = Site(tmp_path / "run", 9, Processors(here, here), seconds=1, warm_up_seconds=1)
    with pytest.raises(Unavailable, match=reason):
        measure(Program(script), tmp_path, site)
