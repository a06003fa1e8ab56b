"""No chain of keys, each made by the one before, leads beyond the first."""

import contextlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.domain.errors import AccessError, ConflictError, NotFound, RequestError
from moat.domain.keys import (
    MAX_ITEMS,
    MAX_TEXT,
    Key,
    KeyFields,
    KeyView,
    changed,
    check_text,
    descendants,
    hash_secret,
    new_key,
    new_secret,
    rotated,
)

names = st.sampled_from(["", "a", "b"])
many = st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=3).map(tuple)
ends = st.sampled_from([0, 5, 10, 15])
roles = st.sampled_from(["app", "viewer", "expert", "engineer", "admin"])
keys = st.builds(
    Key, id=st.just("key_0"), hash=st.just("h"), role=st.just("admin"), tenant=names, environment=names, feature=names,
    user=names, models=many, tags=many, data_class=names, expires_ns=ends,
)  # fmt: skip


def said(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.just(msgspec.UNSET), strategy)


wishes = st.builds(
    KeyFields, role=said(roles), tenant=said(names), environment=said(names), feature=said(names), user=said(names),
    models=said(many), tags=said(many), data_class=said(names), expires_ns=said(ends),
)  # fmt: skip


def is_within(maker: Key, key: Key) -> bool:
    """Said once more, from the outside: whatever the key may do, the maker may."""
    fixed = all(getattr(maker, name) in ("", getattr(key, name)) for name in ("tenant", "environment", "feature"))
    models = not maker.models or (bool(key.models) and set(key.models) <= set(maker.models))
    lives = all(maker.usable(now) or not key.usable(now) for now in range(20))
    person = key.role not in ("engineer", "admin") or key.user in ("", maker.user)
    return fixed and models and lives and person and maker.data_class in ("", key.data_class)


@pytest.mark.promise("gate-3")
@given(keys, st.lists(wishes, min_size=1, max_size=4))
@settings(max_examples=500, deadline=None)
def test_no_chain_of_keys_leads_beyond_the_first(first: Key, chain: list[KeyFields]) -> None:
    maker = first
    for number, wish in enumerate(chain, 1):
        if maker.role != "admin":  # the route lets no other role in
            break
        with contextlib.suppress(AccessError, NotFound):
            made = new_key(wish, id=f"key_{number}", hash="h", now_ns=1, maker=maker)
            assert is_within(maker, made)
            assert made.parent == maker.id
            maker = made
    assert is_within(msgspec.structs.replace(first, user=maker.user), maker)
    if maker.role == "admin" and maker is not first:
        assert maker.user in ("", first.user), "nobody becomes another person"


@pytest.mark.promise("gate-3")
@given(keys, keys, wishes)
@settings(max_examples=300, deadline=None)
def test_a_change_or_a_new_secret_is_a_key_that_could_be_made(maker: Key, key: Key, wish: KeyFields) -> None:
    with contextlib.suppress(AccessError, NotFound):
        after = changed(key, wish, maker)
        assert is_within(maker, key)
        assert is_within(maker, after)
    with contextlib.suppress(AccessError, NotFound):
        rotated(key, hash="new", now_ns=1, overlap_ns=0, maker=maker)
        assert is_within(maker, key)


def test_who_is_on_the_machine_may_make_any_key() -> None:
    wish = KeyFields(name="ops", role="admin", user="ada@example.org")
    key = new_key(wish, id="key_1", hash="h", now_ns=5)
    assert (key.role, key.user, key.parent, key.created_ns, key.models) == ("admin", "ada@example.org", "", 5, ())


def test_a_key_that_is_over_gets_no_new_secret() -> None:
    for over in (Key(id="k", hash="h", revoked_ns=1), Key(id="k", hash="h", expires_ns=4)):
        with pytest.raises(ConflictError, match=over.state(5)):
            rotated(over, hash="new", now_ns=5, overlap_ns=9)


def test_what_is_shown_of_a_key_has_no_hash() -> None:
    key = Key(id="k", hash=hash_secret("mk-a"), former_hash=hash_secret("mk-b"), tags=("x",), metadata={"a": "b"})
    shown = msgspec.json.encode(KeyView.of(key, 1)).decode()
    assert key.hash not in shown
    assert key.former_hash not in shown
    assert set(KeyView.__struct_fields__) == {*Key.__struct_fields__, "state"} - {"hash", "former_hash"}


def test_descendants_are_found_through_all_generations() -> None:
    def key(id: str, parent: str, created: int) -> Key:
        return Key(id=id, hash=id, parent=parent, created_ns=created)

    family = [key("e", "c", 4), key("b", "a", 2), key("c", "b", 3), key("x", "y", 5), key("a", "", 1)]
    assert [found.id for found in descendants(family, "a")] == ["b", "c", "e"]
    assert [found.id for found in descendants(family, "c")] == ["e"]
    assert descendants(family, "x") == []


@pytest.mark.promise("inj-5")
@given(st.text(max_size=300))
def test_text_is_bounded_and_clean(text: str) -> None:
    with contextlib.suppress(RequestError):
        check_text(text, where="name")
        assert len(text) <= MAX_TEXT
        assert not set(text) & {chr(code) for code in (*range(32), 127, 0x85, 0x2028, 0x2029)}
        return
    assert len(text) > MAX_TEXT or not text.isprintable()


def test_lists_are_bounded() -> None:
    for fields in (
        KeyFields(tags=("a",) * (MAX_ITEMS + 1)),
        KeyFields(metadata={str(number): "" for number in range(MAX_ITEMS)}),
    ):
        with pytest.raises(RequestError, match="entries"):
            _ = fields.given


def test_secrets_are_long_and_never_the_same() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(secret.startswith("mk-") and len(secret) >= 46 for secret in made)
