"""The state file itself: many processes, killed processes, migrations, and everything a disk can do to it."""

import os
import resource
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.sqlite import SqliteReleases, SqliteRuns, SqliteState, tables
from moat.adapters.sqlite.migrations import REVISIONS
from moat.domain.errors import ConflictError, StorageError
from moat.domain.releases import Arm, Assignment, MessageTemplate, PromptVersion, Release
from moat.domain.scores import Result, Run

PROMPT = PromptVersion(name="p", version="1.0.0", messages=(MessageTemplate("user", "Hi"),), model="m")


def _release() -> Release:
    return Release(id="rel_1", content=PROMPT, prompt_digest="d")


def _assignment(sequence: int, actor: str = "") -> Assignment:
    return Assignment(
        environment="production",
        prompt="p",
        sequence=sequence,
        arms=(Arm("rel_1"),),
        actor=actor,
        reason="",
        created_ns=sequence,
    )


def _python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def _opened(path: Path) -> Iterator[SqliteState]:
    state = SqliteState.open(path)
    try:
        yield state
    finally:
        state.close()


def test_a_new_file_is_its_owners_alone_and_reopens_without_alembic(tmp_path: Path) -> None:
    path = tmp_path / "a % b?#" / "state.db"
    with _opened(path) as state:
        SqliteReleases(state).create(_release())
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        with state.read() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        state.close()
    code = """
import sys
from pathlib import Path
from moat.adapters.sqlite import SqliteReleases, SqliteState
state = SqliteState.open(Path(sys.argv[1]))
print(SqliteReleases(state).get("rel_1").prompt, "alembic" in sys.modules)
state.close()
"""
    out, errors = _python(code, path).communicate(timeout=60)
    assert (out, errors) == ("p False\n", "")


def test_the_scripts_make_what_the_tables_say(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", "moat.adapters.sqlite:migrations")
    scripts = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(scripts)) == REVISIONS
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as connection:  # no new file any more: the scripts are run
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    for path in (old, tmp_path / "new.db"):
        with _opened(path) as state, state.read() as found:
            context = MigrationContext.configure(found, opts={"compare_type": True})
            assert compare_metadata(context, tables.metadata) == []
            assert found.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == REVISIONS[-1]


