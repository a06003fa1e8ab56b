"""Keys over HTTP: made, changed, rotated, revoked, and never beyond what their maker is."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.domain.keys import Key, hash_secret
from tests.api import world
from tests.api.world import SECRETS, Api, open_api

MAKERS = {
    "acme-admin": Key(id="key_20", hash="", role="admin", tenant="acme", environment="production"),
    "small-admin": Key(
        id="key_21", hash="", role="admin", user="linus", models=("assistant",), feature="chat", tags=("a",),
        data_class="internal", expires_ns=2_000_000_000_000_000_000,
    ),
}  # fmt: skip


@contextmanager
def opened(template: Path, folder: Path) -> Iterator[Api]:
    """An API with two makers of keys besides the usual ones, all of them in the store too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "KEYS", world.KEYS | MAKERS)
        patch.setattr(world, "SECRETS", SECRETS | {name: f"mk-{name}" for name in MAKERS})
        with open_api(template, folder) as api:
            for name, key in world.KEYS.items():
                api.state.keys.add(msgspec.structs.replace(key, hash=hash_secret(world.SECRETS[name])), actor="tests")
            yield api


@pytest.fixture(scope="module")
def api(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One for all tests that change no key which was there before."""
    with opened(template, tmp_path_factory.mktemp("keys")) as api:
        yield api


@pytest.fixture
def own_api(template: Path, tmp_path: Path) -> Iterator[Api]:
    """One for this test alone."""
    with opened(template, tmp_path) as api:
        yield api


def send(api: Api, method: str, path: str, content: Any = None, who: str = "admin") -> tuple[int, Any]:
    """Status and JSON."""
    headers = {"Authorization": f"Bearer {world.SECRETS[who]}"}
    if content is not None:
        headers["Content_Type"] = "application/json"
    body = None if content is None else json.dumps(content).encode()
    status, received, raw = api.raw(method, f"/api/v1/keys{path}", body, **headers)
    if method != "GET" and status < 300:
        assert received["cache-control"] == "no-store"
    return status, json.loads(raw)


def stored(api: Api, id: str) -> Key:
    keys = api.state.keys.keys()
    return next(key for key in keys if key.id == id)


def test_a_key_is_made_shown_once_and_stored_as_a_hash(api: Api) -> None:
    wanted = {
        "name": "shop", "tenant": "acme", "feature": "chat", "user": "ada", "environment": "production",
        "models": ["assistant"], "tags": ["batch"], "data_class": "internal", "metadata": {"team": "shop"},
        "expires_ns": 2_000_000_000_000_000_000,
    }  # fmt: skip
    status, made = send(api, "POST", "", wanted)
    assert status == 201
    shown, secret = made["key"], made["secret"]
    assert {name: shown[name] for name in wanted} == wanted
    assert (shown["role"], shown["parent"], shown["state"]) == ("app", "key_1", "active")
    assert stored(api, shown["id"]).hash == hash_secret(secret)
    assert send(api, "GET", f"/{shown['id']}") == (200, shown)
    listed = send(api, "GET", "")[1]
    assert shown in listed
    assert secret not in json.dumps(listed)
    assert not any("hash" in key for key in listed)


def test_a_key_is_changed(api: Api) -> None:
    _, made = send(api, "POST", "", {"name": "shop", "models": ["assistant"], "tags": ["a"]})
    id = made["key"]["id"]
    status, changed = send(api, "PATCH", f"/{id}", {"models": [], "role": "viewer", "metadata": {"by": "me"}})
    assert status == 200
    assert changed == {**made["key"], "models": [], "role": "viewer", "metadata": {"by": "me"}}
    assert stored(api, id).hash == hash_secret(made["secret"])
    assert send(api, "PATCH", f"/{id}", {})[0] == 400


def test_a_key_is_rotated(api: Api) -> None:
    _, made = send(api, "POST", "", {"name": "shop"})
    id = made["key"]["id"]
    status, after = send(api, "POST", f"/{id}/rotate", {"overlap": 3600})
    key = stored(api, id)
    assert (status, after["key"]["id"]) == (201, id)
    assert (key.hash, key.former_hash) == (hash_secret(after["secret"]), hash_secret(made["secret"]))
    assert 0 < after["key"]["former_until_ns"] == key.former_until_ns
    for overlap in (-1, 1e9, "1h", None):
        assert send(api, "POST", f"/{id}/rotate", {"overlap": overlap})[0] == 400
    assert send(api, "DELETE", f"/{id}")[0] == 200
    assert send(api, "POST", f"/{id}/rotate", {"overlap": 0})[0] == 409


def test_a_key_is_revoked_alone_or_with_what_it_made(own_api: Api) -> None:
    _, first = send(own_api, "POST", "", {"name": "first"}, "acme-admin")
    _, other = send(own_api, "POST", "", {"name": "other"})
    status, revoked = send(own_api, "DELETE", "/key_20?children=true")
    assert (status, revoked["state"], revoked["id"]) == (200, "revoked", "key_20")
    assert stored(own_api, first["key"]["id"]).revoked_ns > 0
    assert stored(own_api, other["key"]["id"]).revoked_ns == 0
    before = stored(own_api, "key_20").revoked_ns
    assert send(own_api, "DELETE", "/key_20")[0] == 200
    assert stored(own_api, "key_20").revoked_ns == before
    assert send(own_api, "DELETE", "/key_21?children=perhaps")[0] == 400
    assert send(own_api, "DELETE", "/key_99")[0] == 404


@pytest.mark.promise("gate-3")
def test_what_is_not_said_is_as_the_maker_has_it(api: Api) -> None:
    _, made = send(api, "POST", "", {"name": "child"}, "small-admin")
    key = made["key"]
    assert (key["models"], key["feature"], key["tags"]) == (["assistant"], "chat", ["a"])
    assert (key["data_class"], key["expires_ns"]) == ("internal", MAKERS["small-admin"].expires_ns)
    assert (key["role"], key["user"], key["parent"]) == ("app", "", "key_21")
    _, made = send(api, "POST", "", {"name": "child"}, "acme-admin")
    assert (made["key"]["tenant"], made["key"]["environment"]) == ("acme", "production")


BEYOND = [
    ("acme-admin", {"tenant": ""}, 404),
    ("acme-admin", {"tenant": "globex"}, 404),
    ("acme-admin", {"environment": ""}, 404),
    ("acme-admin", {"environment": "staging"}, 404),
    ("acme-admin", {"environment": "nowhere"}, 404),
    ("acme-admin", {"role": "admin", "user": "ada@example.org"}, 403),
    ("small-admin", {"models": []}, 403),
    ("small-admin", {"models": ["assistant", "large"]}, 403),
    ("small-admin", {"feature": ""}, 403),
    ("small-admin", {"feature": "search"}, 403),
    ("small-admin", {"tags": []}, 403),
    ("small-admin", {"data_class": "public"}, 403),
    ("small-admin", {"expires_ns": 0}, 403),
    ("small-admin", {"expires_ns": 2_000_000_000_000_000_001}, 403),
    ("small-admin", {"role": "admin", "user": "ada"}, 403),
    ("robot", {"role": "admin", "user": "ada"}, 403),
    ("admin", {"role": "admin", "user": "ada@example.org"}, 403),
]


@pytest.mark.promise("gate-3")
@pytest.mark.parametrize(("who", "wish", "status"), BEYOND)
def test_no_key_makes_one_that_is_more_than_itself(api: Api, who: str, wish: dict[str, Any], status: int) -> None:
    before = api.state.keys.keys()
    assert send(api, "POST", "", {"name": "child", **wish}, who)[0] == status
    assert api.state.keys.keys() == before
    made = send(api, "POST", "", {"name": "child"}, who)[1]["key"]
    assert send(api, "PATCH", f"/{made['id']}", wish, who)[0] == status
    assert send(api, "GET", f"/{made['id']}")[1] == made


@pytest.mark.promise("gate-3")
def test_no_key_changes_or_renews_one_that_is_more_than_itself(own_api: Api) -> None:
    """The new secret of a greater key would be the greater key."""
    for who, target in (("small-admin", "key_1"), ("small-admin", "key_2"), ("robot", "key_1"), ("robot", "key_21")):
        before = stored(own_api, target)
        assert send(own_api, "POST", f"/{target}/rotate", {"overlap": 0}, who)[0] == 403, (who, target)
        assert send(own_api, "PATCH", f"/{target}", {"name": "mine"}, who)[0] == 403, (who, target)
        assert stored(own_api, target) == before
    assert send(own_api, "POST", "/key_21/rotate", {"overlap": 0}, "small-admin")[0] == 201, "its own it may"


@pytest.mark.promise("gate-7")
def test_keys_of_others_do_not_exist_for_a_bound_key(own_api: Api) -> None:
    ids = {key["id"] for key in send(own_api, "GET", "", who="acme-admin")[1]}
    assert ids == {"key_20", "key_acme"}
    for method, path, content in (
        ("GET", "", None),
        ("PATCH", "", {"name": "mine"}),
        ("DELETE", "", None),
        ("POST", "/rotate", {"overlap": 0}),
    ):
        answers = [send(own_api, method, f"/{id}{path}", content, "acme-admin") for id in ("key_1", "key_5", "key_999")]
        assert [status for status, _ in answers] == [404] * 3
        assert answers[0] == answers[1] == answers[2], "there or not, in the same words"


@pytest.mark.promise("gate-3")
@pytest.mark.parametrize("field", ["id", "hash", "parent", "created_ns", "revoked_ns", "former_hash", "secret", "nope"])
def test_what_is_not_the_makers_to_say_is_refused(api: Api, field: str) -> None:
    for method, path in (("POST", ""), ("PATCH", "/key_acme")):
        status, answer = send(api, method, path, {"name": "child", field: 1})
        assert (status, field in answer["error"]["message"]) == (400, True)


@pytest.mark.parametrize(
    ("wish", "where", "status"),
    [
        ({"name": "x" * 257}, "name", 400),
        ({"name": "a\nb"}, "name", 400),
        ({"name": ""}, "name", 400),
        ({"tags": ["a\r\nset-cookie: b"]}, "tags", 400),
        ({"tags": [str(n) for n in range(65)]}, "tags", 400),
        ({"metadata": {"a\x00": "b"}}, "metadata", 400),
        ({"metadata": {"a": 1}}, "$.metadata[...]", 400),
        ({"role": "root"}, "$.role", 400),
        ({"expires_ns": -1}, "$.expires_ns", 400),
        ({"expires_ns": 2**63}, "$.expires_ns", 400),
        ({"models": ["nope"]}, None, 404),
        ({"environment": "nowhere"}, None, 404),
    ],
)
def test_bad_input_is_named(api: Api, wish: dict[str, Any], where: str | None, status: int) -> None:
    answer = send(api, "POST", "", {"name": "child", **wish})
    assert (answer[0], answer[1]["error"]["param"]) == (status, where)
