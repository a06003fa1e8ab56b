"""Keys from the first day to the last, on real projects and real servers."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.bootstrap.projects import DEADLINE, PROMPT, Project, Server, eventually


def make(project: Project, *options: str) -> tuple[str, str]:
    """Id and secret of a new key."""
    made = project.ok("keys", "create", "--json", *options).json
    return made["id"], made["secret"]


def shown(project: Project, id: str) -> dict[str, Any]:
    found: dict[str, Any] = project.ok("keys", "show", id, "--json").json
    return found


def test_all_that_a_key_says_is_shown_and_nothing_of_its_secret(project: Project) -> None:
    id, secret = make(
        project, "--name", "shop", "--tenant", "acme", "--feature", "chat", "--model", "assistant", "--tag", "batch",
        "--tag", "nightly", "--data-class", "internal", "--metadata", "team=shop", "--metadata", "cost=42=x",
    )  # fmt: skip
    key = shown(project, id)
    assert (key["tags"], key["data_class"], key["parent"]) == (["batch", "nightly"], "internal", "")
    assert (key["metadata"], key["state"]) == ({"team": "shop", "cost": "42=x"}, "active")
    text = project.ok("keys", "show", id).out
    for word in ("shop", "acme", "nightly", "cost=42=x", "active"):
        assert word in text
    for command in (("keys", "show", id), ("keys", "show", id, "--json"), ("keys", "list", "--json")):
        out = project.ok(*command).out
        assert secret not in out
        assert "hash" not in out
    assert project.run("keys", "show", "key_0").code == 66


def test_a_key_is_changed_and_emptied(project: Project) -> None:
    id, _ = make(project, "--tenant", "acme", "--model", "assistant", "--tag", "a", "--days", "2", "--metadata", "a=b")
    before = shown(project, id)
    project.ok("keys", "update", id, "--name", "shop", "--role", "viewer", "--days", "0")
    after = shown(project, id)
    assert after == {**before, "name": "shop", "role": "viewer", "expires_ns": 0}
    project.ok("keys", "update", id, "--model", "", "--tag", "", "--metadata", "", "--tenant", "")
    assert shown(project, id) == {**after, "models": [], "tags": [], "metadata": {}, "tenant": ""}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("update", "KEY"), 65, "nothing to change"),
        (("update", "KEY", "--model", "nope"), 66, "no model"),
        (("update", "KEY", "--environment", "nope"), 66, "no environment"),
        (("update", "KEY", "--metadata", "nope"), 65, "NAME=VALUE"),
        (("update", "KEY", "--name", "a\nb"), 65, "control characters"),
        (("update", "KEY", "--tag", "x" * 300), 65, "longer than 256"),
        (("update", "key_0", "--name", "a"), 66, "no key"),
        (("rotate", "key_0"), 66, "no key"),
        (("rotate", "KEY", "--overlap", "soon"), 65, "not a length of time"),
        (("rotate", "KEY", "--overlap", "91d"), 65, "90 days"),
        (("revoke", "key_0"), 66, "no key"),
        (("create", "--tenant", "x" * 300), 65, "longer than 256"),
    ],
)
def test_bad_input_says_what_is_wrong_and_changes_nothing(
    project: Project, arguments: tuple[str, ...], code: int, words: str
) -> None:
    id, _ = make(project, "--name", "shop")
    before = project.ok("keys", "list", "--json").out
    done = project.run("keys", *(id if argument == "KEY" else argument for argument in arguments))
    assert (done.code, words in done.err) == (code, True), done
    assert project.ok("keys", "list", "--json").out == before


def test_a_revoked_key_is_not_rotated_back_to_life(project: Project) -> None:
    id, _ = make(project)
    project.ok("keys", "revoke", id)
    done = project.run("keys", "rotate", id)
    assert (done.code, "is revoked" in done.err) == (75, True)


def works(server: Server, secret: str) -> bool:
    return server.get("/v1/models", secret)[0] == 200


@pytest.mark.promise("gate-4")
def test_a_rotated_key_is_the_same_key(project: Project) -> None:
    project.release("1.0.0")
    id, old = make(project, "--tenant", "acme")
    with project.serving() as server:
        assert server.ask("Hello?", old, at="staging")[0] == 200
        new = project.ok("keys", "rotate", id, "--overlap", "1h", "--json").json["secret"]
        assert (works(server, old), works(server, new)) == (True, True), "the command waits until it is served"
        assert server.ask("Hello?", new, at="staging")[0] == 200
        newer = project.ok("keys", "rotate", id, "--overlap", "0s", "--json").json["secret"]
        assert [works(server, secret) for secret in (old, new, newer)] == [False, False, True]
        project.ok("keys", "update", id, "--role", "viewer")
        assert server.ask("Hello?", newer, at="staging")[0] == 403
        project.ok("keys", "revoke", id)
        assert server.get("/v1/models", newer)[0] == 401
    calls = project.ok("traces", "--json").json
    assert {call["tenant"] for call in calls} == {"acme"}
    assert len(calls) == 2


@pytest.mark.promise("gate-3")
@pytest.mark.promise("gate-4")
def test_a_child_key_works_and_goes_with_its_maker(project: Project) -> None:
    maker, secret = make(project, "--role", "admin", "--tenant", "acme")
    with project.serving() as server:
        body = {"name": "child", "models": ["assistant"]}
        status, made = server.send("POST", "/api/v1/keys", body, secret, content_type="application/json")
        assert status == 201
        assert works(server, made["secret"]), "served when it is answered"
        assert made["key"]["parent"] == maker
        assert made["key"]["id"] in project.ok("keys", "show", maker).out
        project.ok("keys", "revoke", maker, "--children")
        assert [server.get("/v1/models", key)[0] for key in (secret, made["secret"])] == [401, 401]


@pytest.mark.promise("gate-4")
def test_a_stream_ends_with_its_key(project: Project) -> None:
    project.replace("simulation/support.yaml", {"per_token_ms: 0": "per_token_ms: 4000"})
    project.release("1.0.0")
    id, secret = make(project)
    with project.serving() as server:
        connection = server.connection()
        asked = {"prompt": {"id": f"{PROMPT}@staging", "variables": {"question": "Hello?"}}, "stream": True}
        headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(asked), headers)
        response = connection.getresponse()
        assert response.status == 200
        response.readline()
        rest: list[bytes] = []
        reading = threading.Thread(target=lambda: rest.append(response.read()))
        reading.start()
        project.ok("keys", "revoke", id)
        began = time.monotonic()
        reading.join()
        took = time.monotonic() - began
        connection.close()
        assert b'"code":"access_denied"' in rest[0]
        assert b"[DONE]" not in rest[0]
        assert took < DEADLINE / 2, "0.25 s on a machine that is not busy, long before the answer would have ended"
    call = project.ok("traces", "--json").json[0]
    assert (call["error"], call["key"]) == ("access_denied", id)


@pytest.mark.promise("gate-5")
def test_no_secret_is_found_in_anything_that_is_written(project: Project, tmp_path: Path) -> None:
    canary = "sk-canary-7f3a9c51d2e84b60"
    provider = 'canary: {kind: openai, api_key: "${CANARY}", base_url: "http://127.0.0.1:9/v1"}\n'
    dead = "models:\n  dead: {use: [canary/gpt], retries: 0}\n"
    project.replace("moat.yaml", {"models:\n": dead, "  simulated: {": f"  {provider}  simulated: {{"})
    project.environ["CANARY"] = canary
    project.release("1.0.0")
    id, secret = make(project)
    with project.serving() as server:
        assert server.ask("Hello?", secret, at="staging")[0] == 200
        asked = {"model": "dead", "messages": [{"role": "user", "content": "Hello?"}]}
        assert server.send("POST", "/v1/chat/completions", asked, secret)[0] == 502
        new = project.ok("keys", "rotate", id, "--json").json["secret"]
        eventually(lambda: len(project.ok("traces", "--json").json) >= 2)
        backup = tmp_path / "backup"
        backup.mkdir()
        for file in (project.root / ".moat").rglob("*"):
            if file.is_file() and file.name != "server.json":
                (backup / f"{len(list(backup.iterdir()))}-{file.name}").write_bytes(file.read_bytes())
        token = server.token
    written = [path for folder in (project.root, backup) for path in folder.rglob("*") if path.is_file()]
    assert any(path.name.endswith("state.db") for path in written)
    assert any("traces" in path.name for path in written), [path.name for path in written]
    for path in written:
        content = path.read_bytes()
        for word in (canary, secret, new, token):
            assert word.encode() not in content, (path, word)


def test_people_are_told_what_became_of_a_key(project: Project) -> None:
    made = project.ok("keys", "create", "--name", "shop", "--days", "30").out
    secret, _, words = made.partition("\n")
    assert secret.startswith("mk-")
    assert "Keep it now" in words
    id = project.ok("keys", "list", "--json").json[0]["id"]
    rotated = project.ok("keys", "rotate", id).out
    assert rotated.startswith("mk-")
    assert "The old one works until 20" in rotated
    assert "works no longer" in project.ok("keys", "rotate", id, "--overlap", "0s").out
    assert "expires" in project.ok("keys", "show", id).out
    assert f"Key {id} is changed: name, expires." in project.ok("keys", "update", id, "--days", "0", "--name", "a").out
    assert f"Key {id} is revoked." in project.ok("keys", "revoke", id).out
    assert "No such keys" in project.ok("keys", "list", "--active").out
