"""Who a provider of identities says somebody is, and what that gives."""

from moat.domain.identities import Identity

CLAIMS = {"iss": "https://id.example.org", "sub": "7", "email": " Ada@Example.org ", "email_verified": "true"}


def test_an_address_counts_once_it_is_verified() -> None:
    assert Identity.of(CLAIMS, "").email == "ada@example.org"
    assert Identity.of(CLAIMS | {"email_verified": False}, "").email == ""


def test_one_group_or_several_are_heard() -> None:
    for groups, heard in (("ops", ("ops",)), (["ops", "dev"], ("ops", "dev")), (None, ()), (5, ())):
        assert Identity.of(CLAIMS | {"groups": groups}, "groups").groups == heard
