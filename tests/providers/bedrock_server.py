"""A server on this machine that answers as Bedrock does, and takes only requests that AWS's own library finds valid."""

from typing import Any
from urllib.parse import unquote

import botocore.session
import msgspec
from botocore.validate import ParamValidator

from tests.providers.eventstreams import encode

TEXT: list[dict[str, Any]] = [{"text": "Hello there"}]
TOOLS: list[dict[str, Any]] = [
    {"text": "Let me look."},
    {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "Bern"}}},
    {"toolUse": {"toolUseId": "tooluse_2", "name": "get_weather", "input": {"city": "Rome"}}},
]
THINKING: list[dict[str, Any]] = [
    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
    {"text": "Hello there"},
]
USAGE = {"inputTokens": 7, "outputTokens": 3, "totalTokens": 15, "cacheReadInputTokens": 5}


class BedrockServer:
    """Raw ASGI. `blocks` are the answer of every request, or `error` (status, exception, message) is."""

    def __init__(self, blocks: list[dict[str, Any]] = TEXT, error: tuple[int, str, str] | None = None) -> None:
        self.blocks = blocks
        self.error = error
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        _, _, model, method = unquote(scope["raw_path"].decode()).split("/")
        sent = msgspec.json.decode(body)
        self.asked.append((model, sent))
        if method.startswith("converse"):
            validate({"modelId": model, **sent})
        headers = dict(scope["headers"])
        assert headers[b"authorization"].startswith(b"AWS4-HMAC-SHA256 Credential=AKID/")
        if self.error is not None:
            status, name, words = self.error
            await answer(send, status, msgspec.json.encode({"message": words}), [(b"x-amzn-errortype", name.encode())])
        elif method == "converse":
            await answer(send, 200, self._whole(), [(b"content-type", b"application/json")])
        elif method == "converse-stream":
            await answer(send, 200, self._stream(), [(b"content-type", b"application/vnd.amazon.eventstream")])
        else:
            vectors = {"embeddings": {"float": [[0.5, 0.25] for _ in sent["texts"]]}}
            counted = [(b"x-amzn-bedrock-input-token-count", b"6")]
            await answer(send, 200, msgspec.json.encode(vectors), counted)

    @property
    def _reason(self) -> str:
        return "tool_use" if any("toolUse" in block for block in self.blocks) else "end_turn"

    def _whole(self) -> bytes:
        message = {"role": "assistant", "content": self.blocks}
        return msgspec.json.encode({"output": {"message": message}, "stopReason": self._reason, "usage": USAGE})

    def _stream(self) -> bytes:
        events = [("messageStart", {"role": "assistant"})]
        for index, block in enumerate(self.blocks):
            events += [(kind, {**payload, "contentBlockIndex": index}) for kind, payload in pieces(block)]
        events += [("messageStop", {"stopReason": self._reason}), ("metadata", {"usage": USAGE, "metrics": {}})]
        return b"".join(
            encode({":message-type": "event", ":event-type": kind}, msgspec.json.encode(payload))
            for kind, payload in events
        )


def pieces(block: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The events of one content block."""
    found: list[tuple[str, dict[str, Any]]] = []
    if "text" in block:
        half = len(block["text"]) // 2
        found = [
            ("contentBlockDelta", {"delta": {"text": part}}) for part in (block["text"][:half], block["text"][half:])
        ]
    elif "toolUse" in block:
        use = block["toolUse"]
        text = msgspec.json.encode(use["input"]).decode()
        start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
        found = [("contentBlockStart", {"start": start})]
        found += [("contentBlockDelta", {"delta": {"toolUse": {"input": part}}}) for part in (text[:4], text[4:])]
    else:
        reasoning = block["reasoningContent"]["reasoningText"]
        found = [
            ("contentBlockDelta", {"delta": {"reasoningContent": {name: reasoning[name]}}})
            for name in ("text", "signature")
        ]
    return [*found, ("contentBlockStop", {})]


async def answer(send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """One response."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def validate(request: dict[str, Any]) -> None:
    """Against AWS's own description of a Converse request."""
    shape = botocore.session.get_session().get_service_model("bedrock-runtime").shape_for("ConverseRequest")
    report = ParamValidator().validate(with_blobs(request), shape)
    assert not report.has_errors(), report.generate_report()


def with_blobs(value: Any) -> Any:
    """What is base64 on the wire is bytes to botocore."""
    if isinstance(value, dict):
        return {
            key: each.encode() if key in ("bytes", "redactedContent") and isinstance(each, str) else with_blobs(each)
            for key, each in value.items()
        }
    return [with_blobs(each) for each in value] if isinstance(value, list) else value
