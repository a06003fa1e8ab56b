"""The audit log in its file: nothing without an entry, and nobody touches an entry unseen."""

import random
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import InvalidRequestError

from moat.adapters.sqlite import SqliteAudit, SqliteKeys, SqliteSearches, SqliteState, tables
from moat.adapters.sqlite.acting import acting
from moat.domain.audit import DAY_NS, FLOOR_DAYS, Act, Anchor, AuditQuery, Verification, canonical
from moat.domain.errors import ConflictError, NotFound, StorageError
from moat.domain.keys import Key
from moat.domain.searches import SavedSearch

pytestmark = pytest.mark.promise("guard-4")

Attack = Callable[[sqlite3.Connection], object]


def _search(name: str) -> SavedSearch:
    return SavedSearch(name=name, expression="cost > 1", actor="ada", changed_ns=1)


@contextmanager
def _opened(path: Path) -> Iterator[SqliteState]:
    state = SqliteState.open(path)
    try:
        yield state
    finally:
        state.close()


def _filled(path: Path, count: int = 8) -> None:
    """Entry 1 says that the log begins; then one for each search."""
    with _opened(path) as state:
        for number in range(count):
            SqliteSearches(state).save(_search(f"s{number}"))


def _verified(path: Path, *anchors: Anchor) -> Verification:
    with _opened(path) as state:
        return SqliteAudit(state).verify((anchor, "the safe") for anchor in anchors)


