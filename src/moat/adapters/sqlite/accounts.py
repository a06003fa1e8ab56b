"""Accounts of people in SQLite, their sessions and links."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec.structs import asdict, replace
from sqlalchemy import Connection, delete, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.acting import acting
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.accounts import IDLE_NS, SEEN_NS, Account, Invitation, Session, check_admin_left
from moat.domain.audit import Act, Action, changes, given
from moat.domain.errors import ConflictError, NotFound, StorageError

_ACCOUNT = tables.accounts.c
_SESSION = tables.sessions.c
_INVITATION = tables.invitations.c
_SECRET = ("password",)

UNKNOWN = "unknown"
"""The actor of whoever could not show who they are."""


class SqliteAccounts:
    """The port `AccountStore`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def accounts(self) -> list[Account]:
        """Oldest first."""
        with self._state.read() as connection:
            return _accounts(connection)

    def account(self, id: str) -> Account:
        """Raises `NotFound`."""
        with self._state.read() as connection:
            return _account(connection, id)

    def by_email(self, email: str) -> Account | None:
        """Of an address in lower case."""
        return self._only(_ACCOUNT.email == email)

    def by_subject(self, subject: str) -> Account | None:
        """Nobody's when there is no subject."""
        return self._only((_ACCOUNT.subject == subject) & (_ACCOUNT.subject != ""))

    def session(self, hash: str, now_ns: int, *, used: bool = True) -> tuple[Account, Session] | None:
        """Read in one snapshot; written only when it was not for a while."""
        with self._state.read() as connection:
            row = connection.execute(select(tables.sessions).where(_SESSION.hash == hash)).mappings().first()
            if row is None:
                return None
            session = record(row, Session)
            account = _account(connection, session.account)
        if account.disabled_ns or not session.usable(now_ns):
            return None
        if used and now_ns - session.seen_ns >= SEEN_NS:
            # With a full disk people can still look: the session only ends sooner.
            with suppress(StorageError), self._state.write() as connection:
                connection.execute(update(tables.sessions).where(_SESSION.hash == hash).values(seen_ns=now_ns))
        return account, session

    def add(self, account: Account, *, actor: str, invitation: Invitation | None = None) -> None:
        """Account and link together."""
        with self._state.write() as connection, acting(connection, _creation(account, actor)):
            _insert(connection, account)
            if invitation is not None:
                connection.execute(insert(tables.invitations).values(asdict(invitation)))

    def found(self, account: Account, session: Session) -> None:
        """Account and session together, when there is no admin."""
        acts = (_creation(account, account.email), _entrance(account, {"way": "first link"}))
        with self._state.write() as connection:
            if connection.scalar(select(func.count()).where(_ACCOUNT.role == "admin")):
                raise ConflictError("there is an admin already", remedy="Ask for an invitation.")
            with acting(connection, *acts):
                _insert(connection, account)
                connection.execute(insert(tables.sessions).values(asdict(session)))

    def change(
        self, id: str, change: Callable[[Account], Account], *, actor: str, action: Action = "account.change"
    ) -> Account:
        """In one write transaction; one that changes nothing leaves no entry."""
        with self._state.write() as connection:
            before = _account(connection, id)
            after = replace(change(before), id=before.id, created_ns=before.created_ns)
            if after == before:
                return after
            _check(connection, after)
            lost = _keys_of(connection, after) if after.disabled_ns and not before.disabled_ns else []
            acts = [Act(actor, "key.revoke", key, f"{after.email} was disabled") for key in lost]
            with acting(connection, Act(actor, action, id, detail=changes(before, after, _SECRET)), *acts):
                _put(connection, before, after)
                revoked = update(tables.keys).where(tables.keys.c.id.in_(lost)).values(revoked_ns=after.disabled_ns)
                connection.execute(revoked)
        return after

    def invite(self, invitation: Invitation, *, actor: str) -> None:
        """In place of the links there were."""
        with self._state.write() as connection:
            account = _account(connection, invitation.account)
            if account.disabled_ns:
                raise ConflictError("the account is disabled", where=account.email, remedy="Enable it first.")
            act = Act(actor, "account.invite", account.id, detail={"expires_ns": invitation.expires_ns})
            with acting(connection, act):
                connection.execute(delete(tables.invitations).where(_INVITATION.account == account.id))
                connection.execute(insert(tables.invitations).values(asdict(invitation)))

    def invited(self, hash: str, now_ns: int) -> Account:
        """Raises `NotFound`, in the same words whatever is wrong with it."""
        with self._state.read() as connection:
            return _invited(connection, hash, now_ns)

    def accept(self, hash: str, change: Callable[[Account], Account], session: Session) -> Account:
        """In one write transaction: of two that follow a link together one gets in."""
        with self._state.write() as connection:
            before = _invited(connection, hash, session.created_ns)
            after = replace(change(before), id=before.id, created_ns=before.created_ns)
            acts = (
                Act(after.email, "account.password", after.id, detail=changes(before, after, _SECRET)),
                _entrance(after, {"way": "link"}),
            )
            with acting(connection, *acts):
                connection.execute(delete(tables.invitations).where(_INVITATION.account == after.id))
                _put(connection, before, after)
                connection.execute(insert(tables.sessions).values(asdict(session)))
        return after

    def sign_in(self, account: Account, session: Session, *, detail: dict[str, Any]) -> None:
        """The sessions and links that are over go at the same time."""
        now = session.created_ns
        with self._state.write() as connection:
            known = _account(connection, account.id)
            if known.disabled_ns or known.password != account.password:
                raise ConflictError("the account was changed meanwhile", remedy="Sign in again.")
            with acting(connection, _entrance(known, detail)):
                over = or_(_SESSION.expires_ns <= now, _SESSION.seen_ns <= now - IDLE_NS)
                connection.execute(delete(tables.sessions).where(over))
                connection.execute(delete(tables.invitations).where(_INVITATION.expires_ns <= now))
                connection.execute(insert(tables.sessions).values(asdict(session)))

    def sign_out(self, hash: str) -> None:
        """Once and for all."""
        with self._state.write() as connection:
            connection.execute(delete(tables.sessions).where(_SESSION.hash == hash))

    def failed(self, subject: str, *, detail: dict[str, Any]) -> None:
        """An entry, and no change."""
        with (
            self._state.write() as connection,
            acting(connection, Act(UNKNOWN, "account.sign_in_failed", subject, "", detail)),
        ):
            return

    def _only(self, condition: Any) -> Account | None:
        with self._state.read() as connection:
            row = connection.execute(select(tables.accounts).where(condition)).mappings().first()
        return record(row, Account) if row is not None else None


