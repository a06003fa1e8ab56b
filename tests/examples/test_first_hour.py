"""What `make demo` leaves a newcomer with: where the console is, and a link that opens it."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from tests.bootstrap.projects import Project

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_last_that_the_demo_says_is_how_to_look_at_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    spec = importlib.util.spec_from_file_location("first_hour", EXAMPLES / "first_hour.py")
    assert spec is not None
    assert spec.loader is not None
    demo = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "first_hour", demo)
    spec.loader.exec_module(demo)
    monkeypatch.setattr(demo, "PROJECT", project.root)
    with project.serving() as server:
        tour = demo.FirstHour(0)
        tour.url = server.url
        tour.show_console()
        said = capsys.readouterr().out.split("Look at it in a browser", 1)[1]
        assert f"console   {server.url}/\n" in said
        found = re.search(rf"sign in   {re.escape(server.url)}/welcome#([\w-]+)\n", said)
        assert found is not None, said
        accepted = {"token": found[1], "name": "You", "password": "four of us share one tent"}
        status, answer = server.send("POST", "/api/v1/invitations/accept", accepted, content_type="application/json")
        assert status == 200, answer