def _attack(path: Path, attack: Attack) -> None:
    """As somebody who has the file and takes the guards off first, and puts them on again behind them."""
    with closing(sqlite3.connect(path)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        attack(connection)
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()


def _kinds(path: Path) -> set[tuple[int, str]]:
    return {(problem.sequence, problem.kind) for problem in _verified(path).problems}


def test_every_change_has_its_entry_and_the_chain_holds(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with _opened(path) as state:
        keys, audit = SqliteKeys(state), SqliteAudit(state)
        keys.add(Key(id="key_1", hash="secret hash", name="app"), actor="ada")
        keys.change("key_1", lambda key: msgspec.structs.replace(key, hash="next hash", name="job"), actor="bob")
        keys.revoke("key_1", 5, actor="cyd")
        found = audit.entries(AuditQuery())
        assert [(one.entry.actor, one.entry.action, one.entry.subject) for one in found[:-1]] == [
            ("cyd", "key.revoke", "key_1"),
            ("bob", "key.change", "key_1"),
            ("ada", "key.create", "key_1"),
        ]
        assert found[1].content is not None
        assert found[1].content.detail == {"hash": "changed", "name": ["app", "job"]}
        assert found[2].content is not None
        assert found[2].content.detail == {"name": "app", "role": "app"}
        assert [one.entry for one in audit.all(AuditQuery())] == [one.entry for one in found[::-1]]
        seen = audit.verify()
        assert (seen.intact, seen.entries, seen.first, seen.last, seen.anchors) == (True, 4, 1, 4, 1)
        assert seen.digest == found[0].entry.digest == audit.end().digest


def test_entries_are_found_by_who_what_whose_and_when(tmp_path: Path) -> None:
    with _opened(tmp_path / "state.db") as state:
        audit, searches = SqliteAudit(state), SqliteSearches(state)
        for name in "abc":
            searches.save(_search(name))
        searches.forget("b", actor="bob")

        def numbers(**query: object) -> list[int]:
            return [one.entry.sequence for one in audit.entries(msgspec.convert(query, AuditQuery), 3)]

        assert numbers() == [5, 4, 3]
        assert numbers(before=3) == [2, 1]
        assert numbers(actor="bob") == [5]
        assert numbers(action="search") == [5, 4, 3]
        assert numbers(action="search.save") == [4, 3, 2]
        assert numbers(action="sea") == numbers(action="%") == []
        assert numbers(subject="b") == [5, 3]
        third = audit.entry(3).entry.at_ns
        assert numbers(since_ns=third) == [5, 4, 3]
        assert numbers(until_ns=third) == [2, 1]
        with pytest.raises(NotFound, match="no entry 9"):
            audit.entry(9)


@pytest.mark.parametrize(
    "statement",
    [
        insert(tables.searches).values(name="n", expression="e", actor="a", changed_ns=1),
        update(tables.searches).values(expression="e"),
        delete(tables.searches),
        update(tables.keys).values(role="admin"),
        delete(tables.keys),
        insert(tables.trusted_hosts).values(credential="c", host="h", provider="p", actor="a", since_ns=1),
        insert(tables.audit_open).values(sequence=1),
        update(tables.audit).values(actor="nobody"),
        delete(tables.audit),
        update(tables.audit_contents).values(content="{}"),
        delete(tables.audit_contents),
    ],
)  # fmt: skip
def test_the_database_itself_refuses_what_has_no_entry(tmp_path: Path, statement: object) -> None:
    path = tmp_path / "state.db"
    with _opened(path) as state:
        SqliteKeys(state).add(Key(id="key_1", hash="h"), actor="ada")
        SqliteSearches(state).save(_search("s"))
        with pytest.raises(StorageError, match=r"entr|contents"):
            with state.write() as connection:
                connection.execute(statement)  # type: ignore[call-overload]
        assert SqliteSearches(state).searches() == [_search("s")]
        assert SqliteKeys(state).keys()[0].role == "app"
    assert _verified(path).intact


def test_an_act_opens_what_is_guarded_for_itself_only(tmp_path: Path) -> None:
    with _opened(tmp_path / "state.db") as state:
        with state.write() as connection:
            with acting(connection, Act("ada", "search.save", "s")):
                connection.execute(insert(tables.searches).values(name="s", expression="", actor="", changed_ns=1))
            with pytest.raises(Exception, match="without an entry"):
                connection.execute(delete(tables.searches))


def test_an_act_that_fails_leaves_neither_change_nor_entry(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with _opened(path) as state:
        SqliteKeys(state).add(Key(id="key_1", hash="h"), actor="ada")
        with pytest.raises(ConflictError):
            SqliteKeys(state).add(Key(id="key_1", hash="h"), actor="ada")

        def careless() -> None:
            with state.write() as connection:
                with suppress(ValueError), acting(connection, Act("ada", "search.save", "s")):
                    connection.execute(delete(tables.keys))
                    raise ValueError
                connection.execute(delete(tables.searches))

        with pytest.raises(InvalidRequestError, match="closed transaction"):
            careless()
        assert [one.entry.sequence for one in SqliteAudit(state).entries(AuditQuery())] == [2, 1]
        assert len(SqliteKeys(state).keys()) == 1
    assert _verified(path).intact


def test_a_change_whose_entry_cannot_be_written_is_not_made(tmp_path: Path) -> None:
    with _opened(tmp_path / "state.db") as state:
        with state.write() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER broken BEFORE INSERT ON audit_contents BEGIN SELECT RAISE(ABORT, 'no room'); END"
            )
        for change in (
            lambda: SqliteSearches(state).save(_search("s")),
            lambda: SqliteKeys(state).add(Key(id="key_1", hash="h"), actor="ada"),
            lambda: SqliteAudit(state).record(Act("ada", "backup.make", "there")),
        ):
            with pytest.raises(StorageError, match="no room"):
                change()
        assert (SqliteSearches(state).searches(), SqliteKeys(state).keys()) == ([], [])


def test_a_full_disk_leaves_a_change_undone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with _opened(path) as state:
        with state.read() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=1")
        with pytest.raises(StorageError, match="disk is full"):
            SqliteSearches(state).save(msgspec.structs.replace(_search("s"), expression="x" * 50_000))
        assert SqliteSearches(state).searches() == []
    seen = _verified(path)
    assert (seen.intact, seen.last) == (True, 1)


def _swap(connection: sqlite3.Connection) -> None:
    for before, after in ((4, -4), (5, 4), (-4, 5)):
        connection.execute("UPDATE audit SET sequence = ? WHERE sequence = ?", (after, before))
        connection.execute("UPDATE audit_contents SET sequence = ? WHERE sequence = ?", (after, before))


def _sql(*statements: str) -> Attack:
    return lambda connection: [connection.execute(statement) for statement in statements]


_RENUMBER = "UPDATE audit SET sequence = sequence - 1 WHERE sequence > 4"

ATTACKS: dict[str, tuple[Attack, set[tuple[int, str]]]] = {
    "actor": (_sql("UPDATE audit SET actor = 'eve' WHERE sequence = 4"), {(4, "edited")}),
    "time": (_sql("UPDATE audit SET at_ns = at_ns + 1 WHERE sequence = 4"), {(4, "edited")}),
    "time as a word": (_sql("UPDATE audit SET at_ns = 'noon' WHERE sequence = 4"), {(4, "edited")}),
    "bytes": (_sql("UPDATE audit SET subject = X'ff00' WHERE sequence = 4"), {(4, "edited")}),
    "digest": (_sql("UPDATE audit SET digest = content_digest WHERE sequence = 4"), {(4, "edited")}),
    "content": (
        _sql("UPDATE audit_contents SET content = replace(content, 'cost', 'time') WHERE sequence = 4"),
        {(4, "content")},
    ),
    "content gone": (_sql("DELETE FROM audit_contents WHERE sequence = 4"), {(4, "content")}),
    "one taken out": (_sql("DELETE FROM audit WHERE sequence = 4"), {(5, "missing"), (4, "missing")}),
    "the first taken out": (
        _sql("DELETE FROM audit WHERE sequence < 3", "DELETE FROM audit_contents WHERE sequence < 3"),
        {(3, "missing")},
    ),
    "one taken out, the rest moved up": (
        _sql(
            "DELETE FROM audit WHERE sequence = 4",
            "DELETE FROM audit_contents WHERE sequence = 4",
            *(f"UPDATE audit SET sequence = {n} WHERE sequence = {n + 1}" for n in range(4, 9)),
            *(f"UPDATE audit_contents SET sequence = {n} WHERE sequence = {n + 1}" for n in range(4, 9)),
            "UPDATE sqlite_sequence SET seq = 8 WHERE name = 'audit'",
        ),
        {*((n, "reordered") for n in range(4, 9)), (9, "cut")},
    ),
    "two swapped": (_swap, {(4, "reordered"), (5, "reordered")}),
    "tail": (
        _sql("DELETE FROM audit WHERE sequence > 7", "DELETE FROM audit_contents WHERE sequence > 7"),
        {(7, "cut"), (9, "cut")},
    ),
    "tail and its counter": (
        _sql(
            "DELETE FROM audit WHERE sequence > 7",
            "DELETE FROM audit_contents WHERE sequence > 7",
            "UPDATE sqlite_sequence SET seq = 7 WHERE name = 'audit'",
        ),
        {(9, "cut")},
    ),
    "everything": (
        _sql("DELETE FROM audit", "DELETE FROM audit_contents", "DELETE FROM sqlite_sequence"),
        {(9, "cut")},
    ),
    "an entry added by hand": (
        _sql("INSERT INTO audit SELECT 10, at_ns, actor, action, subject, content_digest, previous, digest FROM audit "
             "WHERE sequence = 9"),
        {(10, "reordered"), (10, "content")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_what_somebody_with_the_file_does_is_seen_and_where(tmp_path: Path, name: str) -> None:
    path = tmp_path / "state.db"
    _filled(path)
    attack, expected = ATTACKS[name]
    _attack(path, attack)
    assert _kinds(path) == expected


def test_a_log_that_was_cut_does_not_heal_by_going_on(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    _filled(path)
    _attack(path, _sql("DELETE FROM audit WHERE sequence > 7", "DELETE FROM audit_contents WHERE sequence > 7"))
    with _opened(path) as state:
        SqliteSearches(state).save(_search("later"))
    assert _kinds(path) == {(10, "missing")}


def test_guards_that_were_taken_off_are_missed(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    _filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER audit_stays")
        connection.commit()
    assert _kinds(path) == {(0, "unguarded")}


def test_a_head_that_is_gone_or_spoilt_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    _filled(path)
    head = tmp_path / "audit.head"
    for spoil in (head.unlink, lambda: head.write_text("nonsense")):
        spoil()
        assert _kinds(path) == {(0, "cut")}


def test_only_an_anchor_elsewhere_sees_a_chain_that_was_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    _filled(path)
    with _opened(path) as state:
        anchor = SqliteAudit(state).end()
    assert _verified(path, anchor).anchors == 2
    for file in tmp_path.iterdir():
        file.unlink()
    _filled(path)
    assert _verified(path).intact
    problems = _verified(path, anchor).problems
    assert [(one.sequence, one.kind, "the safe" in one.what) for one in problems] == [(9, "edited", True)]
    later = msgspec.structs.replace(anchor, sequence=12)
    assert [(one.sequence, one.kind) for one in _verified(path, later).problems] == [(12, "cut")]


def test_an_erased_content_is_gone_and_the_chain_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with _opened(path) as state:
        audit = SqliteAudit(state)
        audit.record(Act("ada", "spike.reset", "key key_1", "Grace Hopper asked for it"))
        audit.erase(2, actor="bob", reason="a request under article 17")
        assert audit.entry(2).content is None
        told = audit.entry(3)
        assert (told.entry.actor, told.entry.action, told.entry.subject) == ("bob", "audit.erase", "2")
        with pytest.raises(ConflictError, match="erased already"):
            audit.erase(2, actor="bob", reason="again")
        with pytest.raises(NotFound):
            audit.erase(9, actor="bob", reason="")
        seen = audit.verify()
        assert (seen.intact, seen.erased) == (True, 1)
        with state.read() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not [file for file in tmp_path.iterdir() if b"Grace Hopper" in file.read_bytes()]


def _age(path: Path, days: float, upto: int) -> None:
    """Write a chain whose first entries are old, as if they had been written then."""
    with _opened(path) as state:
        rows = [one.entry for one in SqliteAudit(state).all(AuditQuery())]

    def again(connection: sqlite3.Connection) -> None:
        previous = ""
        for entry in rows:
            at_ns = entry.at_ns - round(days * DAY_NS) if entry.sequence <= upto else entry.at_ns
            aged = msgspec.structs.replace(entry, previous=previous, at_ns=at_ns)
            previous = aged.seal()
            change = (at_ns, aged.previous, previous, entry.sequence)
            connection.execute("UPDATE audit SET at_ns = ?, previous = ?, digest = ? WHERE sequence = ?", change)

    _attack(path, again)
    (path.parent / "audit.head").write_text(Anchor(sequence=rows[-1].sequence, digest="0" * 64).line)
    with _opened(path) as state:  # the next entry notes the end as it is
        SqliteAudit(state).record(Act("ada", "backup.make", "there"))


def test_old_entries_go_and_what_is_left_still_verifies(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    _filled(path)
    _age(path, FLOOR_DAYS + 1, 5)
    with _opened(path) as state:
        audit = SqliteAudit(state)
        assert audit.prune(time.time_ns() - FLOOR_DAYS * DAY_NS, actor="ada", reason="the policy") == 5
        assert audit.prune(time.time_ns() - FLOOR_DAYS * DAY_NS, actor="ada") == 0
        assert [one.entry.sequence for one in audit.all(AuditQuery())] == [6, 7, 8, 9, 10, 11]
        seen = audit.verify()
        assert (seen.intact, seen.first, seen.erased) == (True, 6, 0)
    _attack(path, _sql("DELETE FROM audit WHERE sequence = 6", "DELETE FROM audit_contents WHERE sequence = 6"))
    assert _kinds(path) == {(7, "missing")}


def test_no_entry_goes_before_the_floor(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    _filled(path)
    _age(path, FLOOR_DAYS - 1, 5)
    with _opened(path) as state:
        with pytest.raises(StorageError, match="entries stay for 183 days"):
            SqliteAudit(state).prune(time.time_ns(), actor="eve")
        assert SqliteAudit(state).verify().entries == 10


def test_a_file_of_before_gets_the_log_and_its_guards(tmp_path: Path) -> None:
    def described(path: Path) -> set[tuple[str, str]]:
        with closing(sqlite3.connect(path)) as connection:
            return set(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"))

    old, new = tmp_path / "old" / "state.db", tmp_path / "new" / "state.db"
    old.parent.mkdir()
    with closing(sqlite3.connect(old)) as connection:  # no new file any more: the scripts are run
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    for path in (old, new):
        _filled(path, 2)
        assert _verified(path).intact
    assert described(old) == described(new)
    assert len(described(new)) > 30


def test_a_head_that_cannot_be_written_hinders_no_change(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "state.db"
    _filled(path, 1)
    (tmp_path / "audit.head").unlink()
    (tmp_path / "audit.head").mkdir()
    with _opened(path) as state:
        SqliteSearches(state).save(_search("later"))
        assert len(SqliteSearches(state).searches()) == 2
    assert "cannot be written" in caplog.text
    assert _kinds(path) == {(0, "cut")}


def test_one_state_is_noted_once(tmp_path: Path) -> None:
    with _opened(tmp_path / "state.db") as state:
        audit = SqliteAudit(state)
        acts = [Act("moat", "config.load", digest) for digest in ("none", "a", "a", "b", "b", "a", "none")]
        assert [audit.record_new(act) for act in acts] == [False, True, False, True, False, True, True]
        told = [one.content.detail for one in audit.entries(AuditQuery(action="config")) if one.content]
        assert told == [{"before": "a"}, {"before": "b"}, {"before": "a"}, {"before": "none"}]


def test_words_that_are_no_unicode_are_kept_as_far_as_they_go(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with _opened(path) as state:
        SqliteAudit(state).record(
            Act("e\udcffve", "backup.make", "a\0b \u202e", "\udc80", {"x": ["\ud800", 1e300, None]})
        )
        found = SqliteAudit(state).entry(2)
        assert (found.entry.actor, found.entry.subject) == ("e\\udcffve", "a\0b \u202e")
    assert _verified(path).intact


def test_several_processes_keep_one_chain(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from moat.adapters.sqlite import SqliteSearches, SqliteState
from moat.domain.searches import SavedSearch
state = SqliteState.open(Path(sys.argv[1]))
for number in range(20):
    name = f"{sys.argv[2]}{number}"
    SqliteSearches(state).save(SavedSearch(name=name, expression="", actor=sys.argv[2], changed_ns=1))
state.close()
"""
    path = tmp_path / "state.db"
    _opened(path).__enter__().close()
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "abcdefgh"]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 8
    seen = _verified(path)
    assert (seen.intact, seen.entries, seen.last) == (True, 161, 161)


def test_verifying_takes_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with _opened(path) as state:
        audit = SqliteAudit(state)
        with state.write() as connection, acting(connection, *[Act("a", "backup.make", "x" * 1000)] * 4000):
            pass
        audit.verify()
        tracemalloc.start()
        assert audit.verify().entries == 4001
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 * 2**20


_COLUMNS = ("at_ns", "actor", "action", "subject", "content_digest", "previous", "digest")


def test_any_edit_of_any_field_is_seen(tmp_path: Path) -> None:
    good = tmp_path / "good" / "state.db"
    _filled(good, 4)
    raw, head = good.read_bytes(), (good.parent / "audit.head").read_bytes()
    values = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=5), st.binary(max_size=5))

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(_COLUMNS), st.integers(1, 5), values)
    def check(column: str, sequence: int, value: object) -> None:
        path = tmp_path / "bad" / "state.db"
        path.parent.mkdir(exist_ok=True)
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(raw)
        (path.parent / "audit.head").write_bytes(head)
        change = f"UPDATE audit SET {column} = ? WHERE sequence = ?"
        try:
            _attack(path, lambda connection: connection.execute(change, (value, sequence)))
        except sqlite3.IntegrityError:
            return  # NULL
        seen = _verified(path)
        assert not seen.intact
        assert {problem.sequence for problem in seen.problems} & {sequence, sequence + 1}

    check()


def test_any_byte_of_an_entry_in_the_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    _filled(path, 4)
    with _opened(path) as state:
        rows = list(SqliteAudit(state).all(AuditQuery()))
        with state.read() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    raw, chance = path.read_bytes(), random.Random(7)
    for one in rows:
        assert one.content is not None
        for text in (one.entry.digest, one.entry.content_digest, canonical({"salt": one.content.salt})[1:-1]):
            at = raw.find(text.encode()) + chance.randrange(len(text))
            path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
            assert not _verified(path).intact, (one.entry.sequence, text)
    path.write_bytes(raw)
    assert _verified(path).intact


@pytest.mark.parametrize("spoilt", [None, b"nonsense"])
def test_a_head_that_was_lost_stays_told_whatever_is_written_later(tmp_path: Path, spoilt: bytes | None) -> None:
    path, head = tmp_path / "state.db", tmp_path / "audit.head"
    _filled(path, 12)
    head.unlink() if spoilt is None else head.write_bytes(spoilt)
    for name in ("later", "later still"):
        with _opened(path) as state:
            SqliteSearches(state).save(_search(name))
        assert _kinds(path) == {(0, "cut")}
