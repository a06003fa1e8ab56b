"""What every gateway is asked, and what it must answer: one plain and one streamed chat completion."""

import http.client
import json
from typing import Any

import msgspec

from bench.errors import Unavailable

CHUNKS = 50
STREAM_TEXT = "token " * (CHUNKS - 2)
PLAIN_TEXT = (
    "You can return the order within 14 days of delivery, unused and in its original box. "
    "Send it back with the label in the parcel, and the money is on your account within five working days."
)
_QUESTION = "I ordered a lamp last week and it does not fit my desk. How do I get my money back, and by when? " * 2
_SYSTEM = "You answer the questions of a shop's customers in two sentences, plainly, from the policy alone."


class Request(msgspec.Struct, frozen=True):
    """One HTTP POST."""

    path: str
    headers: dict[str, str]
    body: str


def chat(model: str, *, stream: bool = False, path: str = "/v1/chat/completions", **headers: str) -> Request:
    """A chat completion request of about 400 bytes. Underscores in header names stand for dashes."""
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": 300,
        "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _QUESTION}],
    }
    if stream:
        body["stream"] = True
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(path, {"content-type": "application/json", **named}, json.dumps(body))


def plain_answer() -> str:
    """The upstream's answer to a plain request, about 500 bytes of JSON."""
    message = {"role": "assistant", "content": PLAIN_TEXT}
    return json.dumps(
        {
            **_head("chat.completion"),
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": _USAGE,
        }
    )


def stream_answer() -> list[str]:
    """The upstream's answer to a streamed request: CHUNKS events (text, end, usage), then the end mark."""
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": "token "}]
    deltas += [{"content": "token "}] * (CHUNKS - 3)
    head = _head("chat.completion.chunk")
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append({**head, "choices": [], "usage": _USAGE})
    return [json.dumps(chunk, separators=(",", ":")) for chunk in chunks] + ["[DONE]"]


_USAGE = {"prompt_tokens": 71, "completion_tokens": 44, "total_tokens": 115}


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-bench", "object": kind, "created": 1767225600, "model": "bench"}


def ask(port: int, request: Request, seconds: float) -> tuple[int, str]:
    """Send one request to 127.0.0.1 and read the whole answer: status and body. Raises OSError, HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("POST", request.path, request.body, request.headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def check_plain(body: str) -> None:
    """Raise Unavailable unless `body` carries the upstream's text."""
    try:
        text = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        raise Unavailable(f"the plain answer is no chat completion: {body[:120]}") from None
    if text != PLAIN_TEXT:
        raise Unavailable(f"the plain answer is not the upstream's: {text[:120]}")


def check_stream(body: str) -> None:
    """Raise Unavailable unless `body` is a whole event stream that carries the upstream's text."""
    events = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: ")]
    if not events or events[-1] != "[DONE]":
        raise Unavailable(f"the stream has no end mark: {body[-120:]}")
    try:
        choices = [choice for event in events[:-1] for choice in json.loads(event)["choices"]]
        text = "".join(choice["delta"].get("content") or "" for choice in choices)
    except (ValueError, LookupError, TypeError):
        raise Unavailable(f"the stream's events are no chat completion chunks: {events[0][:120]}") from None
    if text != STREAM_TEXT:
        raise Unavailable(f"the stream lost or changed text: {len(text)} of {len(STREAM_TEXT)} characters")
