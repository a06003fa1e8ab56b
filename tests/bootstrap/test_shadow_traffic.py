"""Shadow traffic at a real server: recorded, and brought to its end when the server stops."""

import json
import signal

from msgspec.structs import replace

from moat.bootstrap.project import Project as Files
from moat.bootstrap.state import open_state
from moat.domain.releases import Arm
from tests.bootstrap.projects import PROMPT, Project, eventually, slow_down


def shadow(project: Project) -> tuple[str, str]:
    """Staging serves 1.0.0, and 1.2.0 answers a copy of every call."""
    new, old = project.release("1.2.0"), project.release("1.0.0")
    with open_state(Files(project.root)) as state:
        current = state.releases.history(PROMPT, "staging")[0]
        trial = {"strategy": "shadow", "progress": "open", "experiment": "e", "shadow": Arm(new, 1.0, "shadow")}
        state.releases.assign(replace(current, sequence=current.sequence + 1, **trial))
    return new, old


def test_a_server_that_stops_brings_copies_under_way_to_their_end(project: Project) -> None:
    new, old = shadow(project)
    slow_down(project, 2500)
    with project.serving() as server:
        connection = server.connection()
        body = json.dumps({"prompt": {"id": f"{PROMPT}@staging", "variables": {"question": "Hi?"}}})
        connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {server.token}"})
        connection.close()
        (seen,) = eventually(lambda: server.get("/api/v1/traces?shadow=false")[1])
        assert (seen["error"], seen["release"]) == ("client_closed", old)
        assert server.stop(signal.SIGTERM) == 0
    (copy,) = project.ok("traces", "--shadow", "--json").json
    assert (copy.get("error", ""), copy["release"], copy["shadow_of"]) == ("", new, seen["request_id"])
    assert (copy["arm"], copy["experiment"], copy["trace_id"]) == ("shadow", "e", seen["trace_id"])
    assert "Traceback" not in project.log()


def test_copies_are_told_from_calls(project: Project) -> None:
    shadow(project)
    with project.serving() as server:
        assert server.ask("Hi?", at="staging")[0] == 200
        eventually(lambda: len(server.get("/api/v1/traces")[1]) == 2)
        shown = project.ok("traces").out
        assert f"{PROMPT}@1.2.0 (shadow)" in shown
        assert f"{PROMPT}@1.0.0 (" not in shown
        assert len(project.ok("traces", "--no-shadow", "--json").json) == 1
        (call,) = project.ok("traces", "--arm", "shadow", "--experiment", "e", "--json").json
        tree = project.ok("traces", "show", call["trace_id"]).out
        assert "chat (shadow)" in tree
        assert "(shadow)  release" in tree
        found = project.ok("report", "--by", "arm", "--experiment", "e", "--json").json
        assert found["copies"]["calls"] == 1
        assert sorted((row["group"], row["calls"]) for row in found["rows"]) == [([""], 1), (["shadow"], 1)]
        assert "1 of the calls" in project.ok("report", "--markdown").out
        assert project.ok("report", "--by", "arm", "--no-shadow", "--json").json["total"]["calls"] == 1