def test_a_file_of_a_newer_program_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    _opened(path).__enter__().close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(StorageError, match=r"newer Moat \(schema 9999.*Upgrade Moat") as raised:
        SqliteState.open(path)
    assert raised.value.where == str(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


@pytest.mark.promise("keep-4")
@pytest.mark.parametrize("statement", [1, 4, 9, 11])
def test_a_migration_killed_half_way_completes_at_the_next_start(tmp_path: Path, statement: int) -> None:
    code = """
import os, signal, sys
from pathlib import Path
import sqlalchemy
from moat.adapters.sqlite import SqliteState
left = int(sys.argv[2])
@sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "after_cursor_execute")
def kill(connection, cursor, statement, *rest):
    global left
    if statement.lstrip().startswith(("CREATE", "INSERT")):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
SqliteState.open(Path(sys.argv[1]))
"""
    path = tmp_path / "state.db"
    killed = _python(code, path, statement)
    _, errors = killed.communicate(timeout=60)
    assert (killed.returncode, errors) == (-9, "")
    with _opened(path) as state:
        assert SqliteReleases(state).create(_release()) == _release()
        with state.read() as connection:
            assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == REVISIONS[-1]


def test_processes_that_open_a_new_file_at_once_all_can(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from moat.adapters.sqlite import SqliteReleases, SqliteState
import alembic.command
from moat.domain.releases import MessageTemplate, PromptVersion, Release
sys.stdin.readline()
state = SqliteState.open(Path(sys.argv[1]))
prompt = PromptVersion(name="p", version="1.0.0", messages=(MessageTemplate("user", "Hi"),), model="m")
SqliteReleases(state).create(Release(id=sys.argv[2], content=prompt, prompt_digest="d"))
state.close()
"""
    path = tmp_path / "state.db"
    read, write = os.pipe()
    command = [sys.executable, "-c", code, str(path)]
    processes = [
        subprocess.Popen([*command, f"rel_{n}"], stdin=read, stderr=subprocess.PIPE, text=True) for n in range(4)
    ]
    os.close(read)
    os.write(write, b"\n" * 4)
    os.close(write)
    assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 4
    with _opened(path) as state:
        assert {release.id for release in SqliteReleases(state).releases()} == {f"rel_{n}" for n in range(4)}


def test_assignments_of_several_processes_lose_nothing(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from moat.adapters.sqlite import SqliteReleases, SqliteState
from moat.domain.errors import ConflictError
from moat.domain.releases import Arm, Assignment
path, actor, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
state = SqliteState.open(path)
store = SqliteReleases(state)
done = 0
while done < rounds:
    latest = store.current()[0].sequence if store.current() else 0
    try:
        store.assign(Assignment(environment="production", prompt="p", sequence=latest + 1, arms=(Arm("rel_1"),),
                                actor=actor, reason=str(done), created_ns=0))
        done += 1
    except ConflictError:
        pass
state.close()
"""
    path, rounds = tmp_path / "state.db", 50
    with _opened(path) as state:
        store = SqliteReleases(state)
        store.create(_release())
        before = store.revision()
        processes = [_python(code, path, actor, rounds) for actor in "abcd"]
        assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 4
        assert store.revision() != before
        history = store.history("p", "production")[::-1]
        assert [one.sequence for one in history] == list(range(1, 4 * rounds + 1))
        for actor in "abcd":
            assert [one.reason for one in history if one.actor == actor] == [str(n) for n in range(rounds)]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


def test_any_parameters_and_text_come_back(tmp_path: Path) -> None:
    with _opened(tmp_path / "state.db") as state:
        store = SqliteReleases(state)

        @settings(max_examples=50, deadline=None)
        @given(params=st.dictionaries(st.text(), _JSON, max_size=3), text=st.text())
        def check(params: dict[str, Any], text: str) -> None:
            number = len(store.releases())
            content = msgspec.structs.replace(PROMPT, params=params)
            release = msgspec.structs.replace(_release(), id=f"rel_{number}", content=content, author=text)
            assert store.create(release) == release

        check()


def test_threads_share_one_state(tmp_path: Path) -> None:
    with _opened(tmp_path / "state.db") as state:
        store = SqliteReleases(state)
        store.create(_release())

        def assign(sequence: int) -> bool:
            try:
                store.assign(_assignment(sequence))
                return True
            except ConflictError:
                return False

        with ThreadPoolExecutor(8) as pool:
            for sequence in range(1, 6):
                assert sum(pool.map(assign, [sequence] * 8)) == 1
        assert len(store.history("p", "production")) == 5


@pytest.mark.promise("keep-1")
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """100 rounds: a forked writer is killed in mid-write; its parent, which reads the pipe, kept what was said."""
    code = """
import os, random, signal, sys
from pathlib import Path
from moat.adapters.sqlite import SqliteReleases, SqliteState
from moat.domain.releases import Arm, Assignment, MessageTemplate, PromptVersion, Release
path, chance = Path(sys.argv[1]), random.Random(1)
for _ in range(100):
    read, write = os.pipe()
    writer = os.fork()
    if writer == 0:
        state = SqliteState.open(path)
        store = SqliteReleases(state)
        prompt = PromptVersion(name="p", version="1.0.0", messages=(MessageTemplate("user", "Hi"),), model="m")
        store.create(Release(id="rel_1", content=prompt, prompt_digest="d"))
        sequence = store.current()[0].sequence if store.current() else 0
        while True:
            sequence += 1
            store.assign(Assignment(environment="production", prompt="p", sequence=sequence, arms=(Arm("rel_1"),),
                                    actor="", reason="x" * 20_000, created_ns=sequence))
            os.write(write, b"%d\\n" % sequence)
    os.close(write)
    with os.fdopen(read) as said:
        told = [said.readline() for _ in range(chance.randint(1, 4))]
        os.kill(writer, signal.SIGKILL)
        told += said.readlines()
    os.waitpid(writer, 0)
    print("".join(told), end="")
"""
    path = tmp_path / "state.db"
    out, errors = _python(code, path).communicate(timeout=120)
    assert errors == ""
    said = [int(line) for line in out.split()]
    # A number told twice would be an acknowledged write that was lost and made again.
    assert len(said) >= 100
    assert said == sorted(set(said))
    with _opened(path) as state:
        history = SqliteReleases(state).history("p", "production")
        assert [one.sequence for one in history] == list(range(len(history), 0, -1))
        assert all(one.reason == "x" * 20_000 for one in history)
        # The write that the last kill interrupted may be there or not.
        assert said[-1] <= len(history) <= said[-1] + 1
        with state.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


@contextmanager
def _no_file_may_grow_beyond(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.promise("keep-2")
def test_a_disk_that_refuses_leaves_the_old_state_readable(tmp_path: Path) -> None:
    """The kernel refuses the write itself (RLIMIT_FSIZE), as a full disk would."""
    run = Run(
        id="run_1", suite="s", suite_digest="", dataset_digest="", prompt="", version="", prompt_digest="", model="",
        cases=9,
    )  # fmt: skip
    path = tmp_path / "state.db"
    with _opened(path) as state:
        runs = SqliteRuns(state)
        runs.start(run)
        runs.add("run_1", [Result(case="a")])
        many = [Result(case=f"case {n}", output="x" * 5_000) for n in range(50)]
        with _no_file_may_grow_beyond(path.with_name("state.db-wal").stat().st_size):
            with pytest.raises(StorageError, match="free space") as raised:
                runs.add("run_1", many)
            assert runs.results("run_1") == [Result(case="a")]
        assert raised.value.where == str(path)
        runs.add("run_1", many)
        assert len(runs.results("run_1")) == 51


def test_a_full_database_says_so(tmp_path: Path) -> None:
    with _opened(tmp_path / "state.db") as state:
        with state.read() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=1")
        with pytest.raises(StorageError, match=r"the disk is full.*Free some space"):
            SqliteReleases(state).create(msgspec.structs.replace(_release(), author="x" * 50_000))
        assert SqliteReleases(state).releases() == []


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="no SQLite database"):
        SqliteState.open(path)
    assert path.read_bytes() == content


def test_a_damaged_page_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with _opened(path) as state:
        SqliteReleases(state).create(_release())
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xff" * (len(raw) - 4096)
    path.write_bytes(raw)
    with pytest.raises(StorageError, match=r"the file is damaged.*Restore a backup"):
        SqliteState.open(path)


def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Check path"):
        SqliteState.open(tmp_path / "file" / "state.db")
    (tmp_path / "directory").mkdir()
    with pytest.raises(StorageError, match="cannot be opened"):
        SqliteState.open(tmp_path / "directory")


def test_a_read_only_file_can_be_read_but_not_written() -> None:
    """As an unprivileged user, since root may write anything."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "state.db"
        with _opened(path) as state:
            SqliteReleases(state).create(_release())
        path.chmod(0o444)
        Path(directory).chmod(0o777)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            with _opened(path) as state:
                store = SqliteReleases(state)
                assert store.get("rel_1") == _release()
                with pytest.raises(StorageError, match=r"cannot be written.*Check the owner"):
                    store.assign(_assignment(1))
        finally:
            if root:
                os.seteuid(0)


def test_a_write_that_waits_too_long_says_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moat.adapters.sqlite.state.BUSY_SECONDS", 0.01)
    path = tmp_path / "state.db"
    with _opened(path) as state, _opened(path) as other:
        store = SqliteReleases(other)
        with state.write():
            with pytest.raises(StorageError, match=r"another process.*fuser"):
                store.create(_release())
            assert store.releases() == []
        store.create(_release())


def test_a_closed_state_is_closed_again_without_harm(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path / "state.db")
    state.close()
    state.close()
    with pytest.raises(StorageError):
        state.revision()


@pytest.mark.parametrize(
    ("column", "damage"),
    [("scores", "{"), ("scores", '[{"name": 5}]'), ("scores", ""), ("tool_calls", '{"a": 1}'), ("tool_calls", "[1")],
)
def test_a_damaged_result_is_named_and_the_others_are_read(tmp_path: Path, column: str, damage: str) -> None:
    with _opened(tmp_path / "state.db") as state:
        runs = SqliteRuns(state)
        run = Run(
            id="run_1", suite="s", suite_digest="", dataset_digest="", prompt="", version="", prompt_digest="",
            model="", cases=3,
        )  # fmt: skip
        runs.start(run)
        runs.add("run_1", [Result(case=case) for case in "abc"])
        with closing(sqlite3.connect(tmp_path / "state.db")) as raw, raw:
            raw.execute(f"update results set {column} = ? where \"case\" = 'b'", (damage,))
        with pytest.raises(StorageError, match=column) as caught:
            runs.results("run_1")
        assert caught.value.where == "run run_1, case b"
        assert [result.case for result in runs.each("run_1", ["a", "c"])] == ["a", "c"]
