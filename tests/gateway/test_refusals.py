"""Every request that never becomes a call is counted, by where it went and the status of its answer; calls are not."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from moat.gateway.metrics import refusals
from moat.gateway.metrics_births import Births
from moat.gateway.refusals import Refusals, summed, surface
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import SECRET, Running, Start
from tests.gateway.test_metrics import KEYS, samples, scrape

HELLO = {"model": "assistant", "messages": [{"role": "user", "content": "Hi"}]}
CHAT, TRACES = "/v1/chat/completions", "/v1/traces"


def ask(gateway: Running, path: str, body: Any = b"{}", key: str = SECRET, method: str = "POST", **headers: str) -> int:
    """The status."""
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=30)
    told = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body), told)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("status", "where", "path", "options"),
    [
        (401, "calls", CHAT, {"key": "mk-unknown"}),
        (401, "calls", "/v1/models", {"key": "mk-unknown", "method": "GET"}),
        (400, "calls", CHAT, {"body": b"{"}),
        (400, "calls", CHAT, {"body": HELLO, "idempotency_key": "k" * 300}),
        (400, "calls", CHAT, {"body": HELLO, "x_moat_timeout": "soon"}),
        (413, "calls", CHAT, {"body": bytes(2**20 + 1)}),
        (413, "calls", "/v1/messages", {"body": bytes(2**20 + 1)}),
        (415, "calls", CHAT, {"content_encoding": "gzip"}),
        (404, "calls", "/v1/engines", {}),
        (405, "calls", CHAT, {"method": "PUT"}),
        (401, "traces", TRACES, {"key": "mk-unknown"}),
        (400, "traces", TRACES, {"body": b"["}),
        (400, "traces", TRACES, {"body": b"no", "content_encoding": "gzip"}),
        (413, "traces", TRACES, {"body": bytes(2**20 + 1)}),
        (415, "traces", TRACES, {"content_type": "text/plain"}),
        (405, "traces", TRACES, {"method": "PUT"}),
        (404, "feedback", "/v1/feedback", {}),
        (401, "api", "/metrics", {"key": "mk-unknown", "method": "GET"}),
        (403, "api", "/metrics", {"method": "GET"}),
    ],
)
def test_a_refusal_is_counted_once(start: Start, status: int, where: str, path: str, options: dict[str, Any]) -> None:
    gateway = start(ScriptedProvider("never"))
    found = ask(gateway, path, **options)
    assert (found, gateway.live.refusals.all) == (status, ((where, status, 1),))
    assert gateway.spool.spans == []


def test_calls_are_not_refusals_however_they_end(start: Start) -> None:
    gateway = start(ScriptedProvider("hi"))
    assert ask(gateway, CHAT, HELLO) == 200
    assert ask(gateway, CHAT, HELLO | {"model": "nobody"}) == 404
    assert len(gateway.spool.calls) == 2, "both are recorded"
    assert gateway.live.refusals.all == ()


def test_what_a_full_disk_turns_away_is_counted(start: Start) -> None:
    gateway = start(ScriptedProvider("never"))
    gateway.spool.full = True
    assert (ask(gateway, CHAT, HELLO), ask(gateway, TRACES, {"resourceSpans": []})) == (503, 200)
    assert gateway.live.refusals.all == (("calls", 503, 1),)


def test_the_page_tells_them(start: Start) -> None:
    gateway = start(ScriptedProvider("never"), keys=KEYS)
    for _ in range(3):
        ask(gateway, CHAT, key="mk-unknown")
    ask(gateway, TRACES, b"[", "mk-app")
    gateway.live.refusals.elsewhere = lambda: [("calls", 401, 4), ("connection", 400, 1)]
    found = samples(scrape(gateway.url)[2])
    assert {labels[1:]: value for labels, value in found.items() if labels[0] == "moat_refused_requests_total"} == {
        ("401", "calls"): 7,
        ("400", "traces"): 1,
        ("400", "connection"): 1,
    }


def test_the_first_of_a_kind_is_an_increase_for_prometheus() -> None:
    births, counts = Births(), Refusals()
    scope = {"headers": [(b"x-prometheus-scrape-timeout-seconds", b"10")], "client": ("10.0.0.1", 1)}

    def seen() -> list[float]:
        return [sample.value for sample in refusals(counts.all, births.shown(scope)).samples]

    assert seen() == []
    counts.add("traces", 413)
    assert [seen(), seen()] == [[0], [1]]
    counts.add("traces", 413)
    assert seen() == [2]


def test_places_are_few_whatever_is_asked_for() -> None:
    assert {surface(path) for path in ("/v1/x", "/v1beta/y", "/v1/files")} == {"calls"}
    assert {surface(path) for path in ("/v1/feedback", "/v1/feedback/links", "/feedback/x")} == {"feedback"}
    assert {surface(path) for path in ("/", "/api/v1/keys", "/metrics", "/v2/x")} == {"api"}
    assert surface("/v1/traces") == "traces"
    assert summed([("api", 404, 1), ("api", 401, 1), ("api", 404, 2)]) == (("api", 401, 1), ("api", 404, 3))