def _accounts(connection: Connection) -> list[Account]:
    rows = connection.execute(select(tables.accounts).order_by(_ACCOUNT.created_ns, _ACCOUNT.id)).mappings()
    return [record(row, Account) for row in rows]


def _account(connection: Connection, id: str) -> Account:
    row = connection.execute(select(tables.accounts).where(_ACCOUNT.id == id)).mappings().first()
    if row is None:
        raise NotFound(f"no account {id!r}", remedy="`moat accounts list` shows them.")
    return record(row, Account)


def _invited(connection: Connection, hash: str, now_ns: int) -> Account:
    row = connection.execute(select(tables.invitations).where(_INVITATION.hash == hash)).mappings().first()
    if row is None or record(row, Invitation).expires_ns <= now_ns:
        raise NotFound("this link was used, or is too old", remedy="Ask an admin for a new one.")
    return _account(connection, row["account"])


def _insert(connection: Connection, account: Account) -> None:
    statement = insert(tables.accounts).values(asdict(account)).on_conflict_do_nothing()
    if connection.execute(statement).rowcount == 0:
        raise ConflictError(f"{account.email} has an account already", where="email")


def _check(connection: Connection, after: Account) -> None:
    """Raises `ConflictError` when the change leaves no active admin where there was one."""
    others = [account for account in _accounts(connection) if account.id != after.id]
    before = [*others, _account(connection, after.id)]
    if any(account.role == "admin" and not account.disabled_ns for account in before):
        check_admin_left([*others, after])


def _put(connection: Connection, before: Account, after: Account) -> None:
    connection.execute(update(tables.accounts).where(_ACCOUNT.id == after.id).values(asdict(after)))
    if after.disabled_ns or after.password != before.password:
        connection.execute(delete(tables.sessions).where(_SESSION.account == after.id))
    if after.disabled_ns:
        connection.execute(delete(tables.invitations).where(_INVITATION.account == after.id))


def _keys_of(connection: Connection, account: Account) -> list[str]:
    """Ids of the keys that act for this person, and are not revoked yet."""
    key = tables.keys.c
    live = select(key.id, key.user).where(key.revoked_ns == 0).order_by(key.created_ns, key.id)
    # SQLite knows the small letters of ASCII alone.
    return [id for id, user in connection.execute(live) if user.lower() == account.email]


def _creation(account: Account, actor: str) -> Act:
    return Act(actor, "account.create", account.id, detail=given(account, (*_SECRET, "id")))


def _entrance(account: Account, detail: dict[str, Any]) -> Act:
    return Act(account.email, "account.sign_in", account.id, detail=detail)
