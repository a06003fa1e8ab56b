"""The doctor: real faults, each with what was found, what to do and no secret; and nothing is changed by looking."""

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest

from moat.bootstrap import doctor_stores
from tests.bootstrap.projects import Project, eventually

SECRET = "sk-live-9f1b7c2d"
FAR = """
  far:
    kind: openai
    base_url: {url}/v1
    api_key: ${{FAR_KEY}}
"""


PORT = "server: {port: 0}"


@pytest.fixture
def project(project: Project) -> Project:
    """One that wants no port that somebody else may have."""
    add(project, PORT)
    return project


def found(project: Project, *options: str, code: int | None = None) -> dict[str, dict[str, Any]]:
    """The checks by name."""
    done = project.run("doctor", "--json", *options)
    checks = done.json["checks"]
    assert done.code == (1 if done.json["errors"] else 0)
    assert done.json["errors"] == sum(check["standing"] == "error" for check in checks)
    assert done.json["warnings"] == sum(check["standing"] == "warning" for check in checks)
    assert code in (None, done.code)
    assert SECRET not in done.out
    by_name = {check["name"]: check for check in checks}
    assert len(by_name) == len(checks)
    return by_name


def add(project: Project, line: str) -> None:
    with (project.root / "moat.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")


def standings(checks: dict[str, dict[str, Any]], standing: str) -> set[str]:
    return {name for name, check in checks.items() if check["standing"] == standing}


def contents(root: Path) -> dict[str, bytes]:
    """All files but what SQLite makes to read, and git's own."""
    paths = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {str(path): path.read_bytes() for path in paths if not path.name.endswith(("-shm", "-wal"))}


def test_a_new_project_is_well_and_stays_as_it_is(project: Project) -> None:
    shutil.rmtree(project.root / ".moat", ignore_errors=True)
    before = contents(project.root)
    checks = found(project, code=0)
    assert standings(checks, "error") == standings(checks, "unknown") == set()
    assert contents(project.root) == before
    assert not (project.root / ".moat").exists()
    assert {"moat.yaml", "git", "state store", "spool", "disk", "port", "open files", "console", "prices"} <= set(
        checks
    )
    said = project.ok("doctor").out
    assert "0 errors" in said
    assert "no server runs" in said


def test_what_is_kept_is_looked_at_and_not_changed(project: Project) -> None:
    project.ok("keys", "create")
    before = contents(project.root)
    checks = found(project, code=0)
    assert "finds nothing wrong" in checks["state store"]["found"]
    assert "each follows the one before" in checks["audit log"]["found"]
    assert (checks["backup"]["standing"], checks["backup"]["command"]) == ("warning", "moat backup FOLDER")
    assert contents(project.root) == before
    project.ok("backup", str(project.root.parent / "copy"))
    assert found(project)["backup"]["standing"] == "ok"


def test_broken_yaml_is_said_with_its_line_and_the_rest_is_looked_at_all_the_same(project: Project) -> None:
    add(project, "modles: {}")
    checks = found(project, code=1)
    assert checks["moat.yaml"]["standing"] == "error"
    assert "modles" in checks["moat.yaml"]["found"]
    assert "moat.yaml:" in checks["moat.yaml"]["looked_at"]
    assert {"limits", "port"} <= standings(checks, "unknown")
    assert checks["disk"]["standing"] == "ok"


