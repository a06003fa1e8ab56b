"""Readiness and the metric follow the spool: no call can be answered that could not be recorded."""

import json
import urllib.error
import urllib.request

from moat.domain.keys import Key
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import Start
from tests.gateway.test_metrics import samples, scrape


def ready(url: str, method: str = "GET") -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/readyz", method=method), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_while_the_disk_refuses_no_traffic_should_come(start: Start) -> None:
    running = start(ScriptedProvider(), keys={"mk-viewer": Key(id="key_1", hash="", role="viewer")})
    assert ready(running.url)[0] == 200
    assert samples(scrape(running.url)[2])["moat_spool_refusing",] == 0
    running.spool.full = True
    status, body = ready(running.url)
    assert (status, json.loads(body)) == (503, {"status": "refusing", "problems": 1})
    assert ready(running.url, "HEAD") == (503, b"")
    assert samples(scrape(running.url)[2])["moat_spool_refusing",] == 1
    running.spool.full = False
    assert ready(running.url)[0] == 200
