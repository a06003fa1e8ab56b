"""People who sign in to the console: accounts, sessions, and links that let somebody in once."""

import secrets
from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from moat.domain.calls import new_id
from moat.domain.errors import ConflictError, RequestError
from moat.domain.keys import Key, check_text, hash_secret

PersonRole = Literal["viewer", "expert", "engineer", "admin"]
"""A role of `moat.domain.keys.Role`; `app` is for programs only."""

MAX_EMAIL = 254
IDLE_NS = 12 * 3600 * 10**9
"""A session that nobody used for so long is over."""
LONGEST_NS = 7 * 86_400 * 10**9
"""A session is over then, however much it was used."""
INVITED_NS = 7 * 86_400 * 10**9
"""How long a link lets somebody in."""
WELCOME_NS = 86_400 * 10**9
"""The same of the link for the first admin."""
WELCOME = "/welcome#"
"""The path of a link, before its token: what follows a `#` is sent to no server and stands in no log."""
SEEN_NS = 60 * 10**9
"""That a session is used is written down once in this time: most requests write nothing."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may sign in."""

    id: str
    email: str
    """In lower case; no two accounts have the same."""
    name: str = ""
    role: PersonRole = "viewer"
    password: str = ""
    """As `moat.domain.passwords` makes it; empty: nobody signs in with one."""
    subject: str = ""
    """Issuer and subject of a provider of identities, with a space between them; empty: none is bound to it."""
    created_ns: int = 0
    disabled_ns: int = 0
    """0: it is active."""

    def key(self) -> Key:
        """What a request of a signed-in person counts as: a key that nobody can show, as the account stands now."""
        return Key(id=self.id, hash="", name=self.name, role=self.role, user=self.email, created_ns=self.created_ns)


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account as administrators see it."""

    id: str
    email: str
    name: str
    role: PersonRole
    ways: list[Literal["password", "oidc"]]
    """How it signs in; none: its owner has not followed the link yet."""
    created_ns: int
    disabled_ns: int

    @classmethod
    def of(cls, account: Account) -> "AccountView":
        """Without the hash, and without what the provider of identities calls it."""
        ways: list[Literal["password", "oidc"]] = ["password"] if account.password else []
        ways += ["oidc"] if account.subject else []
        shown = {name: getattr(account, name) for name in cls.__struct_fields__ if name != "ways"}
        return cls(**shown, ways=ways)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that is signed in."""

    hash: str
    """SHA-256 of the cookie's 256 random bits, which are not stored."""
    account: str
    """Id."""
    csrf: str
    """What a changing request shows beside the cookie: only Moat's own pages can read it."""
    created_ns: int
    expires_ns: int
    seen_ns: int

    def usable(self, now_ns: int) -> bool:
        """Neither over nor idle for too long."""
        return now_ns < min(self.expires_ns, self.seen_ns + IDLE_NS)


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """A link that lets the owner of an account set a password, once."""

    hash: str
    """SHA-256 of the token in the link."""
    account: str
    """Id; empty: the first admin's, which is not made yet."""
    expires_ns: int


class AccountChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an administrator changes; what is not given stays."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    role: PersonRole | msgspec.UnsetType = msgspec.UNSET
    disabled: bool | msgspec.UnsetType = msgspec.UNSET

    def applied(self, account: Account, now_ns: int) -> Account:
        """The account with it. Raises `RequestError` for a name that is none."""
        if self.name is not msgspec.UNSET:
            check_text(self.name, where="name")
            account = replace(account, name=self.name)
        if self.role is not msgspec.UNSET:
            account = replace(account, role=self.role)
        if self.disabled is not msgspec.UNSET:
            account = replace(account, disabled_ns=(account.disabled_ns or now_ns) if self.disabled else 0)
        return account


class NewAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said of an account when it is made."""

    email: Annotated[str, msgspec.Meta(max_length=MAX_EMAIL)]
    role: PersonRole
    name: str = ""

    def made(self, now_ns: int) -> Account:
        """The account, which nobody can sign in to yet. Raises `RequestError`."""
        check_text(self.name, where="name")
        email = clean_email(self.email)
        return Account(id=new_id("usr"), email=email, name=self.name, role=self.role, created_ns=now_ns)


def clean_email(text: str) -> str:
    """An e-mail address in lower case. Raises `RequestError` for what cannot be one; nobody is written to."""
    email = text.strip().lower()
    before, at, host = email.rpartition("@")
    if not (at and before and host) or len(email) > MAX_EMAIL or any(c.isspace() or c in "<>,;\"'" for c in email):
        raise RequestError("is no e-mail address", where="email")
    check_text(email, where="email")
    return email


def new_token() -> str:
    """256 random bits for a cookie or a link: shown once, and stored as their SHA-256."""
    return secrets.token_urlsafe(32)


def new_invitation(account: str, now_ns: int, length_ns: int = INVITED_NS) -> tuple[str, Invitation]:
    """A token for a link, and what is stored of it. `account`: id; empty: the first one, which is not made yet."""
    token = new_token()
    return token, Invitation(hash=hash_secret(token), account=account, expires_ns=now_ns + length_ns)


def new_session(account: str, hash: str, now_ns: int) -> Session:
    """A session that begins now."""
    return Session(
        hash=hash,
        account=account,
        csrf=new_token(),
        created_ns=now_ns,
        expires_ns=now_ns + LONGEST_NS,
        seen_ns=now_ns,
    )


def check_admin_left(accounts: list[Account]) -> None:
    """Raise `ConflictError` unless somebody could still let others in."""
    if not any(account.role == "admin" and not account.disabled_ns for account in accounts):
        raise ConflictError(
            "this is the last active admin", remedy="Make another account an admin first: `moat accounts role`."
        )
