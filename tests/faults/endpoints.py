"""The client's side of each endpoint: how it asks, and how its streams end."""

from dataclasses import dataclass
from typing import Any

from tests.faults.world import Reply


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One endpoint of the gateway."""

    name: str
    path: str
    asked: dict[str, Any]
    end: bytes = b""
    """The end mark of a stream; empty: nothing is streamed."""
    failed: bytes = b""
    """What an error event looks like."""

    def body(self, model: str, *, stream: bool) -> dict[str, Any]:
        """A request."""
        return {"model": model, **self.asked, **({"stream": True} if stream else {})}

    def outcome(self, reply: Reply) -> str:
        """`200`, `cut` for a stream that ends in an error event, or the status of an error.

        Raises `AssertionError` for a reply that a client could misread.
        """
        assert reply.ended, f"HTTP itself was cut: {reply}"
        if reply.status != 200:
            assert reply.json["error"]["message"]
            return str(reply.status)
        if not reply.headers["content-type"].startswith("text/event-stream"):
            assert isinstance(reply.json, dict)
            return "200"
        done, failed = self.end in reply.body, self.failed in reply.body
        assert done != failed, f"exactly one of end mark and error: {reply.body[-500:]!r}"
        return "200" if done else "cut"


HELLO = [{"role": "user", "content": "Hello"}]

ENDPOINTS = (
    Endpoint("chat", "/v1/chat/completions", {"messages": HELLO}, b"data: [DONE]", b'data: {"error"'),
    Endpoint("responses", "/v1/responses", {"input": "Hello"}, b"event: response.completed", b"event: response.failed"),
    Endpoint(
        "messages", "/v1/messages", {"messages": HELLO, "max_tokens": 100}, b"event: message_stop", b"event: error"
    ),
    Endpoint("embeddings", "/v1/embeddings", {"input": "Hello"}),
)
