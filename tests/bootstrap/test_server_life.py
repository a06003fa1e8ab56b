"""`moat serve` from the first request to the last record."""

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.bootstrap.projects import DEADLINE, PROMPT, Project, Server, eventually, slow_down


def served(server: Server, environment: str = "production") -> str:
    """The release that an environment serves."""
    _, body = server.get(f"/api/v1/prompts/{PROMPT}?environment={environment}")
    return str(body.get("release"))


def test_what_changes_is_served_within_a_moment_and_the_old_is_gone(project: Project) -> None:
    first = project.release("1.0.0")
    with project.serving() as server:
        assert served(server, "staging") == first
        second = project.release("1.2.0")
        eventually(lambda: served(server, "staging") == second)
        assert [served(server, "staging") for _ in range(20)] == [second] * 20
        done = project.ok("rollback", PROMPT, "--env", "staging", "--json").json
        assert done["live"] is True
        assert [served(server, "staging") for _ in range(20)] == [first] * 20

        source = (project.root / f"prompts/{PROMPT}/1.0.0.yaml").read_text("utf-8")
        (project.root / f"prompts/{PROMPT}/2.0.0.yaml").write_text(source, "utf-8")
        eventually(lambda: server.get(f"/api/v1/prompts/{PROMPT}?version=2.0.0")[0] == 200)


@pytest.mark.promise("gate-4")
def test_a_new_key_works_and_a_revoked_one_does_not(project: Project) -> None:
    project.release("1.0.0")
    with project.serving() as server:
        made = project.ok("keys", "create", "--name", "app", "--tenant", "acme", "--json").json
        eventually(lambda: server.get("/v1/models", made["secret"])[0] == 200)
        assert server.ask("How long can I return things?", made["secret"], at="staging")[0] == 200
        project.ok("keys", "revoke", made["id"])
        eventually(lambda: server.get("/v1/models", made["secret"])[0] == 401)
        status, body = server.ask("Again?", made["secret"], at="staging")
        assert (status, body["error"]["code"]) == (401, "access_denied")
        assert {server.get("/v1/models", made["secret"])[0] for _ in range(20)} == {401}


def test_a_broken_configuration_keeps_the_last_good_one_and_says_so(project: Project) -> None:
    release = project.release("1.0.0")
    good = (project.root / "moat.yaml").read_text("utf-8")
    with project.serving() as server:
        (project.root / "moat.yaml").write_text(good + "\nmodles: {}\n", "utf-8")
        eventually(lambda: server.get("/readyz")[1] == {"status": "degraded", "problems": 1})
        assert "Did you mean 'models'?" in server.get("/api/v1/status")[1]["problems"][0]
        assert served(server, "staging") == release
        assert server.ask("How long can I return things?", at="staging")[0] == 200
        (project.root / "moat.yaml").unlink()
        eventually(lambda: "no such file" in server.get("/api/v1/status")[1]["problems"][0])
        (project.root / "moat.yaml").write_text(good, "utf-8")
        eventually(lambda: server.get("/readyz")[1] == {"status": "ready", "problems": 0})
    assert "unknown key 'modles'" in project.log()


def test_a_broken_prompt_hides_no_other(project: Project) -> None:
    with project.serving() as server:
        (project.root / f"prompts/{PROMPT}/1.3.0.yaml").write_bytes(b"\xff\xfe")
        eventually(lambda: server.get("/readyz")[1]["problems"] == 1)
        assert server.get(f"/api/v1/prompts/{PROMPT}?version=1.2.0")[0] == 200
        status, body = server.get(f"/api/v1/prompts/{PROMPT}?version=1.3.0")
        assert status == 400
        assert "1.3.0.yaml:1" in body["error"]["message"]


def test_a_prompts_folder_may_come_after_the_start(project: Project) -> None:
    prompts = project.root / "prompts"
    away = prompts.rename(project.root / "away")
    with project.serving() as server:
        assert server.get(f"/api/v1/prompts/{PROMPT}?version=1.0.0")[0] == 404
        away.rename(prompts)
        eventually(lambda: server.get(f"/api/v1/prompts/{PROMPT}?version=1.0.0")[0] == 200)
        for number in range(5):  # one file after the other, as an editor or git makes them
            folder = prompts / "new" / f"p{number}"
            folder.mkdir(parents=True)
            (folder / "1.0.0.md").write_text("Say hello.", "utf-8")
            eventually(lambda number=number: server.get(f"/api/v1/prompts/new/p{number}?version=1.0.0")[0] == 200)


