"""A server on this machine with Anthropic's Message Batches, written after its public documentation."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from moat.testing.loopback import on_loopback
from tests.providers.anthropic_server import Refusal, check, error_of

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")


@dataclass
class AnthropicBatchPeer:
    """Runs a batch when it is looked at for the `looks`-th time. What a line asks says what becomes of it."""

    looks: int = 2
    broken: list[int] = field(default_factory=list)
    """Statuses that the next requests get instead of an answer."""
    expire: bool = False
    """Batches end because their time is over: half of the lines are run."""
    lose_answer: bool = False
    """The next batch is made, and its maker does not hear of it."""
    keep_answer: bool = False
    """Likewise, and the maker waits."""
    results_at: str = ""
    """Said to be the place of results, instead of the server's own address."""
    page: int = 100
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    url: str = ""

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its base URL."""
        with on_loopback(self) as self.url:
            yield self.url

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append(f"{scope['method']} {scope['path']}")
        self.heads.append(headers)
        status, answer = 200, b""
        if self.broken:
            status, answer = self.broken.pop(0), json.dumps(error_of("api_error", "broken for a test")).encode()
        else:
            try:
                query = dict(pair.split("=") for pair in scope["query_string"].decode().split("&") if pair)
                found = self.answer(scope["method"], scope["path"].removeprefix("/v1/messages/"), body, headers, query)
                answer = found if isinstance(found, bytes) else json.dumps(found).encode()
            except Refusal as error:
                status, answer = 400, json.dumps(error_of("invalid_request_error", str(error))).encode()
            if self.lose_answer and scope["path"] == "/v1/messages/batches" and scope["method"] == "POST":
                self.lose_answer, status = False, 500
            while self.keep_answer and scope["path"] == "/v1/messages/batches":
                if (await receive())["type"] == "http.disconnect":
                    return
        start = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": status, "headers": start})
        await send({"type": "http.response.body", "body": answer})

    def answer(self, method: str, path: str, body: bytes, headers: dict[str, str], query: dict[str, str]) -> Any:
        assert headers.get("x-api-key", headers.get("authorization", "").removeprefix("Bearer ")) == "sk-ant-test"
        match (method, *path.split("/")):
            case ("POST", "batches"):
                return self.make(json.loads(body), headers)
            case ("GET", "batches"):
                return self.listed(query)
            case ("GET", "batches", id):
                return self.look(id)
            case ("GET", "batches", id, "results"):
                return b"".join(json.dumps(each).encode() + b"\n" for each in self.results[id])
            case ("POST", "batches", id, "cancel"):
                return self.cancel(id)
        raise AssertionError((method, path))

    def make(self, order: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        requests = order["requests"]
        names = [each["custom_id"] for each in requests]
        if order.keys() != {"requests"} or len(set(names)) != len(names) or not all(map(NAME.fullmatch, names)):
            raise Refusal("requests: custom_id should match pattern '^[a-zA-Z0-9_-]{1,64}$' and be unique")
        for each in requests:
            check(each["params"], headers)
            assert "stream" not in each["params"]
        return self.add(requests)

    def add(self, requests: list[dict[str, Any]]) -> dict[str, Any]:
        """A new batch, of whomever."""
        id, now = f"msgbatch_{len(self.batches):024d}", datetime.now(UTC)
        self.requests[id] = requests
        self.batches[id] = {
            "id": id,
            "type": "message_batch",
            "processing_status": "in_progress",
            "request_counts": dict.fromkeys(COUNTS, 0) | {"processing": len(requests)},
            "ended_at": None,
            "created_at": now.isoformat().replace("+00:00", "Z"),
            "expires_at": (now + timedelta(days=1)).isoformat().replace("+00:00", "Z"),
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": None,
        }
        return self.batches[id]

    def listed(self, query: dict[str, str]) -> dict[str, Any]:
        data = list(reversed(self.batches.values()))
        after = query.get("after_id")
        start = next((at + 1 for at, each in enumerate(data) if each["id"] == after), 0)
        page = data[start : start + self.page]
        return {"data": page, "has_more": start + self.page < len(data), "first_id": None, "last_id": None}

    def look(self, id: str) -> dict[str, Any]:
        batch = self.batches[id]
        self.seen[id] += 1
        if batch["processing_status"] != "ended" and self.seen[id] >= self.looks:
            self.run(id)
        return batch

    def cancel(self, id: str) -> dict[str, Any]:
        batch = self.batches[id]
        if batch["processing_status"] == "ended":
            raise Refusal("Batch has already ended")
        batch |= {"processing_status": "canceling", "cancel_initiated_at": datetime.now(UTC).isoformat()}
        return batch

    def run(self, id: str) -> None:
        """To its end, as it is now."""
        batch = self.batches[id]
        results = []
        for number, asked in enumerate(self.requests[id]):
            stopped = "canceled" if batch["cancel_initiated_at"] else "expired" if self.expire else ""
            result = {"type": stopped} if stopped and number % 2 else outcome(asked["params"])
            results.append({"custom_id": asked["custom_id"], "result": result})
        counted = Counter(each["result"]["type"] for each in results)
        batch["request_counts"] = {name: counted[name] for name in COUNTS}
        batch["processing_status"] = "ended"
        batch["ended_at"] = datetime.now(UTC).isoformat()
        batch["results_url"] = f"{self.results_at or self.url}/v1/messages/batches/{id}/results"
        self.results[id] = results[::-1]


def outcome(params: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a request."""
    content = params["messages"][-1]["content"]
    text = content if isinstance(content, str) else content[-1]["text"]
    if text.startswith("fail"):
        return {"type": "errored", "error": error_of("invalid_request_error", "no such thing")}
    if text.startswith("busy"):
        return {"type": "errored", "error": error_of("overloaded_error", "Overloaded")}
    if text.startswith("late"):
        return {"type": "expired"}
    return {"type": "succeeded", "message": message(f"echo {text}", params)}


def message(text: str, params: dict[str, Any]) -> dict[str, Any]:
    """An answer, as results of batches hold it."""
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if params.get("tool_choice", {}).get("type") == "tool":
        content = [
            {"type": "tool_use", "id": "toolu_1", "name": params["tool_choice"]["name"], "input": {"said": text}}
        ]
    return {
        "id": "msg_014VwiXbi91y3JMjcpyGBHX5",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": content,
        "stop_reason": "tool_use" if content[0]["type"] == "tool_use" else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 6,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 1,
            "output_tokens": 5,
            "service_tier": "batch",
        },
    }
