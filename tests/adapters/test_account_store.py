"""Accounts, sessions and links in the state file: what ends what, who wins, and what the log says."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import delete, insert, update

from moat.adapters.sqlite import SqliteAccounts, SqliteAudit, SqliteState, tables
from moat.domain.accounts import IDLE_NS, LONGEST_NS, SEEN_NS, Account, Session, new_invitation, new_session
from moat.domain.audit import AuditQuery
from moat.domain.errors import ConflictError, NotFound, StorageError
from moat.domain.keys import hash_secret

ADA = Account(id="usr_1", email="ada@example.org", role="admin", password="scrypt$ada", created_ns=1)
BOB = Account(id="usr_2", email="bob@example.org", role="viewer", created_ns=2)
NOW = 1_800_000_000 * 10**9


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    opened = SqliteState.open(tmp_path / "state.db")
    yield opened
    opened.close()


@pytest.fixture
def store(state: SqliteState) -> SqliteAccounts:
    accounts = SqliteAccounts(state)
    accounts.add(ADA, actor="tests")
    accounts.add(BOB, actor="tests")
    return accounts


def signed_in(store: SqliteAccounts, account: Account, name: str, now_ns: int = NOW) -> Session:
    session = new_session(account.id, hash_secret(name), now_ns)
    store.sign_in(account, session, detail={})
    return session


def log(state: SqliteState) -> list[tuple[str, str, str]]:
    """Oldest first."""
    found = SqliteAudit(state).entries(AuditQuery(action="account"))
    return [(one.entry.actor, one.entry.action, one.entry.subject) for one in reversed(found)]


def test_accounts_are_found_and_no_two_share_an_address(store: SqliteAccounts) -> None:
    assert store.accounts() == [ADA, BOB]
    assert store.account("usr_2") == store.by_email("bob@example.org") == BOB
    assert store.by_email("nobody@example.org") is None
    with pytest.raises(ConflictError, match="has an account already"):
        store.add(replace(ADA, id="usr_3"), actor="tests")
    with pytest.raises(NotFound):
        store.account("usr_3")


def test_an_account_bound_to_nobody_is_not_nobodys(store: SqliteAccounts) -> None:
    assert store.by_subject("") is None
    store.change("usr_2", lambda account: replace(account, subject="https://issuer 42"), actor="tests")
    found = store.by_subject("https://issuer 42")
    assert found is not None
    assert found.id == "usr_2"
    assert store.by_subject("https://issuer 43") is None


def test_a_session_lasts_while_it_is_used(store: SqliteAccounts) -> None:
    session = signed_in(store, BOB, "b")
    at = NOW
    for _ in range(3):
        at += IDLE_NS - 1
        found = store.session(session.hash, at)
        assert found is not None
        assert found[0] == BOB
    assert store.session(session.hash, at + IDLE_NS) is None
    at = NOW
    while at < NOW + LONGEST_NS:
        assert store.session(session.hash, at) is not None
        at += IDLE_NS // 2
    assert store.session(session.hash, NOW + LONGEST_NS) is None, "however much it was used"


def test_who_only_listens_does_not_use_a_session(store: SqliteAccounts) -> None:
    session = signed_in(store, BOB, "b")
    assert store.session(session.hash, NOW + IDLE_NS - 1, used=False) is not None
    assert store.session(session.hash, NOW + IDLE_NS) is None


def test_most_requests_write_nothing(store: SqliteAccounts, state: SqliteState) -> None:
    session = signed_in(store, BOB, "b")
    before = state.revision()
    for second in range(59):
        assert store.session(session.hash, NOW + second * 10**9) is not None
    assert state.revision() == before
    assert store.session(session.hash, NOW + SEEN_NS) is not None
    assert state.revision() != before


def test_a_disabled_account_is_out_at_once(store: SqliteAccounts, state: SqliteState) -> None:
    session = signed_in(store, BOB, "b")
    token, invitation = new_invitation(BOB.id, NOW)
    store.invite(invitation, actor="ada")
    store.change("usr_2", lambda a: replace(a, disabled_ns=5), actor="ada", action="account.disable")
    assert store.session(session.hash, NOW) is None
    with pytest.raises(NotFound, match="used, or is too old"):
        store.invited(hash_secret(token), NOW)
    with pytest.raises(ConflictError, match="disabled"):
        store.invite(invitation, actor="ada")
    with pytest.raises(ConflictError, match="changed meanwhile"):
        signed_in(store, BOB, "again")
    store.change("usr_2", lambda a: replace(a, disabled_ns=0), actor="ada", action="account.enable")
    assert store.session(session.hash, NOW) is None, "it is not brought back"
    assert log(state)[-3:] == [
        ("ada", "account.invite", "usr_2"),
        ("ada", "account.disable", "usr_2"),
        ("ada", "account.enable", "usr_2"),
    ]


def test_another_password_ends_the_sessions_and_another_name_does_not(store: SqliteAccounts) -> None:
    session = signed_in(store, BOB, "b")
    store.change("usr_2", lambda a: replace(a, name="Bob", role="expert"), actor="ada")
    found = store.session(session.hash, NOW)
    assert found is not None
    assert (found[0].name, found[0].role) == ("Bob", "expert"), "the account as it is now"
    store.change("usr_2", lambda a: replace(a, password="scrypt$new"), actor="bob", action="account.password")
    assert store.session(session.hash, NOW) is None


def test_a_password_that_changes_while_somebody_signs_in_is_the_one_that_counts(store: SqliteAccounts) -> None:
    seen = store.account("usr_1")
    store.change("usr_1", lambda a: replace(a, password="scrypt$new"), actor="ada", action="account.password")
    with pytest.raises(ConflictError, match="changed meanwhile"):
        signed_in(store, seen, "a")


def test_the_last_active_admin_stays(store: SqliteAccounts) -> None:
    for change in (lambda a: replace(a, role="engineer"), lambda a: replace(a, disabled_ns=1)):
        with pytest.raises(ConflictError, match="last active admin"):
            store.change("usr_1", change, actor="ada")
    store.change("usr_2", lambda a: replace(a, role="admin"), actor="ada")
    store.change("usr_1", lambda a: replace(a, disabled_ns=1), actor="bob")
    with pytest.raises(ConflictError, match="last active admin"):
        store.change("usr_2", lambda a: replace(a, role="viewer"), actor="bob")


def test_two_admins_who_disable_each_other_leave_one(tmp_path: Path, store: SqliteAccounts) -> None:
    store.change("usr_2", lambda a: replace(a, role="admin"), actor="ada")
    with closing(SqliteState.open(tmp_path / "state.db")) as other, ThreadPoolExecutor(2) as pool:

        def disable(accounts: SqliteAccounts, id: str) -> None:
            with suppress(ConflictError):
                accounts.change(id, lambda a: replace(a, disabled_ns=1), actor="x", action="account.disable")

        list(pool.map(disable, (store, SqliteAccounts(other)), ("usr_1", "usr_2")))
    assert sum(not account.disabled_ns for account in store.accounts()) == 1


def test_a_link_lets_one_in_once(store: SqliteAccounts) -> None:
    old = signed_in(store, BOB, "old")
    token, invitation = new_invitation(BOB.id, NOW)
    store.invite(invitation, actor="ada")
    with ThreadPoolExecutor(4) as pool:

        def follow(number: int) -> bool:
            session = new_session(BOB.id, hash_secret(str(number)), NOW)
            try:
                store.accept(hash_secret(token), lambda a: replace(a, password=f"scrypt${number}"), session)
            except NotFound:
                return False
            return True

        followed = list(pool.map(follow, range(4)))
    assert sum(followed) == 1
    winner = followed.index(True)
    assert store.account(BOB.id).password == f"scrypt${winner}"
    assert [store.session(hash_secret(str(n)), NOW) is not None for n in range(4)] == followed
    assert store.session(old.hash, NOW) is None


def test_a_link_ends_with_its_time_and_with_the_next_one(store: SqliteAccounts) -> None:
    first, invitation = new_invitation(BOB.id, NOW, 10)
    store.invite(invitation, actor="ada")
    assert store.invited(hash_secret(first), NOW + 9) == BOB
    with pytest.raises(NotFound):
        store.invited(hash_secret(first), NOW + 10)
    second, invitation = new_invitation(BOB.id, NOW)
    store.invite(invitation, actor="ada")
    assert store.invited(hash_secret(second), NOW) == BOB
    with pytest.raises(NotFound):
        store.invited(hash_secret(first), NOW)


def test_there_is_one_first_admin(tmp_path: Path) -> None:
    with closing(SqliteState.open(tmp_path / "state.db")) as state:
        store = SqliteAccounts(state)

        def found(account: Account) -> bool:
            try:
                store.found(account, new_session(account.id, hash_secret(account.id), NOW))
            except ConflictError:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(found, (ADA, BOB))) == [False, True]
        assert len(store.accounts()) == 1


def test_what_is_over_does_not_pile_up(store: SqliteAccounts, state: SqliteState) -> None:
    for number in range(5):
        signed_in(store, BOB, f"b{number}")
    _, invitation = new_invitation(BOB.id, NOW, 10)
    store.invite(invitation, actor="ada")
    signed_in(store, ADA, "a", NOW + LONGEST_NS)
    with state.read() as connection:
        assert connection.exec_driver_sql("SELECT account FROM sessions").fetchall() == [("usr_1",)]
        assert connection.exec_driver_sql("SELECT count(*) FROM invitations").scalar() == 0


def test_a_session_ends_when_one_signs_out(store: SqliteAccounts) -> None:
    session, other = signed_in(store, BOB, "b"), signed_in(store, BOB, "c")
    store.sign_out(session.hash)
    store.sign_out(session.hash)
    assert store.session(session.hash, NOW) is None
    assert store.session(other.hash, NOW) is not None


def test_no_secret_is_in_the_file(tmp_path: Path, store: SqliteAccounts, state: SqliteState) -> None:
    signed_in(store, BOB, "the cookie of bob")
    token, invitation = new_invitation(BOB.id, NOW)
    store.invite(invitation, actor="ada")
    store.change("usr_2", lambda a: replace(a, password="scrypt$new"), actor="b", action="account.password")
    found = SqliteAudit(state).entries(AuditQuery(action="account"))
    assert "scrypt" not in str(found)
    state.close()
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"the cookie of bob" not in content
    assert token.encode() not in content


@pytest.mark.promise("guard-4")
@pytest.mark.parametrize(
    "statement",
    [
        insert(tables.accounts).values(
            id="usr_3", email="m@x.y", name="", role="admin", password="", subject="", created_ns=1, disabled_ns=0
        ),
        update(tables.accounts).values(role="admin"),
        update(tables.accounts).values(disabled_ns=0),
        delete(tables.accounts),
        insert(tables.sessions).values(
            hash="h", account="usr_1", csrf="c", created_ns=1, expires_ns=2**62, seen_ns=2**62
        ),
        update(tables.sessions).values(account="usr_1"),
        update(tables.sessions).values(hash="h"),
        update(tables.sessions).values(expires_ns=2**62),
        insert(tables.invitations).values(hash="h", account="usr_1", expires_ns=2**62),
        update(tables.invitations).values(account="usr_1"),
    ],
)  # fmt: skip
def test_the_database_refuses_what_has_no_entry(store: SqliteAccounts, state: SqliteState, statement: object) -> None:
    signed_in(store, BOB, "b")
    _, invitation = new_invitation(BOB.id, NOW)
    store.invite(invitation, actor="ada")
    with pytest.raises(StorageError, match="entry"):
        with state.write() as connection:
            connection.execute(statement)  # type: ignore[call-overload]
    assert store.accounts() == [ADA, BOB]


def test_a_full_disk_lets_people_look(tmp_path: Path, store: SqliteAccounts) -> None:
    session = signed_in(store, BOB, "b")
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as connection:
        connection.execute("CREATE TRIGGER b BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'no room'); END")
    assert store.session(session.hash, NOW + SEEN_NS) is not None
