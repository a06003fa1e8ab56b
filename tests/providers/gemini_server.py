"""A server on a real socket that speaks the Gemini API as its documentation and Google's SDK have it.

It checks what it is sent against the SDK's types, which forbid members they do not know, and answers from a script.
"""

import asyncio
import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.genai import types

from moat.testing.loopback import on_loopback

FIXTURES = Path(__file__).parent / "fixtures" / "gemini"
KEY = "AIza-test-key"


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


@dataclass
class Asked:
    """One request as it came."""

    path: str
    query: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Reply:
    """What to answer: an object, a list of them as a stream of events, or bytes as they are."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class GeminiServer:
    """Answers request after request from its script; the last entry answers all further ones."""

    def __init__(self, *script: Any) -> None:
        self.script: list[Any] = list(script)
        self.asked: list[Asked] = []
        self.url = ""
        self.delay = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        asked = Asked(scope["path"], scope["query_string"].decode(), headers, json.loads(body or b"{}"))
        self.asked.append(asked)
        reply = self._reply(asked)
        await asyncio.sleep(self.delay)
        kind, sent = _bytes(reply.body)
        head = {"content-type": kind, "connection": "close", **reply.headers}
        pairs = [(name.encode(), value.encode()) for name, value in head.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
        for piece in sent:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _reply(self, asked: Asked) -> Reply:
        if asked.headers.get("x-goog-api-key") != KEY and "authorization" not in asked.headers:
            return Reply(json.loads(fixture("error_key.json")), status=400)
        if "enerateContent" in asked.path:
            check_request(asked.body)
        entry = self.script[min(len(self.asked), len(self.script)) - 1]
        entry = entry(asked) if callable(entry) else entry
        return entry if isinstance(entry, Reply) else Reply(entry)


def _bytes(body: Any) -> tuple[str, Sequence[bytes]]:
    if isinstance(body, bytes):
        return ("text/event-stream" if body.startswith(b"data:") else "application/json; charset=UTF-8"), [body]
    if isinstance(body, list):
        return "text/event-stream", [b"data: " + json.dumps(piece).encode() + b"\r\n\r\n" for piece in body]
    return "application/json; charset=UTF-8", [json.dumps(body, indent=1).encode()]


def check_request(body: dict[str, Any]) -> None:
    """Raise for a body that Google would refuse: unknown members, turns without parts or out of turn."""
    rest = dict(body)
    contents = [types.Content.model_validate(content) for content in rest.pop("contents")]
    roles = [content.role for content in contents]
    assert all(content.parts for content in contents), "a content has no parts"
    assert all(a != b for a, b in itertools.pairwise(roles)), f"turns do not alternate: {roles}"
    assert set(roles) <= {"user", "model"}, roles
    for content in contents:
        for part in content.parts or ():
            assert part.text != "", "an empty text"
    types.Content.model_validate(rest.pop("systemInstruction", {}))
    config = rest.pop("generationConfig", {})
    assert config != {} or "generationConfig" not in body, "an empty object says nothing"
    types.GenerationConfig.model_validate(config)
    for tool in rest.pop("tools", []):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(rest.pop("toolConfig", {}))
    for setting in rest.pop("safetySettings", []):
        types.SafetySetting.model_validate(setting)
    assert rest.keys() <= {"cachedContent", "serviceTier", "labels", "store", "continuationToken"}, rest.keys()


@contextmanager
def gemini_server(*script: Any) -> Iterator[GeminiServer]:
    """Serve a script."""
    server = GeminiServer(*script)
    with on_loopback(server) as url:
        server.url = url
        yield server


def says(*parts: Any, reason: str | None = "STOP", **more: Any) -> dict[str, Any]:
    """A response with these parts; a text is a part with that text."""
    made = [{"text": part} if isinstance(part, str) else part for part in parts]
    candidate: dict[str, Any] = {"content": {"parts": made, "role": "model"}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    usage = {"promptTokenCount": 8, "candidatesTokenCount": 3, "totalTokenCount": 11}
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
        **more,
    }