def drift(project: Project, release: str) -> set[str]:
    """How the one release that is served has drifted, by kind."""
    (entry,) = project.ok("status", "--json").json["served"]
    assert entry["release"]["id"] == release
    return {found["kind"] for found in entry["drift"]}


def test_production_keeps_a_release_whose_file_is_edited_or_gone(project: Project) -> None:
    release = project.release("1.0.0")
    file = project.root / f"prompts/{PROMPT}/1.0.0.yaml"
    with project.serving() as server:
        before = server.get(f"/api/v1/prompts/{PROMPT}?environment=staging")[1]
        file.write_text(file.read_text("utf-8").replace("temperature: 0.2", "temperature: 0.9"), "utf-8")
        assert "edited" in drift(project, release)
        done = project.run("release", "create", f"{PROMPT}@1.0.0", "--to", "staging")
        assert (done.code, "published with another content" in done.err) == (65, True)
        file.write_text("messages: [", "utf-8")
        assert "broken-file" in drift(project, release)
        file.unlink()
        assert "not-in-files" in drift(project, release)
        (project.root / "prompts").rename(project.root / "away")
        assert "not-in-files" in project.ok("status").out
        project.key()  # a change of the store makes the server look again
        assert server.get(f"/api/v1/prompts/{PROMPT}?environment=staging")[1] == before
    with project.serving() as server:
        assert server.get(f"/api/v1/prompts/{PROMPT}?environment=staging")[1] == before
        assert server.ask("How long can I return things?", at="staging")[0] == 200


def test_a_project_is_served_once(project: Project) -> None:
    with project.serving() as server:
        done = project.process("serve", "--port", "0")
        assert done.code == 75
        assert f"served already, by process {server.process.pid} on {server.url}" in done.err
        assert server.get("/healthz")[0] == 200
        assert project.ok("status", "--json").json["server"]["pid"] == server.process.pid