def test_a_key_that_is_not_set_is_missed_by_its_name(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.replace("moat.yaml", {"\nmodels:": FAR.format(url="https://far.example") + "\nmodels:"})
    missed = found(project, code=0)["provider far"]
    assert (missed["standing"], "FAR_KEY is not set; no model uses" in missed["found"]) == ("warning", True)
    project.replace("moat.yaml", {"\nmodels:": "\nmodels:\n  distant: {use: [far/one]}\n"})
    missed = found(project, code=1)["provider far"]
    assert (missed["standing"], missed["command"]) == ("error", "export FAR_KEY=...")
    monkeypatch.setenv("FAR_KEY", SECRET)
    checks = found(project)
    assert checks["provider far"]["standing"] == "ok"
    assert checks["provider far"]["found"] == "https://far.example: FAR_KEY set"
    assert "distant: far/one" in checks["limits"]["found"], "nobody knows what it costs"


def test_what_other_users_can_read_is_an_error(project: Project) -> None:
    project.ok("keys", "create")
    folder = project.root / ".moat"
    (folder / "state.db").chmod(0o640)
    closed = found(project, code=0)["permissions"]
    assert (closed["standing"], ".moat/state.db" in closed["found"]) == ("warning", True)
    folder.chmod(0o755)
    opened = found(project, code=1)["permissions"]
    assert (opened["standing"], opened["command"]) == ("error", f"chmod -R go= {folder}")
    subprocess.run(opened["command"].split(), check=True)
    assert found(project)["permissions"]["standing"] == "ok"


@pytest.mark.parametrize(("offset", "length"), [(0, 4096), (3 * 4096, 6 * 4096)])
def test_a_damaged_state_store_is_an_error_and_no_check_stops_the_others(
    project: Project, offset: int, length: int
) -> None:
    project.ok("keys", "create")
    path = project.root / ".moat" / "state.db"
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[offset : offset + length] = b"\x55" * length
    path.write_bytes(content)
    checks = found(project, code=1)
    assert checks["state store"]["standing"] == "error"
    assert checks["state store"]["remedy"]
    assert checks["disk"]["standing"] == "ok"


def test_a_state_store_of_a_newer_moat_is_left_alone(project: Project) -> None:
    project.ok("keys", "create")
    path = project.root / ".moat" / "state.db"
    with closing(sqlite3.connect(path)) as store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
        store.commit()
    check = found(project, code=1)["state store"]
    assert "schema 9999: this program knows up to" in check["found"]


def test_a_check_that_takes_too_long_is_not_waited_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.ok("keys", "create")
    path = project.root / ".moat" / "state.db"
    with closing(sqlite3.connect(path)) as store:
        rows = ((f"s{number}", "x" * 500, "", 0) for number in range(20_000))
        store.execute("CREATE TABLE padding (a TEXT PRIMARY KEY, b TEXT, c TEXT, d INTEGER)")
        store.executemany("INSERT INTO padding VALUES (?, ?, ?, ?)", rows)
        store.commit()
    monkeypatch.setattr(doctor_stores, "CHECK_SECONDS", -1.0)
    check = found(project)["state store"]
    assert (check["standing"], "did not end" in check["found"]) == ("unknown", True)


def test_a_trace_store_that_is_none_is_an_error(project: Project) -> None:
    folder = project.root / ".moat"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "traces.duckdb").write_bytes(b"no store" * 1000)
    assert found(project, code=1)["trace store"]["standing"] == "error"


