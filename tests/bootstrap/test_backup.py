"""A backup gives the same answers, holds no secret, and is refused when a byte of it is another."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import msgspec
import pytest

from moat.bootstrap import backup as copying
from moat.bootstrap.backup import MANIFEST, check, restore
from moat.bootstrap.feedback import link_signer
from moat.bootstrap.project import Project as Files
from moat.domain.errors import ConflictError, DocumentError, NotFound
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.telemetry.spool import SegmentSpool
from tests.bootstrap.projects import Project

CANARY = "sk-canary-7d1f"


def call(number: int) -> Span:
    return Span(
        span_id=f"{number:016x}",
        trace_id=f"{number:032x}",
        kind="call",
        name="chat",
        started_ns=1_790_000_000_000_000_000 + number * 86_400 * 10**9,
        duration_ns=1,
        request_id=f"req_{number}",
        tenant=f"t{number % 2}",
        cost=number,
        input={"messages": [{"role": "user", "content": f"question {number}"}]},
    )


def record(project: Project, *numbers: int) -> None:
    for folder, lines in (("spool", [call(n) for n in numbers]), ("spool/feedback", [opinion(n) for n in numbers])):
        spool = SegmentSpool(project.root / ".moat" / folder)
        spool.open()
        spool.append(lines)
        spool.close()


def opinion(number: int) -> Feedback:
    return Feedback(id=f"f{number}", at_ns=number, request_id=f"req_{number}", value=1.0)


def answers(project: Project) -> list[str]:
    commands = (["traces", "--json"], ["traces", "show", "req_2", "--json"], ["keys", "list", "--json"])
    return [project.ok(*command).out for command in (*commands, ["traces", "users", "--json"])]


def emptied(project: Project) -> None:
    """A project that has the same files and no state."""
    state = project.root / ".moat"
    state.rename(project.root.parent / "before")


@pytest.mark.promise("keep-4")
@pytest.mark.promise("gate-5")
def test_a_restored_backup_gives_the_same_answers(project: Project, tmp_path: Path) -> None:
    (project.root / ".env").write_text(f"OPENAI_API_KEY={CANARY}\n", "utf-8")
    secret = json.loads(project.ok("keys", "create", "--name", "app", "--json").out)["secret"]
    record(project, 1, 2)
    project.ok("traces")
    record(project, 3)
    before = answers(project)
    backup = tmp_path / "backup"
    assert "files" in project.ok("backup", str(backup)).out
    for path in backup.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes()
            assert secret.encode() not in path.read_bytes()
            assert path.stat().st_mode & 0o077 == 0
    assert "whole" in project.ok("restore", str(backup), "--check").out
    record(project, 4)
    project.ok("traces")
    refused = project.run("restore", str(backup))
    assert refused.code == 75
    assert "has a state already" in refused.err
    emptied(project)
    assert "restored" in project.ok("restore", str(backup)).out
    assert answers(project) == before
    assert not (project.root / ".moat" / "restore.new").exists()


@pytest.mark.promise("gate-5")
def test_links_from_before_are_good_when_their_key_is_put_back(project: Project, tmp_path: Path) -> None:
    """The key itself is in no backup, and a restore says so when it is not there."""
    record(project, 1)
    link = project.ok("feedback", "link", "req_1", "--url", "https://a.example").out.strip()
    files, token = Files(project.root), link.rpartition("/")[2]
    key = files.link_key_path.read_bytes()
    made = project.ok("backup", str(tmp_path / "backup"))
    mark = check(tmp_path / "backup").link_key
    assert mark in made.err
    assert all(key not in path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())
    emptied(project)
    said = project.ok("restore", str(tmp_path / "backup")).err
    assert mark in said
    assert "are refused" in said
    with pytest.raises(NotFound):
        link_signer(files).read(token, 0)
    (project.root / ".moat").rename(tmp_path / "refused")
    (project.root / ".moat").mkdir()
    files.link_key_path.write_bytes(key)
    assert project.ok("restore", str(tmp_path / "backup")).err == ""
    assert link_signer(files).read(token, 0).request_id == "req_1"


def test_what_is_not_shipped_yet_is_in_a_backup(project: Project, tmp_path: Path) -> None:
    """The trace store belongs to a server that is busy: the spool has the rest."""
    record(project, 1)
    folder = project.root / ".moat" / "spool"
    with (folder / f"{9:020d}-1-x.open").open("wb") as torn:
        torn.write(msgspec.json.encode(call(4)) + b'\n{"span_id":"half')
    target = tmp_path / "spool"
    copying._copy_spool(folder, target)
    lines = [line for path in sorted(target.glob("*.ndjson")) for line in path.read_bytes().splitlines()]
    assert [msgspec.json.decode(line, type=Span) for line in lines] == [call(4), call(1)]
    assert len(list((target / "feedback").glob("*.ndjson"))) == 1


@pytest.mark.promise("keep-4")
def test_a_damaged_backup_is_refused_and_changes_nothing(project: Project, tmp_path: Path) -> None:
    record(project, 1)
    project.ok("traces")
    project.ok("keys", "list")
    backup = tmp_path / "backup"
    project.ok("backup", str(backup))
    emptied(project)
    files = Files(project.root)
    store, manifest = backup / "traces.duckdb", backup / MANIFEST
    whole = {path: path.read_bytes() for path in (store, manifest)}

    def refused(words: str) -> None:
        with pytest.raises(DocumentError, match=words):
            check(backup)
        with pytest.raises(DocumentError, match=words):
            restore(files, backup)
        assert not files.state_path.exists()
        assert not files.traces_path.exists()
        for path, content in whole.items():
            path.write_bytes(content)

    content = whole[store]
    store.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    refused("was changed")
    store.write_bytes(content[:-1])
    refused("was changed")
    store.unlink()
    refused("is missing")
    (backup / "extra").write_bytes(b"x")
    refused("does not belong")
    (backup / "extra").unlink()
    manifest.unlink()
    refused("no backup")
    manifest.write_bytes(whole[manifest][:100])
    refused("no backup")
    manifest.write_bytes(whole[manifest].replace(b'"format": 1', b'"format": 2'))
    refused("newer Moat")
    restore(files, backup)
    with closing(duckdb.connect(str(files.traces_path))) as connection:
        assert connection.execute("SELECT count(*) FROM spans").fetchall() == [(1,)]
    with closing(sqlite3.connect(files.state_path)) as state:
        assert state.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_backup_that_fails_leaves_nothing(project: Project, tmp_path: Path) -> None:
    record(project, 1)
    (tmp_path / "there").mkdir()
    assert project.run("backup", str(tmp_path / "there")).code == ConflictError.exit_code
    (tmp_path / "file").write_bytes(b"")
    failed = project.run("backup", str(tmp_path / "file" / "backup"))
    assert failed.code == 74
    assert sorted(os.listdir(tmp_path / "there")) == []


def rewritten(backup: Path) -> None:
    """Whoever can write a backup can write its manifest too."""
    parts = [copying._part(backup, path) for path in sorted(backup.rglob("*")) if path.is_file()]
    told = json.loads((backup / MANIFEST).read_bytes())
    told["parts"] = [msgspec.to_builtins(part) for part in parts if part.path != MANIFEST]
    (backup / MANIFEST).write_text(json.dumps(told), "utf-8")


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (
            ["ALTER TABLE main.spans RENAME TO hidden", "CREATE VIEW spans AS SELECT * FROM read_text('/etc/passwd')"],
            "a view 'spans'",
        ),
        (["CREATE MACRO lower(x) AS TABLE SELECT * FROM read_text('/etc/passwd')"], "a macro 'lower'"),
        (["CREATE TABLE other (a VARCHAR)"], "a table 'other'"),
        (["CREATE TABLE kept (a VARCHAR)"], "a table 'kept'"),
        (["ALTER TABLE main.spans ALTER COLUMN name SET DEFAULT current_setting('home_directory')"], "spans.name"),
    ],
)
def test_a_backup_with_code_in_it_is_refused(
    project: Project, tmp_path: Path, statements: list[str], says: str
) -> None:
    record(project, 1)
    project.ok("traces")
    project.ok("backup", str(tmp_path / "copy"))
    with closing(duckdb.connect(str(tmp_path / "copy" / "traces.duckdb"))) as store:
        for statement in statements:
            store.execute(statement)
    rewritten(tmp_path / "copy")
    emptied(project)
    with pytest.raises(DocumentError, match=says):
        restore(Files(project.root), tmp_path / "copy")
    assert not (project.root / ".moat" / "traces.duckdb").exists()
    assert not (project.root / ".moat" / "restore.new").exists()


def test_a_backup_with_a_link_in_it_is_refused(project: Project, tmp_path: Path) -> None:
    record(project, 1)
    project.ok("backup", str(tmp_path / "copy"))
    (tmp_path / "copy" / "files").mkdir(exist_ok=True)
    (tmp_path / "copy" / "files" / "keys").symlink_to(tmp_path)
    emptied(project)
    with pytest.raises(DocumentError, match="is a link"):
        restore(Files(project.root), tmp_path / "copy")
