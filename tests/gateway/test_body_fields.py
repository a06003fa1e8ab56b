"""Whatever stands in a body or a query, a caller is who its key says."""

import json
import urllib.error
import urllib.request
from typing import Any

import msgspec
import pytest

from moat.domain.calls import Caller, Delta, Finished
from moat.domain.keys import Key
from moat.domain.usage import Usage
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import SECRET, Start

HELLO = [{"role": "user", "content": "Hello"}]
OWN = Key(
    id="key_1",
    hash="",
    tenant="acme",
    feature="chat",
    user="ada",
    environment="production",
    models=("assistant",),
    tags=("batch",),
    data_class="public",
)
KEYS = {
    SECRET: OWN,
    "mk-viewer": Key(id="key_2", hash="", role="viewer"),
    "mk-admin": Key(id="key_3", hash="", role="admin"),
}
CLAIMS: dict[str, Any] = {
    **{field.name: "globex" for field in msgspec.structs.fields(Key)},
    **{field.name: "globex" for field in msgspec.structs.fields(Caller)},
    "role": "admin",
    "roles": ["admin"],
    "key": "mk-admin",
    "api_key": "mk-admin",
    "authorization": "Bearer mk-admin",
    "models": ["spare"],
    "tags": ["urgent"],
    "caller": {"key": "key_3", "tenant": "globex"},
    "x-moat-tenant": "globex",
    "x-moat-environment": "staging",
    "metadata": {"tenant": "globex", "user_id": "mallory", "role": "admin"},
    "extra_headers": {"authorization": "Bearer mk-admin"},
    "is_admin": True,
    "scopes": ["*"],
}
"""Every field of a key and of a caller, and what else others might read."""
CHATS = {
    "/v1/chat/completions": {"model": "assistant", "messages": HELLO},
    "/v1/responses": {"model": "assistant", "input": "Hello"},
    "/v1/messages": {"model": "assistant", "messages": HELLO, "max_tokens": 10},
    "/v1/completions": {"model": "assistant", "prompt": "Hello"},
    "/v1/embeddings": {"model": "assistant", "input": "Hello"},
    "/v1/moderations": {"model": "assistant", "input": "Hello"},
    "/v1/rerank": {"model": "assistant", "query": "a", "documents": ["b"]},
    "/v1/images/generations": {"model": "assistant", "prompt": "a cat"},
    "/v1/audio/speech": {"model": "assistant", "input": "Hello", "voice": "alloy"},
    "/v1beta/models/assistant:generateContent": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
}


def post(url: str, secret: str | None, body: dict[str, Any]) -> tuple[int, Any]:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {secret}"} if secret else {})
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def answers() -> ScriptedProvider:
    return ScriptedProvider([Delta(text="Hi", raw=b"{}"), Finished(reason="stop", usage=Usage(input=1, output=1))])


@pytest.mark.promise("gate-2")
@pytest.mark.parametrize("path", CHATS)
def test_no_field_of_a_body_changes_who_calls(start: Start, path: str) -> None:
    """Each by itself and one beside it: a format may refuse a field that it knows, but never believe it."""
    running = start(answers(), keys=KEYS)
    expected = Caller(
        key="key_1",
        tenant="acme",
        feature="chat",
        user="ada",
        environment="production",
        models=("assistant",),
        tags=("batch",),
        data_class="public",
    )
    taken = 0
    for name, claim in CLAIMS.items():
        if name in ("model", "input", "prompt"):
            continue
        body = {**CHATS[path], name: claim}
        status, answer = post(running.url + path, SECRET, body)
        assert status in (200, 400, 403), (name, answer)
        taken += status == 200
        assert post(running.url + path, "mk-viewer", body)[0] == 403, name
        assert post(running.url + path, None, body)[0] == 401, name
        if not (path.startswith("/v1beta/") and name == "key"):  # Google's clients send their key so
            assert post(f"{running.url}{path}?{name}=mk-admin", None, CHATS[path])[0] == 401, name
    assert taken > len(CLAIMS) / 2
    assert {msgspec.json.encode(call.caller) for call in running.provider.calls} == {msgspec.json.encode(expected)}
    assert {(span.key, span.tenant) for span in running.spool.calls} == {("key_1", "acme")}


@pytest.mark.promise("gate-2")
@pytest.mark.parametrize("path", [path for path in CHATS if "model" in CHATS[path]])
def test_a_model_that_is_not_the_keys_stays_closed_whatever_the_body_claims(start: Start, path: str) -> None:
    running = start(answers(), keys=KEYS)
    status, answer = post(running.url + path, SECRET, {**CHATS[path], "model": "spare", "models": ["spare"]})
    assert status in (400, 403, 404), answer
    assert running.provider.calls == []