def test_a_log_that_somebody_changed_is_an_error(project: Project) -> None:
    project.ok("keys", "create")
    with closing(sqlite3.connect(project.root / ".moat" / "state.db")) as store:
        for (name,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            store.execute(f"DROP TRIGGER {name}")
        store.execute("UPDATE audit SET actor = 'nobody' WHERE sequence = 2")
        store.commit()
    check = found(project, code=1)["audit log"]
    assert (check["standing"], check["command"]) == ("error", "moat audit verify")


def test_a_full_disk_is_an_error_before_calls_are_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    # A disk of its own takes root: as if this one had as little left.
    monkeypatch.setattr(doctor_stores, "DISK_ERROR", 2**62)
    check = found(project, code=1)["disk"]
    assert (check["standing"], check["command"]) == ("error", "moat traces compact")


def test_a_port_that_is_taken_is_an_error(project: Project) -> None:
    with answering() as peer:
        project.replace("moat.yaml", {PORT: f"server: {{port: {peer.url.rpartition(':')[2]}}}"})
        check = found(project, code=1)["port"]
    assert (check["standing"], check["command"].startswith("ss -ltnp")) == ("error", True)


def test_passwords_in_plain_text_over_a_network_are_an_error(project: Project) -> None:
    project.replace("moat.yaml", {PORT: "server: {port: 0, host: 0.0.0.0}"})
    assert "plain text" in found(project, code=1)["transport"]["found"]
    add(project, "console: {public_url: 'https://moat.example.org'}")
    checks = found(project)
    assert (checks["transport"]["standing"], checks["proxies"]["standing"]) == ("ok", "warning")


def test_limits_that_cannot_bite_are_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_KEY", SECRET)
    limit = "limits: [{name: all, money: '5.00'}]\n"
    project.replace(
        "moat.yaml",
        {"\nmodels:": FAR.format(url="https://far.example") + f"\n{limit}models:\n  distant: {{use: [far/one]}}\n"},
    )
    check = found(project, code=1)["limit without price 1"]
    assert "distant: far/one has no price" in check["found"]


def test_edits_that_nobody_committed_are_named(project: Project) -> None:
    add(project, "# a thought")
    check = found(project)["git"]
    assert (check["standing"], "moat.yaml" in check["found"]) == ("warning", True)


class Peer(NamedTuple):
    """Somebody who answers, and what was asked."""

    url: str
    asked: list[dict[str, str]]


@contextmanager
def answering(ahead: float = 0.0) -> Iterator[Peer]:
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(dict(self.headers.items()))
            self.send_response_only(401)
            self.send_header("date", formatdate(time.time() + ahead, usegmt=True))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Peer(f"http://127.0.0.1:{server.server_address[1]}", asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_providers_are_asked_on_request_only_and_get_no_key(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_KEY", SECRET)
    with answering() as peer:
        project.replace("moat.yaml", {"\nmodels:": FAR.format(url=peer.url) + "\nmodels:"})
        assert f"reaching {peer.url}" not in found(project)
        assert peer.asked == []
        checks = found(project, "--providers")
    assert checks[f"reaching {peer.url}"]["standing"] == checks["clock"]["standing"] == "ok"
    [headers] = peer.asked
    assert SECRET not in str(headers)
    assert "authorization" not in {name.lower() for name in headers}
    gone = found(project, "--providers", code=1)[f"reaching {peer.url}"]
    assert (gone["standing"], gone["command"]) == ("error", f"curl -I {peer.url}")


@pytest.mark.parametrize(("ahead", "standing"), [(-100.0, "warning"), (4000.0, "error")])
def test_a_clock_that_goes_wrong_is_seen_by_the_providers(project: Project, ahead: float, standing: str) -> None:
    with answering(ahead) as peer:
        project.replace("moat.yaml", {"\nmodels:": FAR.format(url=peer.url) + "\nmodels:"})
        clock = found(project, "--providers")["clock"]
    assert (clock["standing"], clock["command"]) == (standing, "timedatectl")
    assert ("behind" if ahead > 0 else "ahead of") in clock["found"]


def test_a_running_server_looks_at_itself(project: Project) -> None:
    key = project.key("--role", "engineer")
    viewer = project.key("--role", "viewer")
    project.environ["FAR_KEY"] = SECRET
    project.replace("moat.yaml", {"\nmodels:": FAR.format(url="https://far.example") + "\nmodels:"})
    with project.serving() as server:
        checks = found(project)
        assert checks["provider far"]["found"] == "https://far.example: FAR_KEY set", "in its own environment"
        assert checks["port"]["found"] == f"this server listens on {server.url}"
        assert "0 spans" in checks["trace store"]["found"]
        assert project.ok("doctor", "--json").json["url"] == server.url
        assert server.get("/api/v1/doctor", key)[0] == 200
        assert server.get("/api/v1/doctor", viewer)[0] == 403
        assert server.get("/api/v1/doctor?providers=2", key)[0] == 400
        add(project, "modles: {}")
        eventually(lambda: server.get("/api/v1/status")[1]["problems"])
        checks = found(project, code=1)
        assert checks["moat.yaml"]["standing"] == checks["server"]["standing"] == "error"
        assert "modles" in checks["server"]["found"]
