"""Accounts, passwords and roles by themselves."""

import itertools
import unicodedata

import pytest

from moat.domain.accounts import (
    IDLE_NS,
    LONGEST_NS,
    Account,
    AccountChange,
    AccountView,
    NewAccount,
    check_admin_left,
    clean_email,
    new_invitation,
    new_session,
)
from moat.domain.errors import AccessError, ConflictError, RequestError
from moat.domain.keys import APPROVERS, LADDER, Key, KeyFields, Role, hash_secret, may_give, new_key
from moat.domain.passwords import MAX_LENGTH, MIN_LENGTH, check_password, hash_password, is_password

ROLES: tuple[Role, ...] = ("app", *LADDER)
GIVES = {
    "app": "app",
    "viewer": "viewer",
    "expert": "viewer expert",
    "engineer": "viewer expert engineer",
    "admin": "app viewer expert engineer admin",
}


@pytest.mark.promise("gate-3")
@pytest.mark.parametrize(("giver", "role"), list(itertools.product(ROLES, ROLES)))
def test_nobody_gives_a_role_that_may_what_theirs_may_not(giver: Role, role: Role) -> None:
    assert may_give(giver, role) == (role in GIVES[giver].split())


@pytest.mark.promise("gate-3")
@pytest.mark.parametrize("role", ROLES)
def test_a_key_that_could_approve_acts_for_its_maker_or_nobody(role: Role) -> None:
    maker = Key(id="key_1", hash="", role="admin", user="ada@example.org")
    for user, taken in (("", True), ("ada@example.org", True), ("bob@example.org", role not in APPROVERS)):
        wish = KeyFields(name="k", role=role, user=user)
        if taken:
            assert new_key(wish, id="key_2", hash="h", now_ns=1, maker=maker).user == user
        else:
            with pytest.raises(AccessError, match="user"):
                new_key(wish, id="key_2", hash="h", now_ns=1, maker=maker)


def test_a_password_is_known_again_and_no_other_is() -> None:
    stored = hash_password("correct horse battery")
    assert stored.startswith("scrypt$131072$8$1$")
    assert "horse" not in stored
    assert is_password("correct horse battery", stored)
    assert not is_password("correct horse batterY", stored)
    assert hash_password("correct horse battery") != stored, "each has a salt of its own"


def test_a_password_is_the_same_however_a_keyboard_writes_it() -> None:
    composed, taken_apart = (unicodedata.normalize(form, "Schlüsselblümchen") for form in ("NFC", "NFD"))
    assert composed != taken_apart
    assert is_password(taken_apart, hash_password(composed))


def test_parameters_stand_beside_the_hash() -> None:
    """A hash made with others, as by an older Moat, is still understood."""
    stored = "scrypt$16384$8$1$c2FsdHNhbHRzYWx0c2FsdA==$LPDRs+d7MJ+D4v778lUnSsMuTt3eMzZtYlcDVF6agWU="
    assert is_password("correct horse battery", stored)
    assert not is_password("", "")
    assert not is_password("correct horse battery", "no hash at all")


@pytest.mark.parametrize(
    "password", ["", "short", "x" * (MIN_LENGTH - 1), "a" * 40, "ADA@example.org", "x y z " * MAX_LENGTH]
)
def test_a_password_that_is_too_weak_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(RequestError, match="password"):
        check_password(password, "ada@example.org")


@pytest.mark.parametrize(
    "email", ["", "ada", "@b", "a@", "a b@c.d", "a@b\nc.d", "<a@b.c>", "a@b.c,d@e.f", "a" * 260 + "@b"]
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(RequestError, match="email"):
        clean_email(email)


def test_an_address_is_kept_in_lower_case() -> None:
    assert NewAccount(email=" Ada@Example.ORG ", role="viewer").made(1).email == "ada@example.org"


def test_an_account_is_shown_without_what_signs_it_in() -> None:
    account = Account(id="usr_1", email="a@b.c", password="scrypt$1", subject="https://issuer 42")
    view = AccountView.of(account)
    assert view.ways == ["password", "oidc"]
    assert not {"password", "subject"} & set(view.__struct_fields__)
    assert AccountView.of(Account(id="usr_2", email="d@e.f")).ways == []


def test_a_person_counts_as_a_key_of_their_own() -> None:
    key = Account(id="usr_1", email="a@b.c", name="Ada", role="engineer").key()
    assert (key.id, key.role, key.user, key.actor, key.hash, key.tenant) == (
        *("usr_1", "engineer", "a@b.c", "a@b.c"),
        *("", ""),
    )


def test_a_change_says_what_it_changes_and_nothing_else() -> None:
    account = Account(id="usr_1", email="a@b.c", name="Ada")
    disabled = AccountChange(disabled=True).applied(account, 5)
    assert disabled == Account(id="usr_1", email="a@b.c", name="Ada", disabled_ns=5)
    assert AccountChange(disabled=True).applied(disabled, 9).disabled_ns == 5, "the first time stays"
    assert AccountChange(disabled=False, role="admin").applied(disabled, 9).role == "admin"
    with pytest.raises(RequestError, match="name"):
        AccountChange(name="a\nb").applied(account, 5)


def test_an_active_admin_is_left() -> None:
    gone = Account(id="1", email="a@b.c", role="admin", disabled_ns=1)
    with pytest.raises(ConflictError, match="last active admin"):
        check_admin_left([gone, Account(id="2", email="d@e.f", role="engineer")])
    check_admin_left([gone, Account(id="3", email="g@h.i", role="admin")])


def test_a_session_ends_after_its_time_and_when_nobody_uses_it() -> None:
    session = new_session("usr_1", "h", 100)
    assert session.usable(100)
    assert session.usable(100 + IDLE_NS - 1)
    assert not session.usable(100 + IDLE_NS)
    assert session.expires_ns == 100 + LONGEST_NS
    assert len({new_session("usr_1", "h", 1).csrf for _ in range(50)}) == 50


def test_a_link_is_stored_as_a_hash() -> None:
    token, invitation = new_invitation("usr_1", 1, 10)
    assert len(token) >= 43
    assert (invitation.hash, invitation.account, invitation.expires_ns) == (hash_secret(token), "usr_1", 11)
