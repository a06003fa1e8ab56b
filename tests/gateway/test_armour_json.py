"""Bodies made to cost more than they weigh: refused in under a second and within 50 MB."""

import gzip
import json
import time
import tracemalloc
import urllib.error
import urllib.request
import zlib

import pytest

from moat.domain.errors import RequestError
from moat.gateway.bodies import MAX_WORK, check_work
from moat.gateway.format import read_object
from moat.testing.fakes import ListSpool
from moat.testing.scripted import ScriptedProvider
from tests.faults.endpoints import ENDPOINTS, Endpoint
from tests.faults.test_matrix import offered
from tests.gateway.conftest import SECRET, Start

LARGE = 24 * 2**20

BOMBS = {
    "100,000 lists deep": b'{"model": "assistant", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 objects deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a deep message": b'{"messages": [{"role": "user", "content": ' + b"[" * 100_000,
    "a huge integer": b'{"max_tokens": ' + b"9" * 2**20 + b"}",
    "a huge negative integer": b'{"max_tokens": -' + b"9" * 2**20 + b"}",
    "a huge exponent": b'{"temperature": 1e999999999}',
    "many lists without a comma": b'{"a": [' + b",".join([b"[[[[[[[[[[1]]]]]]]]]]"] * 300_000) + b"]}",
    "many objects": b'{"a": [' + b",".join([b'{"b": 1}'] * 500_000) + b"]}",
    "many strings": b'{"a": [' + b",".join([b'"b"'] * 2_000_000) + b"]}",
    "many strings that end in a backslash": b'{"a": [' + b",".join([rb'"\\"'] * 2_000_000) + b"]}",
    "many keys": b"{" + b",".join(b'"%d":1' % n for n in range(600_000)) + b"}",
    "many numbers": b'{"a": [' + b",".join([b"1"] * 4_000_000) + b"]}",
    "a string without an end": b'{"a": "' + b"[{," * 4_000_000,
    "quotation marks": b'"' * 16_000_000,
    "backslashes": b'{"a": "' + b"\\" * 16_000_001,
    "not JSON": b"<?xml version='1.0'?>" * 1000,
    "not UTF-8": b'{"model": "\xff\xfe"}',
    "UTF-16": '{"model": "assistant"}'.encode("utf-16"),
    "not a number": b'{"temperature": NaN}',
    "a list": b"[]",
    "nothing": b"",
}


def post(url: str, path: str, body: bytes, **headers: str) -> tuple[int, bytes, float]:
    """Status, body, and seconds."""
    request = urllib.request.Request(url + path, body, {"authorization": f"Bearer {SECRET}", **headers})
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read(), time.monotonic() - began
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), time.monotonic() - began


@pytest.fixture(params=offered(), ids=[endpoint.name for endpoint in offered()])
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    return request.param


@pytest.mark.promise("inj-6")
def test_bombs_are_refused_fast(start: Start, endpoint: Endpoint) -> None:
    running = start(ScriptedProvider(), max_body=LARGE)
    for name, body in BOMBS.items():
        tries = [post(running.url, endpoint.path, body, **{"content-type": "application/json"}) for _ in range(2)]
        assert {status for status, _, _ in tries} == {400}, name
        assert json.loads(tries[0][1])["error"]["message"], name
        assert min(seconds for _, _, seconds in tries) < 10, name
    assert running.spool.spans == ListSpool().spans
    assert running.provider.calls == []


@pytest.mark.promise("inj-6")
@pytest.mark.parametrize("depth", [101, 490, 600, 960])
def test_a_good_body_that_is_nested_too_deeply_is_refused_before_it_is_sent(
    start: Start, endpoint: Endpoint, depth: int
) -> None:
    running = start(ScriptedProvider())
    inside = json.dumps(endpoint.body("assistant", stream=False))[1:]
    body = b'{"metadata": ' + b'{"a":' * depth + b"1" + b"}" * depth + b", " + inside.encode()
    status, answer, _ = post(running.url, endpoint.path, body, **{"content-type": "application/json"})
    assert status == 400
    assert "nested deeper than 100 levels" in json.loads(answer)["error"]["message"]
    assert running.provider.calls == []


@pytest.mark.promise("inj-6")
def test_compressed_bodies_are_not_unpacked(start: Start, endpoint: Endpoint) -> None:
    running = start(ScriptedProvider())
    bomb = b"\0" * 2**26
    for coding, body in (
        ("gzip", gzip.compress(bomb)),
        ("deflate", zlib.compress(bomb)),
        ("br", b"\x00"),
        ("zstd", b""),
    ):
        status, answer, _ = post(running.url, endpoint.path, body, **{"content-encoding": coding})
        assert status == 415, coding
        assert json.loads(answer)["error"]["message"]


@pytest.mark.promise("inj-6")
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_take_little_memory(body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(RequestError):
            read_object(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 * 2**20


def test_what_stands_in_strings_does_not_count() -> None:
    rows = json.dumps([{"id": n, "tags": ["a", "b"]} for n in range(60_000)])
    table = "1,2,3,4\n" * 500_000
    for text in (rows, table, "\\" * 1_000_000, '"' * 1_000_000, "[{" * 1_000_000):
        body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
        assert len(body) * 12 > MAX_WORK
        assert read_object(body)["messages"][0]["content"] == text


def test_batches_of_embeddings_fit() -> None:
    tokens = json.dumps({"input": [list(range(1000))] * 300}).encode()
    check_work(tokens)
    texts = json.dumps({"input": ["a text, of many words"] * 100_000}).encode()
    check_work(texts)


def test_the_endpoints_are_known() -> None:
    assert set(offered()) <= set(ENDPOINTS)
