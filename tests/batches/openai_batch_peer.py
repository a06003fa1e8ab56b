"""A server on this machine with OpenAI's files and batches, written after its public documentation."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moat.documents.multipart import read_form, text_fields
from moat.testing.loopback import on_loopback


@dataclass
class BatchPeer:
    """Runs a batch when it is looked at for the `looks`-th time. What a line asks says what becomes of it."""

    looks: int = 2
    broken: list[int] = field(default_factory=list)
    """Statuses that the next requests get instead of an answer."""
    final: str = "completed"
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    lose_answer: bool = False
    """The next batch is made, and its maker does not hear of it."""

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its base URL."""
        with on_loopback(self) as url:
            yield f"{url}/v1"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append(f"{scope['method']} {scope['path']}")
        status, answer = 200, b""
        if self.broken:
            status, answer = self.broken.pop(0), b'{"error": {"message": "broken for a test"}}'
        else:
            found = self.answer(scope["method"], scope["path"].removeprefix("/v1"), body, headers)
            answer = found if isinstance(found, bytes) else json.dumps(found, indent=2).encode()
            if self.lose_answer and scope["path"] == "/v1/batches" and scope["method"] == "POST":
                self.lose_answer, status = False, 500
        start = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": status, "headers": start})
        await send({"type": "http.response.body", "body": answer})

    def answer(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
        match (method, *path.strip("/").split("/")):
            case ("POST", "files"):
                fields = read_form(body, headers["content-type"])
                assert text_fields(body, fields, longest=100) == {"purpose": "batch"}
                file = next(each for each in fields if each.is_file)
                return {"id": self.keep(body[file.start : file.stop])}
            case ("GET", "files", id, "content"):
                return self.files[id]
            case ("POST", "batches"):
                order = json.loads(body)
                id = f"batch_{len(self.batches)}"
                self.batches[id] = {**order, "id": id, "status": "validating"}
                return self.batches[id]
            case ("GET", "batches"):
                return {"object": "list", "data": list(self.batches.values())}
            case ("GET", "batches", id):
                return self.look(id)
            case ("POST", "batches", id, "cancel"):
                self.batches[id] |= {"status": "cancelling"}
                self.final = "cancelled"
                return self.batches[id]
        raise AssertionError((method, path))

    def keep(self, data: bytes) -> str:
        id = f"file-{len(self.files)}"
        self.files[id] = data
        return id

    def look(self, id: str) -> dict[str, Any]:
        batch = self.batches[id]
        self.seen[id] = self.seen.get(id, 0) + 1
        if batch["status"] not in ("validating", "in_progress", "cancelling"):
            return batch
        if self.seen[id] >= self.looks:
            self.run(batch)
        elif batch["status"] == "validating":
            batch["status"] = "in_progress"
        return batch

    def run(self, batch: dict[str, Any]) -> None:
        batch["status"] = self.final
        if self.final == "failed":
            batch["errors"] = {"data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]}
            return
        answered, failed = [], []
        for raw in reversed(self.files[batch["input_file_id"]].splitlines()):
            asked = json.loads(raw)
            assert asked["url"] == batch["endpoint"] == "/v1/chat/completions"
            assert asked["body"]["model"] == "large"
            said = asked["body"]["messages"][-1]["content"]
            result: dict[str, Any] = {"id": "r", "custom_id": asked["custom_id"], "response": None, "error": None}
            if said.startswith("late"):
                result["error"] = {"code": "batch_expired", "message": "too late"}
                failed.append(result)
            elif said.startswith("fail"):
                error = {"error": {"message": "no such thing", "code": "x"}}
                result["response"] = {"status_code": 400, "request_id": "up", "body": error}
                failed.append(result)
            else:
                result["response"] = {"status_code": 200, "request_id": "up", "body": completion(f"echo {said}")}
                answered.append(result)
        for name, lines in (("output_file_id", answered), ("error_file_id", failed)):
            if lines:
                batch[name] = self.keep("\n".join(json.dumps(each) for each in lines).encode())


def completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "large-2025",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
