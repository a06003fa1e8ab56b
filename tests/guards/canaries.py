"""Data that may be kept nowhere, and a provider that repeats all it hears."""

import json
import random
import string
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_UPPER, _ALNUM = string.ascii_uppercase + string.digits, string.ascii_letters + string.digits


def luhn(digits: str) -> str:
    """The digits with their check digit."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if index % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


def iban(country: str, account: str) -> str:
    """ISO 13616."""
    number = int("".join(str(int(sign, 36)) for sign in account + country + "00"))
    return f"{country}{98 - number % 97:02d}{account}"


def canaries(count: int, seed: int) -> Iterator[str]:
    """Values of every structured kind, in turn; none of them occurs twice."""
    random_ = random.Random(seed)

    def some(alphabet: str, length: int) -> str:
        return "".join(random_.choice(alphabet) for _ in range(length))

    digits = string.digits
    makers = (
        lambda: (
            f"{some(string.ascii_lowercase, 7)}.{some(string.ascii_lowercase, 8)}@{some(string.ascii_lowercase, 6)}.org"
        ),
        lambda: luhn("4" + some("123456789", 1) + some(digits, 13)),
        lambda: iban("DE", some(digits, 18)),
        lambda: f"+49 30 {some('23456789', 1)}{some(digits, 7)}",
        lambda: f"AKIA{some(_UPPER[:26] + '234567', 16)}",
        lambda: f"ghp_{some(_ALNUM, 36)}",
        lambda: f"xoxb-{some(digits, 12)}-{some(digits, 12)}-{some(_ALNUM, 24)}",
        lambda: f"sk_live_{some(_ALNUM, 24)}",
        lambda: f"glpat-{some(_ALNUM, 20)}",
        lambda: ".".join(str(random_.randrange(11, 200)) for _ in range(4)),
    )
    for number in range(count):
        yield makers[number % len(makers)]()


class Parrot:
    """An OpenAI-compatible provider: `parrot` answers with what it was asked and a value of its own, `caller` with a
    tool call that holds both, `angry` with an error that quotes the request, `moody` first with that, then as `parrot`,
    `down` with status 500, `slow` after a second.
    """

    def __init__(self, own: Iterator[str]) -> None:
        self._own = own
        self._seen: set[bytes] = set()
        self.asked: list[str] = []
        parrot = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                parrot.asked.append(f"{self.path} {dict(self.headers)} {body.decode()}")
                status, kind, answer = parrot.answer(self.path, body)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @contextmanager
    def running(self) -> Iterator["Parrot"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, type and body."""
        if path.endswith("/transcriptions"):
            text = f"It says {next(self._own)} ."
            return 200, "application/json", json.dumps({"text": text, "segments": [{"text": text}]}).encode()
        asked = json.loads(body)
        model = asked["model"]
        if model == "slow":
            time.sleep(1.0)
        if model in ("angry", "down") or (model == "moody" and body not in self._seen):
            self._seen.add(body)
            text = f"cannot read {body.decode()}, nor {body.decode()[:-30]}"
            status = 400 if model == "angry" else 500
            return status, "application/json", json.dumps({"error": {"message": text, "type": "no"}}).encode()
        if path.endswith("/embeddings"):
            data = {"data": [{"index": 0, "embedding": [0.1, 0.2]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}
            return 200, "application/json", json.dumps(data).encode()
        if "messages" not in asked:
            return self._other(path, asked)
        said = asked["messages"][-1].get("content")
        text = f"You said: {said if isinstance(said, str) else json.dumps(said)}. And I say: {next(self._own)} ."
        call = {"id": "c1", "type": "function", "function": {"name": "save", "arguments": json.dumps({"what": text})}}
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if model == "caller":
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        if asked.get("stream"):
            return 200, "text/event-stream", b"".join(_events(message, text, call))
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        return 200, "application/json", json.dumps({"model": model, "choices": [choice], "usage": usage}).encode()

    def _other(self, path: str, asked: dict[str, Any]) -> tuple[int, str, bytes]:
        said = f"{asked.get('prompt') or asked.get('input')} And I say: {next(self._own)} ."
        choice = {"index": 0, "text": said, "logprobs": {"tokens": said.split(" ")}, "finish_reason": "stop"}
        answer = {
            "completions": {"choices": [choice]},
            "moderations": {"results": [{"flagged": False, "categories": {}, "category_scores": {}}]},
            "rerank": {
                "results": [{"index": 0, "document": {"text": document}} for document in asked.get("documents", ())]
            },
            "generations": {"data": [{"b64_json": "AAAA", "revised_prompt": said}]},
        }[path.rsplit("/", 1)[1]]
        if asked.get("stream"):
            return 200, "text/event-stream", b"data: " + json.dumps(answer).encode() + b"\n\ndata: [DONE]\n\n"
        return 200, "application/json", json.dumps(answer).encode()


def _events(message: dict[str, Any], text: str, call: dict[str, Any]) -> Iterator[bytes]:
    def event(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return b"data: " + json.dumps({"id": "x", "model": "m", "choices": [choice]}).encode() + b"\n\n"

    pieces = call["function"]["arguments"] if message["content"] is None else text
    for at in range(0, len(pieces), 7):
        piece = pieces[at : at + 7]
        if message["content"] is None:
            yield event(
                {
                    "tool_calls": [
                        {"index": 0, **call, "function": {"name": "save" if not at else "", "arguments": piece}}
                    ]
                }
            )
        else:
            yield event({"content": piece})
    yield event({}, "stop")
    yield b"data: [DONE]\n\n"
