"""A server on this machine that answers like OpenAI, from fixed bodies written after its public documentation."""

import base64
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moat.testing.loopback import on_loopback

CHAT_USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 0},
}
WAVE = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 64


@dataclass
class Asked:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What the server says: a body, or events one by one."""

    body: Any = b""
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def pieces(self) -> list[bytes]:
        if isinstance(self.body, list):
            return self.body
        return [self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()]


class OpenAIPeer:
    """Raw ASGI. `answers` by path: one for all requests, or a list in turn, the last one for the rest."""

    def __init__(self, **answers: Answer | list[Answer]) -> None:
        self.asked: list[Asked] = []
        self.answers = {f"/v1/{name.replace('__', '/')}": answer for name, answer in answers.items()}
        self._counts: dict[str, int] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append(Asked(scope["path"], headers, body))
        answer = self._next(scope["path"])
        said = {"content-type": answer.kind, "connection": "close", **answer.headers}
        start = [(name.encode(), value.encode()) for name, value in said.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": start})
        for piece in answer.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its base URL."""
        with on_loopback(self) as url:
            yield f"{url}/v1"

    def _next(self, path: str) -> Answer:
        found = self.answers.get(path, Answer({"error": {"message": f"no such path: {path}"}}, 404))
        if isinstance(found, Answer):
            return found
        self._counts[path] = self._counts.get(path, 0) + 1
        return found[min(self._counts[path], len(found)) - 1]


def events(*bodies: Any, done: bool = True, named: bool = False) -> Answer:
    """A stream of server-sent events; `named`: with the type of each in `event`."""
    lines = [f"event: {body['type']}\n".encode() if named else b"" for body in bodies]
    pieces = [line + f"data: {json.dumps(body)}\n\n".encode() for line, body in zip(lines, bodies, strict=True)]
    return Answer([*pieces, *([b"data: [DONE]\n\n"] if done else [])], kind="text/event-stream")


def chat(content: str | None = "Hello there", reason: str = "stop", **message: Any) -> Answer:
    """A chat completion."""
    said = {"role": "assistant", "content": content, "refusal": None, **message}
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": reason}
    return Answer({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": CHAT_USAGE})


def chat_stream(*deltas: dict[str, Any], reason: str = "stop", done: bool = True) -> Answer:
    """The same piece by piece, with the usage at the end."""
    chunks: list[Any] = [_chunk({"delta": delta, "finish_reason": None}) for delta in deltas]
    if done:
        chunks += [_chunk({"delta": {}, "finish_reason": reason}), {**_chunk(), "usage": CHAT_USAGE}]
    return events(*chunks, done=done)


_HEAD: dict[str, Any] = {"id": "chatcmpl-1", "created": 1700000000, "model": "gpt-peer-2026"}


def _chunk(*choices: dict[str, Any]) -> dict[str, Any]:
    listed = [{"index": 0, "logprobs": None, **choice} for choice in choices]
    return {**_HEAD, "object": "chat.completion.chunk", "choices": listed}


def embeddings(vectors: list[list[float]], encoding: str = "base64") -> Answer:
    """As the official SDK asks for them: base64 of little-endian floats."""
    coded = [
        base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if encoding == "base64" else vector
        for vector in vectors
    ]
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(coded)]
    return Answer({"object": "list", "data": data, "model": "peer", "usage": {"prompt_tokens": 8, "total_tokens": 8}})
