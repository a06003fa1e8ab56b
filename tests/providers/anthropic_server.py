"""A stand-in for Anthropic's API as its documentation has it: strict about requests, and answering from fixtures."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parent / "fixtures" / "anthropic"
KNOWN = {
    "cache_control", "container", "context_management", "inference_geo", "max_tokens", "mcp_servers", "messages",
    "metadata", "model", "output_config", "service_tier", "speed", "stop_sequences", "stream", "system", "temperature",
    "thinking", "tool_choice", "tools", "top_k", "top_p",
}  # fmt: skip
BLOCKS = {
    "user": {"text", "image", "document", "search_result", "tool_result"},
    "assistant": {
        "text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "web_search_tool_result",
    },
    "system": {"text"},
}  # fmt: skip


class Refusal(Exception):
    """A request that the API does not take."""


class AnthropicServer:
    """ASGI. `script` holds what is answered, call after call, the last again and again: the name of a fixture (its
    `.sse` when streamed, else its `.json`), or `(status, headers, body)`. `bodies` and `heads` are what came.
    """

    def __init__(self, *script: str | tuple[int, dict[str, str], Any], delay: float = 0) -> None:
        self.script = script or ("text",)
        self.delay = delay
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        request = json.loads(body)
        answer = self.script[min(len(self.bodies), len(self.script) - 1)]
        self.bodies.append(request)
        self.paths.append(scope["path"])
        self.heads.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await asyncio.sleep(self.delay)
        try:
            check(request, self.heads[-1], counting=scope["path"].endswith("count_tokens"))
        except Refusal as error:
            answer = (400, {}, error_of("invalid_request_error", str(error)))
        if scope["path"] == "/v1/messages/count_tokens" and not isinstance(answer, tuple):
            answer = (200, {}, {"input_tokens": 2095})
        elif scope["path"] not in ("/v1/messages", "/v1/messages/count_tokens"):
            answer = (404, {}, error_of("not_found_error", scope["path"]))
        if isinstance(answer, tuple):
            status, headers, content = answer
            payload = content if isinstance(content, bytes) else json.dumps(content).encode()
            await _send(send, status, "application/json", payload, headers)
        elif request.get("stream"):
            await _stream(send, (FIXTURES / f"{answer}.sse").read_bytes())
        else:
            await _send(send, 200, "application/json", (FIXTURES / f"{answer}.json").read_bytes(), {})


def error_of(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


async def _send(send: Any, status: int, kind: str, body: bytes, headers: dict[str, str]) -> None:
    fields = {"content-type": kind, "content-length": str(len(body)), "request-id": "req_011CSHoEeqs5", **headers}
    raw = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Any, body: bytes) -> None:
    headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for event in body.split(b"\n\n"):
        if event.startswith(b"event: error"):
            await asyncio.sleep(0.1)  # so that it comes in a read of its own
        if event:
            await send({"type": "http.response.body", "body": event + b"\n\n", "more_body": True})
            await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})


def check(request: dict[str, Any], headers: dict[str, str], *, counting: bool = False) -> None:
    """What the API demands, as far as it is documented. Raises `Refusal`."""
    _require("anthropic-version" in headers, "anthropic-version: header is required")
    unknown = sorted(request.keys() - KNOWN)
    _require(not unknown, f"{unknown[:1]}: Extra inputs are not permitted")
    _require(isinstance(request.get("model"), str), "model: Field required")
    limit = request.get("max_tokens")
    _require(counting or (isinstance(limit, int) and limit >= 0), "max_tokens: Field required")
    _require(0 <= request.get("temperature", 0) <= 1, "temperature: range: 0..1")
    _thinking(request)
    _messages(request["messages"])
    for block in request.get("system", []) if isinstance(request.get("system"), list) else []:
        _require(block["type"] == "text" and block["text"], "system: text content blocks must be non-empty")
    names = [tool["name"] for tool in request.get("tools", [])]
    _require(len(names) == len(set(names)), "tools: Tool names must be unique.")
    for tool in request.get("tools", []):
        native = tool.get("type", "custom") != "custom"
        _require(native or tool["input_schema"].get("type") == "object", "tools: input_schema.type: Field required")
    choice = request.get("tool_choice", {"type": "auto"})
    _require(choice["type"] in ("auto", "any", "tool", "none"), "tool_choice: unknown type")
    _require(bool(names) or choice["type"] == "auto", "tool_choice may only be specified while providing tools.")
    form = request.get("output_config", {}).get("format")
    if form:
        _closed(form["schema"])


def _thinking(request: dict[str, Any]) -> None:
    thinking = request.get("thinking", {"type": "disabled"})
    if thinking["type"] != "enabled":
        return
    budget = thinking["budget_tokens"]
    _require(budget >= 1024, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    _require(budget < request.get("max_tokens", 10**9), "`max_tokens` must be greater than `thinking.budget_tokens`")
    _require(request.get("temperature", 1) == 1, "`temperature` may only be set to 1 when thinking is enabled")
    _require(request.get("tool_choice", {}).get("type") not in ("any", "tool"), "Thinking may not be enabled")


def _messages(messages: list[dict[str, Any]]) -> None:
    _require(bool(messages), "messages: at least one message is required")
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        where, content = f"messages.{index}", message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        _require(bool(blocks), f"{where}: all messages must have non-empty content")
        results = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if message["role"] != "system":
            _require(results == open_calls, f"{where}: `tool_use` ids were found without `tool_result` blocks")
            open_calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
        for block in blocks:
            _require(block["type"] in BLOCKS[message["role"]], f"{where}: unknown block {block['type']}")
            _block(block, where)


def _block(block: dict[str, Any], where: str) -> None:
    kind = block["type"]
    if kind == "text":
        _require(bool(block["text"]), f"{where}: text content blocks must be non-empty")
        _require(not block.keys() - {"type", "text", "cache_control", "citations"}, f"{where}: Extra inputs")
    elif kind == "thinking":
        _require(bool(block["signature"]), f"{where}: Invalid `signature` in `thinking` block")
    elif kind in ("image", "document") and block["source"]["type"] == "base64":
        base64.b64decode(block["source"]["data"], validate=True)
    elif kind == "tool_use":
        _require(isinstance(block["input"], dict), f"{where}.input: Input should be a valid dictionary")
    elif kind == "tool_result" and isinstance(block.get("content"), list):
        for inner in block["content"]:
            _block(inner, where)


def _closed(schema: Any) -> None:
    if isinstance(schema, dict):
        wants = schema.get("type") != "object" or schema.get("additionalProperties") is False
        _require(wants, "output_config.format.schema: 'additionalProperties' must be explicitly set to false")
        for value in schema.values():
            _closed(value)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise Refusal(message)
