"""Letting people in: by password, by a link, by a provider of identities."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from msgspec.structs import replace

from moat.api.browsers import is_known, network_of
from moat.api.front import Front
from moat.api.throttle import OF_ACCOUNT, OF_CLIENT, OF_STRANGERS, Tally, Throttle
from moat.domain.accounts import (
    WELCOME_NS,
    Account,
    Invitation,
    NewAccount,
    Session,
    clean_email,
    new_invitation,
    new_session,
    new_token,
)
from moat.domain.console import ConsoleConfig
from moat.domain.errors import AccessError, Overloaded, RequestError
from moat.domain.keys import check_text, hash_secret
from moat.domain.passwords import check_password, hash_password, is_password
from moat.ports.accounts import AccountStore
from moat.ports.clock import Clock
from moat.ports.identities import IdentityProvider

HASHED_AT_ONCE = 2
"""Each takes 128 MiB and a core."""
WAITING = 8
"""People who wait for one of these; further ones are turned away."""
NOBODY = "unknown"
"""Subject of the entry when there is no such account: what was typed may be a password."""


class Entered(NamedTuple):
    """Somebody who was let in."""

    account: Account
    session: Session
    token: str
    """Of the cookie."""


class SignIn:
    """The door. Threads may share it."""

    def __init__(
        self,
        accounts: AccountStore,
        config: Callable[[], ConsoleConfig],
        clock: Clock,
        provider: Callable[[], IdentityProvider | None] = lambda: None,
    ) -> None:
        """`provider`: of identities, as moat.yaml names it now."""
        self.accounts = accounts
        self.provider = provider
        self._config = config
        self._clock = clock
        self._clients = Throttle(OF_CLIENT)
        self._callers = Throttle(OF_CLIENT)
        self._emails = Throttle(OF_ACCOUNT)
        self._strangers = Throttle(OF_STRANGERS)
        self._failures = Tally()
        self._places = threading.BoundedSemaphore(HASHED_AT_ONCE + WAITING)
        self._hashing = threading.BoundedSemaphore(HASHED_AT_ONCE)
        self._welcome: Invitation | None = None

    @property
    def config(self) -> ConsoleConfig:
        """As moat.yaml has it now."""
        return self._config()

    @property
    def now_ns(self) -> int:
        """Unix time."""
        return self._clock.now_ns()

    @property
    def front(self) -> Front:
        """How browsers reach this server now."""
        return Front(self._config())

    def session(self, token: str, *, used: bool) -> tuple[Account, Session] | None:
        """Who is signed in with a cookie, if anybody is; see `AccountReader.session`."""
        return self.accounts.session(hash_secret(token), self.now_ns, used=used)

    @property
    def is_new(self) -> bool:
        """Is there no admin yet?"""
        return not any(account.role == "admin" for account in self.accounts.accounts())

    def welcome(self) -> str:
        """A new token of the link for the first admin, which is kept in memory only; empty when there is one."""
        if not self.is_new:
            return ""
        token, self._welcome = new_invitation("", self.now_ns, WELCOME_NS)
        return token

    def by_password(self, email: str, password: str, client: str, mark: str = "") -> Entered:
        """`mark`: what the browser kept when it signed in before, see `moat.api.browsers`.

        Raises `AccessError` (401) in the same words, after the same work, whatever is wrong; `LimitExceeded` after too
        many tries, `Overloaded` when there is no room, which counts as none.
        """
        email = email.strip().lower()
        with self._placed():
            account = self.accounts.by_email(email)
            stored = account.password if account is not None and not account.disabled_ns else ""
            bucket = self._counted(email, client, mark if is_known(account, mark) else "")
            with self._hashing:
                right = is_password(password, stored)
        if account is None or not right:
            self.fail(account, client)
            raise AccessError.unauthenticated(
                "the e-mail address or the password is wrong",
                remedy="After a forgotten password an admin makes a new link: `moat accounts invite EMAIL`.",
            )
        self._emails.forgive(bucket)
        return self.enter(account, "password", client)

    def _counted(self, email: str, client: str, known: str) -> str:
        """Use up a try; the name of the bucket that it came from. `known`: the mark of a browser that the account
        knows, which strangers' tries are nothing to. Raises `LimitExceeded`.
        """
        now = self.now_ns
        self._clients.take(client, now)
        bucket = f"{email} {known or network_of(client)}"
        self._emails.take(bucket, now)
        if not known:
            self._strangers.take(email, now)
        return bucket

    def call(self, client: str) -> None:
        """Somebody wants to come by the provider of identities, or comes back from there. Raises `LimitExceeded` after
        too many tries, which are counted apart from those with a password.
        """
        self._callers.take(client, self.now_ns)

    def enter(self, account: Account, way: str, client: str) -> Entered:
        """Begin a session of somebody who has shown who they are."""
        session, token = self._session(account)
        self.accounts.sign_in(account, session, detail={"way": way, "client": client})
        return Entered(account, session, token)

    def whose(self, link: str, client: str) -> Account | None:
        """Whose account a link is for, which stays as good as it is; None: the first admin's, which is not there yet.

        Raises `NotFound` for a link that was used or is too old; `LimitExceeded` after too many tries.
        """
        self._callers.take(client, self.now_ns)
        hash = hash_secret(link)
        if self._is_welcome(hash) and self.is_new:
            return None
        return self.accounts.invited(hash, self.now_ns)

    def by_link(self, link: str, password: str, said: tuple[str, str | None], client: str) -> Entered:
        """Use a link: its account gets this password. `said`: name, and for the first admin the e-mail address.

        Raises `NotFound` for a link that was used or is too old; `RequestError` for a password that is not taken.
        """
        self._clients.take(client, self.now_ns)
        hash, (name, email) = hash_secret(link), said
        check_text(name, where="name")
        if self._is_welcome(hash):
            return self._found(password, name, email)
        invited = self.accounts.invited(hash, self.now_ns)
        if email is not None and clean_email(email) != invited.email:
            raise RequestError("the link is for another e-mail address", where="email", remedy="Leave it out.")
        check_password(password, invited.email)
        with self._hashed():
            stored = hash_password(password)
        session, token = self._session(invited)

        def accepted(account: Account) -> Account:
            return replace(account, password=stored, name=name or account.name)

        return Entered(self.accounts.accept(hash, accepted, session), session, token)

    def _found(self, password: str, name: str, email: str | None) -> Entered:
        now = self.now_ns
        if email is None:
            raise RequestError("is missing", where="email", remedy="Say whose account the first one is.")
        account = NewAccount(email=email, role="admin", name=name).made(now)
        check_password(password, account.email)
        with self._hashed():
            account = replace(account, password=hash_password(password))
        session, token = self._session(account)
        self.accounts.found(account, session)
        self._welcome = None
        return Entered(account, session, token)

    def _session(self, account: Account) -> tuple[Session, str]:
        token = new_token()
        return new_session(account.id, hash_secret(token), self.now_ns), token

    def _is_welcome(self, hash: str) -> bool:
        welcome = self._welcome
        return welcome is not None and welcome.hash == hash and self.now_ns < welcome.expires_ns

    def fail(self, account: Account | None, client: str) -> None:
        """Write down, once a minute, that somebody tried in vain: to be this one, or nobody there is."""
        subject = account.id if account is not None else NOBODY
        count = self._failures.due(subject, self.now_ns)
        if count:
            self.accounts.failed(subject, detail={"count": count, "client": client})

    @contextmanager
    def _hashed(self) -> Iterator[None]:
        """The work of one password. Raises `Overloaded` when too many wait for it."""
        with self._placed(), self._hashing:
            yield

    @contextmanager
    def _placed(self) -> Iterator[None]:
        """A place among those who wait for that work. Raises `Overloaded`."""
        if not self._places.acquire(blocking=False):
            raise Overloaded("too many people sign in at this moment", remedy="Try again.", retry_after=2)
        try:
            yield
        finally:
            self._places.release()
