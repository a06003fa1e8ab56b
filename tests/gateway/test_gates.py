"""Every route of the gateway and who gets in: a route that is not in this table fails."""

import http.client
import itertools
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from moat.domain.keys import Key
from moat.domain.spans import Span
from moat.gateway.app import Gateway
from moat.gateway.feedback import FeedbackApi
from moat.gateway.feedback_links import LinkSigner
from moat.gateway.opinions import Opinions
from moat.gateway.serving import Live
from moat.ports.traces import TraceFilter
from moat.testing.fakes import FakeClock, ListOpinions
from moat.testing.scripted import ScriptedProvider
from tests.batches.world import World
from tests.gateway.conftest import SECRET, Start

CALLERS = "app admin"
NOTHING = "nothing-of-that-name"
ROUTES = {
    "POST /v1/chat/completions": CALLERS,
    "POST /v1/messages": CALLERS,
    "POST /v1/messages/count_tokens": CALLERS,
    "POST /v1/responses": CALLERS,
    "POST /v1/responses/input_tokens": CALLERS,
    "POST /v1/completions": CALLERS,
    "POST /v1/embeddings": CALLERS,
    "POST /v1/moderations": CALLERS,
    "POST /v1/rerank": CALLERS,
    "POST /v1/images/generations": CALLERS,
    "POST /v1/images/edits": CALLERS,
    "POST /v1/images/variations": CALLERS,
    "POST /v1/audio/speech": CALLERS,
    "POST /v1/audio/transcriptions": CALLERS,
    "POST /v1/audio/translations": CALLERS,
    "GET /v1/models": CALLERS,
    "GET /v1beta/models": CALLERS,
    "POST /v1/files": CALLERS,
    "GET /v1/files": CALLERS,
    "POST /v1/batches": CALLERS,
    "GET /v1/batches": CALLERS,
    "POST /v1/traces": CALLERS,
    "POST /v1/feedback": CALLERS,
    "POST /v1/feedback/links": CALLERS,
    "GET /metrics": "viewer admin",
    "GET /healthz": "anybody",
    "HEAD /healthz": "anybody",
    "GET /readyz": "anybody",
    "HEAD /readyz": "anybody",
}
BELOW = {
    "GET /v1/models/": ("assistant", CALLERS),
    "POST /v1/models/": ("assistant:generateContent", CALLERS),
    "GET /v1beta/models/": ("assistant", CALLERS),
    "POST /v1beta/models/": ("assistant:generateContent", CALLERS),
    "GET /v1/files/": (NOTHING, CALLERS),
    "DELETE /v1/files/": (NOTHING, CALLERS),
    "GET /v1/batches/": (NOTHING, CALLERS),
    "POST /v1/batches/": (f"{NOTHING}/cancel", CALLERS),
    "GET /feedback/": (NOTHING, "signed"),
    "POST /feedback/": (NOTHING, "signed"),
}
"""Routes with a name in their path, and one that is there, or that nobody has. `signed`: no key lets in, what is signed
does."""

KEYS = {
    SECRET: Key(id="key_1", hash="", tenant="acme"),
    "mk-viewer": Key(id="key_2", hash="", role="viewer"),
    "mk-admin": Key(id="key_3", hash="", role="admin"),
    "mk-revoked": Key(id="key_4", hash="", role="admin", revoked_ns=1),
    "mk-expired": Key(id="key_5", hash="", role="admin", expires_ns=1),
}


def status(url: str, method: str, path: str, secret: str | None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    headers = {"content-type": "application/json"}
    if secret is not None:
        headers["authorization"] = f"Bearer {secret}"
    try:
        connection.request(method, path, b"{}" if method == "POST" else None, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.promise("gate-1")
def test_every_route_is_in_the_table_and_lets_in_whom_it_says(tmp_path: Path) -> None:
    with World(tmp_path, ScriptedProvider("hi"), feedback=taking_feedback).running(KEYS) as world:
        assert world.live is not None
        gateway = Gateway(world.live, world.spool, max_body=1, management=None)  # type: ignore[arg-type]
        check_every_route(gateway, world.url)


def taking_feedback(live: Live) -> FeedbackApi:
    clock = FakeClock()
    return FeedbackApi(live, Opinions(ListOpinions(), NoCalls(), clock), LinkSigner(b"secret"), clock)  # type: ignore[arg-type]


class NoCalls:
    """A trace store that knows no call."""

    def search(self, wanted: TraceFilter, limit: int = 50) -> list[Span]:
        return []


def check_every_route(gateway: Gateway, url: str) -> None:
    assert {f"{method} {path}" for method, path in gateway._routes} == ROUTES.keys()
    assert {f"{method} {path}" for method, path in gateway._prefixes} == BELOW.keys()
    paths = ROUTES | {route + name: roles for route, (name, roles) in BELOW.items()}
    for (route, roles), secret in itertools.product(paths.items(), (None, "mk-unknown", *KEYS)):
        method, path = route.split(" ")
        found, body = status(url, method, path, secret)
        if roles == "anybody":
            assert found == 200, (route, secret)
        elif roles == "signed":
            assert found == 404, (route, secret)
        elif secret in (None, "mk-unknown", "mk-revoked", "mk-expired"):
            assert found == 401, (route, secret)
        elif KEYS[str(secret)].role not in roles.split():
            assert found == 403, (route, secret)
        else:
            missing = (404,) if NOTHING in path else ()
            assert found in (200, 400, 415, *missing), (route, secret, body)


@pytest.mark.promise("gate-1")
def test_other_methods_and_paths_let_nobody_in(start: Start) -> None:
    running = start(ScriptedProvider("hi"), keys=KEYS)
    for route in (*ROUTES, *BELOW):
        path = route.split(" ")[1]
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
            if path.startswith("/v1"):
                assert status(running.url, method, path, "mk-admin")[0] in (404, 405), (method, path)
    for path in ("/v1/keys", "/v1/", "/v1/chat", "/v1/chat/completions/", "/v1beta/", "/v1/admin", "/v1/files/../keys"):
        found, body = status(running.url, "POST", path, "mk-admin")
        assert (found, b"error" in body) == (404, True), path
        assert json.loads(body)


@pytest.mark.promise("gate-2")
def test_a_field_of_the_body_is_no_key(start: Start) -> None:
    running = start(ScriptedProvider("hi"), keys=KEYS)
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=30)
    body = {"model": "assistant", "messages": [{"role": "user", "content": "Hi"}], "key": "mk-admin", "role": "admin",
            "tenant": "globex", "caller": {"tenant": "globex"}, "api_key": "mk-admin"}  # fmt: skip
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    assert connection.getresponse().status == 401
    connection.close()
    connection.request(
        "POST",
        "/v1/chat/completions",
        json.dumps(body),
        {"authorization": f"Bearer {SECRET}", "x-moat-tenant": "globex"},
    )
    assert connection.getresponse().status == 200
    connection.close()
    (call,) = running.provider.calls
    assert (call.caller.key, call.caller.tenant) == ("key_1", "acme")
