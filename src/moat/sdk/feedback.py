"""What people say of answers, sent to the server."""

from typing import Any, Literal, TypedDict

import msgspec

from moat.sdk.server import Server


class Said(TypedDict, total=False):
    """An opinion. At most one of thumbs, rating and value."""

    thumbs: Literal["up", "down"]
    rating: int
    """1 (bad) to 5 (good)."""
    value: float
    """0 (bad) to 1 (good)."""
    categories: list[str]
    comment: str
    correction: Any
    """What the answer should have been: text or JSON."""
    by: str
    """Who says it, such as a user's id: one opinion each."""
    name: str
    """What is judged; `feedback` unless it is given."""
    trace_id: str
    id: str
    """Of the opinion: with the same it takes the place of the earlier one."""


class Wish(TypedDict, total=False):
    """What a link shall be."""

    expires_days: float
    by: str
    """Who it is for."""
    categories: list[str]
    """What its form offers to tick."""


class FeedbackSender:
    """Gives feedback: waits until the server has kept it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def give(self, request_id: str, said: Said) -> str:
        """The id of the opinion."""
        about = {"request_id": request_id} if request_id else {}
        answer = self._server.post("/v1/feedback", msgspec.json.encode({**about, **said}))
        return str(msgspec.json.decode(answer.body)["id"])

    def link(self, request_id: str, wish: Wish) -> str:
        """A whole address."""
        answer = self._server.post("/v1/feedback/links", msgspec.json.encode({"request_id": request_id, **wish}))
        return self._server.url + str(msgspec.json.decode(answer.body)["path"])
