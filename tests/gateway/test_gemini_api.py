"""Google's API of the gateway, byte by byte: paths, keys, framing, and errors before any model is asked."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from moat.domain.calls import Delta, Event, Finished
from moat.domain.errors import ProviderDown
from moat.domain.keys import Key
from moat.domain.usage import Usage
from moat.testing.scripted import ScriptedProvider, says
from tests.gateway.conftest import SECRET, Running, Start

ASKED = {"contents": [{"parts": [{"text": "Hi"}]}]}


def ask(
    gateway: Running, target: str, body: Any = None, key: str | None = SECRET, method: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """One request as it stands; with a body it is a POST."""
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=20)
    try:
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"x-goog-api-key": key} if key else {}
        connection.request(method or ("GET" if body is None else "POST"), target, sent, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_a_stream_is_an_array_unless_events_are_asked_for(start: Start) -> None:
    gateway = start(ScriptedProvider("Hello there"))
    for path in ("/v1beta/models/assistant", "/v1/models/assistant"):
        status, headers, body = ask(gateway, f"{path}:streamGenerateContent", ASKED)
        assert (status, headers["content-type"]) == (200, "application/json")
        pieces = json.loads(body)
        status, headers, body = ask(gateway, f"{path}:streamGenerateContent?alt=sse", ASKED)
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        events = [json.loads(event[6:]) for event in body.split(b"\r\n\r\n") if event]
        for answer in (pieces, events):
            texts = [part["text"] for one in answer for part in one["candidates"][0]["content"]["parts"]]
            assert texts == ["Hello ", "there"]
            assert [one["candidates"][0].get("finishReason") for one in answer] == [None, None, "STOP"]
            assert answer[-1]["usageMetadata"] == {
                "promptTokenCount": 10,
                "candidatesTokenCount": 5,
                "totalTokenCount": 15,
            }


@pytest.mark.promise("up-2")
def test_a_stream_that_breaks_off_has_no_end(start: Start) -> None:
    gateway = start(ScriptedProvider([Delta(text="Hel"), ProviderDown("gone")]))
    _, _, events = ask(gateway, "/v1beta/models/assistant:streamGenerateContent?alt=sse", ASKED)
    _, _, array = ask(gateway, "/v1beta/models/assistant:streamGenerateContent", ASKED)
    assert b"finishReason" not in events + array
    assert json.loads(events.split(b"data: ")[-1])["error"]["code"] == 502
    with pytest.raises(json.JSONDecodeError):
        json.loads(array)


def test_the_last_piece_goes_out_only_when_the_call_is_recorded(start: Start) -> None:
    raw = b'data: {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}\r\n\r\n'
    gateway = start(ScriptedProvider([Delta(text="Hi", raw=raw), Finished(reason="stop", usage=Usage(input=1))]))
    gateway.spool.full = True
    _, _, body = ask(gateway, "/v1beta/models/assistant:streamGenerateContent?alt=sse", ASKED)
    assert b"finishReason" not in body
    assert b"storage_unavailable" in body


def test_keys_in_the_query(start: Start) -> None:
    provider = ScriptedProvider("Hello")
    gateway = start(provider)
    target = f"/v1beta/models/assistant:generateContent?key={SECRET}"
    assert ask(gateway, target, ASKED, key=None)[0] == 200
    status, _, body = ask(gateway, f"/v1/models?key={SECRET}", key=None)
    assert (status, json.loads(body)["models"][0]["name"]) == (200, "models/assistant")
    for wrong in ("/v1beta/models/assistant:generateContent?key=mk-no", "/v1beta/models/assistant:generateContent"):
        status, _, body = ask(gateway, wrong, ASKED, key=None)
        assert (status, json.loads(body)["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert len(provider.calls) == 1


def test_names_with_slashes_and_escapes(start: Start) -> None:
    gateway = start(ScriptedProvider("Hello"))
    for name in ("prompt:support/answer@1.2.0", "prompt%3Asupport%2Fanswer%401.2.0"):
        status, _, body = ask(gateway, f"/v1beta/models/{name}:generateContent", ASKED)
        error = json.loads(body)["error"]
        assert (status, error["status"]) == (404, "NOT_FOUND")
        assert "support/answer@1.2.0" in error["message"]


REFUSED: list[tuple[str, Any, int, str]] = [
    ("/v1beta/models/assistant:predict", ASKED, 404, "predict"),
    ("/v1beta/models/assistant", ASKED, 404, "assistant"),
    ("/v1beta/models/", ASKED, 404, "method"),
    ("/v1beta/models/:generateContent", ASKED, 400, "model"),
    ("/v1beta/models/nothing:generateContent", ASKED, 404, "nothing"),
    ("/v1beta/models/nothing", None, 404, "nothing"),
    ("/v1beta/nothing", None, 404, "/v1beta/nothing"),
    ("/v1beta/models/assistant:generateContent", b"{", 400, "JSON"),
    ("/v1beta/models/assistant:generateContent", [], 400, "object"),
    ("/v1beta/models/assistant:generateContent", b"x" * 2_000_000, 413, "MiB"),
    ("/v1beta/models/assistant:streamGenerateContent?alt=media", ASKED, 400, "alt"),
    ("/v1beta/models/assistant:generateContent?" + "a=1&" * 30, ASKED, 400, "fields"),
    ("/v1beta/models/assistant:countTokens", {"generateContentRequest": 3}, 400, "generateContentRequest"),
    ("/v1beta/models/assistant:embedContent", {"content": {"parts": [{"inlineData": {}}]}}, 400, "content"),
    ("/v1beta/models/assistant:embedContent", {"content": {"parts": 3}}, 400, "content"),
    ("/v1beta/models/assistant:batchEmbedContents", {"requests": []}, 400, "requests"),
    (
        "/v1beta/models/assistant:batchEmbedContents",
        {"requests": [{"content": "a"}, {"content": "b", "taskType": "X"}]},
        400,
        "requests",
    ),
    ("/v1beta/models/prompt:a:embedContent", {"content": "a"}, 400, "model"),
]


def test_errors_are_in_googles_shape(start: Start) -> None:
    provider = ScriptedProvider()
    gateway = start(provider)
    for target, body, status, where in REFUSED:
        got, headers, sent = ask(gateway, target, body)
        error = json.loads(sent)["error"]
        assert (got, error["code"]) == (status, status), target
        assert where in error["message"]
        assert error["details"][0]["domain"] == "moat"
        assert headers["x-request-id"].startswith("req_")
    assert provider.calls == []


def test_other_clients_get_the_list_of_models_as_before(start: Start) -> None:
    gateway = start(ScriptedProvider())
    assert [model.id for model in gateway.client().models.list()] == ["assistant", "spare"]
    assert gateway.client().models.retrieve("spare").id == "spare"


def test_a_key_sees_only_its_models(start: Start) -> None:
    key = Key(id="key_1", hash="", tenant="acme", models=("spare",))
    gateway = start(ScriptedProvider(), keys={SECRET: key})
    _, _, body = ask(gateway, "/v1beta/models")
    assert [model["name"] for model in json.loads(body)["models"]] == ["models/spare"]
    status, _, body = ask(gateway, "/v1beta/models/assistant:generateContent", ASKED)
    assert (status, json.loads(body)["error"]["status"]) == (403, "PERMISSION_DENIED")


def test_tokens_of_a_whole_request_are_counted(start: Start) -> None:
    gateway = start(ScriptedProvider())
    whole = {"generateContentRequest": {"model": "models/assistant", **ASKED}}
    for body in (ASKED, whole):
        status, headers, sent = ask(gateway, "/v1beta/models/assistant:countTokens", body)
        assert (status, headers["x-moat-estimated"], json.loads(sent)) == (200, "true", {"totalTokens": 1})


def test_embeddings_of_one_text(start: Start) -> None:
    raw = json.dumps({"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 2}}).encode()
    good: list[Event] = [Delta(raw=raw), Finished(reason="stop", usage=Usage(input=2))]
    bad: list[Event] = [Delta(raw=b'{"data": 3}'), Finished(reason="stop")]
    provider = ScriptedProvider(good, good, bad)
    gateway = start(provider)
    one = {"content": {"parts": [{"text": "a"}, {"text": "b"}]}, "output_dimensionality": 8}
    nested = {"content": "ab", "embedContentConfig": {"outputDimensionality": 8}}
    for body in (one, nested):
        status, _, sent = ask(gateway, "/v1beta/models/assistant:embedContent", body)
        assert status == 200
        assert json.loads(sent) == {
            "embedding": {"values": [0.5]},
            "usageMetadata": {"promptTokenCount": 2, "totalTokenCount": 2},
        }
        assert provider.calls[-1].params == {"input": ["ab"], "dimensions": 8}
    assert ask(gateway, "/v1beta/models/assistant:embedContent", one)[0] == 502


def test_facts_about_the_answer_are_in_its_headers(start: Start) -> None:
    gateway = start(ScriptedProvider(says("Hello")))
    _, headers, _ = ask(gateway, "/v1beta/models/assistant:generateContent", ASKED)
    assert headers["x-moat-deployment"] == "fake/large"
    assert gateway.spool.calls[0].request_id == headers["x-request-id"]
