"""Approvals as clients, workers and commands meet them: official SDKs, real servers, `kill -9`."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as with_fields
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as google_errors

from moat.adapters.sqlite import SqliteAudit, SqliteState, SqliteToolApprovals
from moat.domain.audit import AuditQuery
from moat.guards.engine.approving import Approvals
from moat.pipeline.ports import Ports
from tests.bootstrap.projects import Project, Server
from tests.guards.test_approvals import ADA, REFUND, asking
from tests.guards.test_clients import chat, claude, gateway, gemini, responses
from tests.guards.test_engine import guards
from tests.guards.test_tools import calling


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (chat, openai.PermissionDeniedError),
        (responses, openai.PermissionDeniedError),
        (claude, anthropic.PermissionDeniedError),
        (gemini, google_errors.ClientError),
    ],
)
def test_every_client_is_told_what_it_waits_for(
    tmp_path: Path, ask: Callable[[str, bool], str], error: type[Exception], stream: bool
) -> None:
    with asking(tmp_path) as people:

        def approved(ports: Ports) -> Ports:
            policy = guards(REFUND)
            policy.approvals = Approvals(people)
            return with_fields(ports, guards=policy)

        with gateway(approved, calling(("refund", '{"order": 17}'))) as (url, _):
            with pytest.raises(error, match=r"refund needs the approval of a person \(apr_\w+\)") as caught:
                ask(url, stream)
            assert "approval_required" in str(getattr(caught.value, "body", None) or caught.value)
            (waiting,) = people.approvals("pending")
            people.decide(waiting.id, approve=False, actor=ADA, reason="")
            with pytest.raises(error, match="who has denied it"):
                ask(url, stream)
            assert len(people.approvals()) == 1
            if (sent := getattr(caught.value, "response", None)) is not None and hasattr(sent, "headers"):
                assert sent.headers["x-moat-approval"] == waiting.id


POLICY = """
name: agents
guards:
  - {use: tools, with: {approve: [refund]}, action: block}
tests:
  - {text: "{}", at: tool_arguments, tool: refund, expect: block, finds: [approval]}
  - {text: "{}", at: tool_arguments, tool: search, expect: pass}
"""
REFUNDS = """rules:
  - user: 'refund order'
    answers: [{tool_calls: [{name: refund, arguments: {order: 17, to: ada@example.org}}]}]
"""


ALERT = """
alerts:
  rules:
    - {name: approval-wanted, measure: calls, where: "error = approval_required", above: 0, min_samples: 1, after: 1}
"""


def agent(project: Project) -> str:
    """A project whose model wants refunds; its key."""
    (project.root / "policies").mkdir(exist_ok=True)
    (project.root / "policies" / "agents.yaml").write_text(POLICY)
    project.replace("simulation/support.yaml", {"rules:\n": REFUNDS})
    return project.key("--tenant", "acme")


def refund(server: Server, key: str) -> tuple[int, Any]:
    asked = {"model": "assistant", "messages": [{"role": "user", "content": "refund order 17"}]}
    return server.send("POST", "/v1/chat/completions", asked, key, content_type="application/json")


def test_two_workers_and_a_command_share_one_yes(project: Project) -> None:
    key = agent(project)
    assert project.ok("guard", "test").code == 0
    with project.serving("--workers", "2") as server:
        status, answer = refund(server, key)
        assert (status, answer["error"]["code"], answer["error"]["type"]) == (
            *(403, "approval_required", "permission_error"),
        )
        (waiting,) = project.ok("approvals", "list", "--json").json
        assert waiting["id"] in answer["error"]["message"]
        assert (waiting["tenant"], waiting["state"]) == ("acme", "pending")
        assert waiting["id"] in project.ok("approvals", "list").out
        assert '"order":17' in project.ok("approvals", "show", waiting["id"]).out.replace(" ", "")
        assert "may be made once" in project.ok("approvals", "approve", waiting["id"], "--reason", "late").out
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: refund(server, key), range(24)))
        assert Counter(status for status, _ in answers) == {200: 1, 403: 23}
        states = [one["state"] for one in project.ok("approvals", "list", "--state", "all", "--json").json]
        assert sorted(states) == ["pending", "used"]
    again = project.ok("approvals", "list", "--json").json[0]["id"]
    project.ok("approvals", "deny", again, "--reason", "no more")
    assert project.run("approvals", "approve", again).code == 75, "what is decided stays"
    with project.serving() as server:
        status, answer = refund(server, key)
        assert (status, answer["error"]["code"]) == (403, "approval_denied")
        (found,) = project.ok("traces", "search", "tools~refund and guard = block", "--limit", "1", "--json").json
        assert [(use["name"], use["verdict"], use["approval"]) for use in found["attributes"]["moat.tools"]] == [
            ("refund", "block", again)
        ]
    assert project.ok("audit", "verify").code == 0
    with (project.root / "moat.yaml").open("a") as config:
        config.write(ALERT)
    told = project.ok("alerts", "test", "--since", "1h", "--json").json
    assert "approval-wanted" in {event["rule"] for event in told["events"] if event["kind"] == "fired"}


WORK = """
import sys
from contextlib import suppress
from pathlib import Path
from moat.adapters.sqlite import SqliteState, SqliteToolApprovals
from moat.domain.errors import ConflictError
from moat.domain.tool_approvals import ToolCall
people = SqliteToolApprovals(SqliteState.open(Path(sys.argv[1])))
number = 0
while True:
    call = ToolCall(digest=str(number % 5), tool="refund", key="key_1", request=f"req_{number}")
    (found,) = people.take([call])
    if found.state == "pending":
        with suppress(ConflictError):  # the other process was faster
            people.decide(found.id, approve=number % 3 > 0, actor="ada", reason="")
    print(found.state, flush=True)
    number += 1
"""


@pytest.mark.promise("guard-4")
@pytest.mark.no_cover
def test_a_kill_leaves_each_decision_and_each_use_with_its_entry(tmp_path: Path) -> None:
    """Of processes that ask, decide and use, killed wherever they are."""
    path = tmp_path / "state.db"
    SqliteState.open(path).close()
    for lines in range(1, 12, 2):
        workers = [
            subprocess.Popen([sys.executable, "-c", WORK, str(path)], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        for worker in workers:
            assert worker.stdout is not None
            for _ in range(lines):
                assert worker.stdout.readline()
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
            worker.stdout.close()
    state = SqliteState.open(path)
    found = SqliteToolApprovals(state).approvals(limit=1000)
    log = Counter(
        (one.entry.action, one.entry.subject) for one in SqliteAudit(state).all(AuditQuery(action="approval"))
    )
    assert SqliteAudit(state).verify().intact
    state.close()
    expected = Counter({("approval.grant", one.id): 1 for one in found if one.state in ("approved", "used")})
    expected.update({("approval.deny", one.id): 1 for one in found if one.state == "denied"})
    expected.update({("approval.use", one.id): 1 for one in found if one.state == "used"})
    assert log == expected
    assert {one.state for one in found} >= {"used"}
