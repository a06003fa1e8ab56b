"""What `KeyReader` and `KeyWriter` promise."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest
from msgspec.structs import replace

from moat.domain.errors import ConflictError, NotFound
from moat.domain.keys import Key
from moat.ports.keys import KeyStore

OpenKeys = Callable[[], AbstractContextManager[KeyStore]]


def _key(number: int) -> Key:
    return Key(
        id=f"key_{number}",
        hash=f"{number:064x}",
        name="It's „ours“",
        role="admin",
        tenant="acme",
        feature="support",
        user="grace",
        environment="production",
        models=("assistant", "small"),
        tags=("batch", "nightly"),
        data_class="internal",
        metadata={"team": "Größe; DROP TABLE keys"},
        parent="key_0",
        former_hash=f"{number:063x}f",
        former_until_ns=1_800_000_000_000_000_000,
        created_ns=1_700_000_000_000_000_000 + number,
        expires_ns=1_900_000_000_000_000_000,
    )


def keys_are_read_back_oldest_first(open_store: OpenKeys) -> None:
    """As written, by another opener too."""
    with open_store() as store:
        assert store.keys() == []
        for number in (2, 1, 3):
            store.add(_key(number), actor="ada")
    with open_store() as store:
        assert store.keys() == [_key(1), _key(2), _key(3)]


def a_key_is_added_once(open_store: OpenKeys) -> None:
    """Neither its id nor its hash may come twice."""
    with open_store() as store:
        store.add(_key(1), actor="ada")
        for twin in (replace(_key(2), id="key_1"), replace(_key(2), hash=_key(1).hash)):
            with pytest.raises(ConflictError, match="exists already"):
                store.add(twin, actor="ada")
        assert store.keys() == [_key(1)]


def revoking_keeps_the_first_time(open_store: OpenKeys) -> None:
    """And touches no other key; it is listed still."""
    with open_store() as store:
        store.add(_key(1), actor="ada")
        store.add(_key(2), actor="ada")
        store.revoke("key_1", 50, actor="ada")
        store.revoke("key_1", 99, actor="ada")
        with pytest.raises(NotFound, match="key_9"):
            store.revoke("key_9", 50, actor="ada")
        assert store.keys() == [replace(_key(1), revoked_ns=50), _key(2)]


def a_change_is_stored_whole_or_not_at_all(open_store: OpenKeys) -> None:
    """Id and time of making stay, whatever the change says."""
    with open_store() as store:
        store.add(_key(1), actor="ada")
        store.add(_key(2), actor="ada")
        changed = store.change(
            "key_1", lambda key: replace(key, id="key_9", created_ns=9, name="new", models=()), actor="ada"
        )
        assert changed == replace(_key(1), name="new", models=())
        with pytest.raises(NotFound, match="key_9"):
            store.change("key_9", lambda key: key, actor="ada")

        def refuse(key: Key) -> Key:
            raise ConflictError("no")

        with pytest.raises(ConflictError):
            store.change("key_2", refuse, actor="ada")
    with open_store() as store:
        assert store.keys() == [replace(_key(1), name="new", models=()), _key(2)]


def changes_at_one_time_are_all_there(open_store: OpenKeys) -> None:
    """Each begins with what the one before left."""
    with open_store() as store:
        store.add(_key(1), actor="ada")

        def count(_: int) -> None:
            store.change("key_1", lambda key: replace(key, former_until_ns=key.former_until_ns + 1), actor="ada")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count, range(20)))
        assert store.keys()[0].former_until_ns == _key(1).former_until_ns + 20


CHECKS: tuple[Callable[[OpenKeys], None], ...] = (
    keys_are_read_back_oldest_first,
    a_key_is_added_once,
    revoking_keeps_the_first_time,
    a_change_is_stored_whole_or_not_at_all,
    changes_at_one_time_are_all_there,
)
