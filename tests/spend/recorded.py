"""Answers as providers give them, with the usage that a test states, and a server that gives them."""

import json
from typing import Any


def openai(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
        **more,
    }


def openai_stream(usage: dict[str, Any], **every: Any) -> list[Any]:
    """`every`: members of each chunk."""

    def chunk(choices: list[Any], **more: Any) -> dict[str, Any]:
        said = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return {**said, "choices": choices, **every, **more}

    text = chunk([{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}], usage=None)
    end = chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=None)
    return [text, end, chunk([], usage=usage), "[DONE]"]


def anthropic(usage: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "text", "text": "Hi"}]
    said = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content}
    return {**said, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}


def anthropic_stream(begun: dict[str, Any], done: dict[str, Any]) -> list[Any]:
    start = {**anthropic(begun), "content": [], "stop_reason": None}
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": done},
        {"type": "message_stop"},
    ]


def gemini(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    """`more`: members of the candidate."""
    candidate = {"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP", "index": 0, **more}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m"}


def bedrock(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": [{"text": "Hi"}]}
    return {
        "output": {"message": message},
        "stopReason": "end_turn",
        "usage": usage,
        "metrics": {"latencyMs": 1},
        **more,
    }


def serve(answer: list[Any], **headers: str) -> Any:
    """An ASGI application that gives this answer to everything: one object as a whole body, several as a stream."""
    streamed = len(answer) > 1

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        kind = b"text/event-stream" if streamed else b"application/json"
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind), *given]})
        body = b"".join(map(event, answer)) if streamed else json.dumps(answer[0]).encode()
        await send({"type": "http.response.body", "body": body})

    return app


def event(value: Any) -> bytes:
    if isinstance(value, str):
        return f"data: {value}\n\n".encode()
    name = f"event: {value['type']}\n" if "type" in value else ""
    return f"{name}data: {json.dumps(value)}\n\n".encode()
