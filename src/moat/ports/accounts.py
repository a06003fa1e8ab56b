"""Accounts of people, their sessions, and the links that let them in."""

from collections.abc import Callable
from typing import Any, Protocol

from moat.domain.accounts import Account, Invitation, Session
from moat.domain.audit import Action


class AccountReader(Protocol):
    """Questions about accounts."""

    def accounts(self) -> list[Account]:
        """All, oldest first, disabled ones too."""
        ...

    def account(self, id: str) -> Account:
        """Raises `NotFound`."""
        ...

    def by_email(self, email: str) -> Account | None:
        """Of an address in lower case."""
        ...

    def by_subject(self, subject: str) -> Account | None:
        """The account that is bound to somebody at a provider of identities: issuer, a space, subject."""
        ...

    def session(self, hash: str, now_ns: int, *, used: bool = True) -> tuple[Account, Session] | None:
        """Who is signed in with a cookie of this hash, as the account is now; None when the session is over or the
        account disabled. That the session is `used` is written down now and then.
        """
        ...


class AccountWriter(Protocol):
    """Changes, each with its entry in the audit log. `actor`: who makes it."""

    def add(self, account: Account, *, actor: str, invitation: Invitation | None = None) -> None:
        """Store an account, and a link to it. Raises `ConflictError` when the e-mail address has one."""
        ...

    def found(self, account: Account, session: Session) -> None:
        """Store the first admin, signed in. Raises `ConflictError` when there is one."""
        ...

    def change(
        self, id: str, change: Callable[[Account], Account], *, actor: str, action: Action = "account.change"
    ) -> Account:
        """Read an account, change it and store it, and nobody's change can come between. Its sessions end when it is
        disabled or its password is another.

        Raises `NotFound`; `ConflictError` when no active admin would be left; what `change` raises. Nothing is stored
        then.
        """
        ...

    def invite(self, invitation: Invitation, *, actor: str) -> None:
        """Store a link to an account; those from before are gone. Raises `NotFound`, `ConflictError` for an account
        that is disabled.
        """
        ...

    def invited(self, hash: str, now_ns: int) -> Account:
        """Whose link it is. Raises `NotFound` when it was used, is over, or never was."""
        ...

    def accept(self, hash: str, change: Callable[[Account], Account], session: Session) -> Account:
        """Use a link: the account is changed, its sessions end and this one begins. Raises as `invited`."""
        ...

    def sign_in(self, account: Account, session: Session, *, detail: dict[str, Any]) -> None:
        """Begin a session of an account. Raises `ConflictError` when the account was disabled, or its password changed,
        since it was read.
        """
        ...

    def sign_out(self, hash: str) -> None:
        """End a session, if there is one."""
        ...

    def failed(self, subject: str, *, detail: dict[str, Any]) -> None:
        """Write down that somebody tried in vain to sign in to an account (its id), or to none."""
        ...


class AccountStore(AccountReader, AccountWriter, Protocol):
    """Both."""