def test_a_port_in_use_is_named(project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = project.process("serve", "--port", str(port))
    assert done.code == 69
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.err
    assert "--port" in done.err
    assert not (project.root / ".moat" / "server.json").exists()


@pytest.mark.parametrize("pid", [1, os.getpid(), 2**22 + 1], ids=["of another", "reused", "of nobody"])
def test_a_file_of_a_killed_server_counts_for_nothing(project: Project, pid: int) -> None:
    folder = project.root / ".moat"
    folder.mkdir()
    (folder / "server.json").write_text(json.dumps({"url": "http://127.0.0.1:9", "pid": pid, "token": "mk-x"}))
    assert project.ok("status", "--json").json["server"] is None
    assert project.ok("traces", "--json").json == []
    with project.serving() as server:
        assert project.ok("status", "--json").json["server"]["url"] == server.url


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly(project: Project, number: int) -> None:
    with project.serving() as server:
        assert server.get("/healthz")[0] == 200
        assert server.stop(number) == 0
    assert not (project.root / ".moat" / "server.json").exists()
    assert [path for path in (project.root / ".moat" / "spool").rglob("*") if path.is_file()] == []
    assert project.log().splitlines()[-1].startswith("  keys"), "nothing but the greeting"


def test_of_servers_that_race_one_wins_and_the_others_name_it(project: Project) -> None:
    racing = [project.spawn("serve", "--port", "0") for _ in range(3)]
    try:
        eventually(lambda: sum(child.poll() is not None for child in racing) == 2)
        (winner,) = [child for child in racing if child.poll() is None]
        for loser in racing:
            if loser is not winner:
                _, said = loser.communicate(timeout=DEADLINE)
                assert (loser.returncode, f"served already, by process {winner.pid}" in said) == (75, True), said
        eventually((project.root / ".moat" / "server.json").exists)
        winner.send_signal(signal.SIGTERM)
        assert winner.wait(DEADLINE) == 0
    finally:
        for child in racing:
            child.kill()
            child.communicate()


class Load:
    """Clients that ask without a pause, and remember which calls were answered."""

    def __init__(self, server: Server, key: str, clients: int) -> None:
        self.answered: set[str] = set()
        self.cut = 0
        self._server = server
        self._key = key
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        body = json.dumps(
            {"prompt": {"id": f"{PROMPT}@staging", "variables": {"question": "Refund?"}}, "stream": bool(number % 2)}
        )
        connection = self._server.connection()
        try:
            while True:
                headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
                connection.request("POST", "/v1/chat/completions", body, headers)
                response = connection.getresponse()
                content = response.read()
                assert response.status == 200, content
                if not number % 2 or content.endswith(b"data: [DONE]\n\n"):
                    self.answered.add(str(response.headers["x-request-id"]))
                else:
                    assert b'"error"' in content, content[-300:]
                    self.cut += 1
        except (OSError, http.client.HTTPException):
            pass  # the server is gone, perhaps in the middle of an answer
        finally:
            connection.close()


def recorded(project: Project) -> set[str]:
    """Request ids of all calls in the store."""
    calls = project.ok("traces", "--limit", "1000", "--json").json
    assert len(calls) < 1000
    return {call["request_id"] for call in calls}


@pytest.mark.promise("keep-1")
def test_a_killed_server_loses_no_answered_call(project: Project) -> None:
    project.release("1.0.0")
    slow_down(project, 5)
    key = project.key()
    answered: set[str] = set()
    for _ in range(2):
        with project.serving() as server, Load(server, key, 4) as load:
            eventually(lambda load=load: len(load.answered) >= 30)
            assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        answered |= load.answered
        assert (project.root / ".moat" / "server.json").exists()
    found = recorded(project)
    assert answered <= found
    with project.serving() as server:
        assert {call["request_id"] for call in server.get("/api/v1/traces?limit=1000")[1]} == found


@pytest.mark.promise("money-4")
def test_a_stopped_server_loses_nothing_and_cuts_no_answer(project: Project) -> None:
    project.release("1.0.0")
    slow_down(project, 20)
    key = project.key()
    with project.serving() as server, Load(server, key, 4) as load:
        eventually(lambda: len(load.answered) >= 20)
        assert server.stop(signal.SIGTERM) == 0
    assert load.cut == 0
    assert load.answered == recorded(project), "rows = calls"
    assert [path for path in (project.root / ".moat" / "spool").rglob("*") if path.is_file()] == []


def test_an_open_stream_is_finished_before_the_server_ends(project: Project) -> None:
    project.release("1.0.0")
    slow_down(project, 1500)
    key = project.key()
    with project.serving() as server:
        connection = server.connection()
        body = json.dumps({"prompt": {"id": f"{PROMPT}@staging", "variables": {"question": "Refund?"}}, "stream": True})
        connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
        assert server.get("/healthz")[0] == 200, "a later request, so the earlier one was read"
        server.process.send_signal(signal.SIGTERM)
        content = connection.getresponse().read()
        connection.close()
        assert content.endswith(b"data: [DONE]\n\n")
        assert server.process.wait(30) == 0
    assert len(recorded(project)) == 1


@pytest.mark.promise("money-4")
def test_a_second_signal_cuts_calls_off_and_they_are_recorded(project: Project) -> None:
    project.release("1.0.0")
    project.replace("simulation/support.yaml", {"per_token_ms: 0,": "per_token_ms: 500,"})
    key = project.key()
    with project.serving() as server:
        connection = server.connection()
        body = json.dumps({"prompt": {"id": f"{PROMPT}@staging", "variables": {"question": "Refund?"}}, "stream": True})
        connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
        response = connection.getresponse()
        content = response.read1()
        assert b"chat.completion.chunk" in content, "it is under way"
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(server))
        assert server.stop(signal.SIGTERM) == 0
        try:
            content += response.read()
        except http.client.IncompleteRead as cut:
            content += cut.partial
        connection.close()
    assert b"[DONE]" not in content, "a cut stream never looks complete"
    (call,) = project.ok("traces", "--json").json
    assert call["error"]
    assert call["cost"] > 0


def refuses(server: Server) -> bool:
    """No new connection is taken."""
    connection = server.connection()
    try:
        connection.connect()
    except ConnectionRefusedError:
        return True
    finally:
        connection.close()
    return False


def test_files_of_the_server_are_for_its_user_only(project: Project) -> None:
    with project.serving():
        folder = project.root / ".moat"
        assert folder.stat().st_mode & 0o077 == 0
        assert (folder / "server.json").stat().st_mode & 0o077 == 0
        assert (folder / "state.db").stat().st_mode & 0o077 == 0


def test_no_process_is_left(project: Project, tmp_path: Path) -> None:
    with project.serving() as server:
        pass
    assert server.process.returncode == 0
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False).stdout
    assert str(tmp_path) not in left
