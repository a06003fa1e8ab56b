"""What people and scorers think of recorded answers: feedback is a score from a person."""

import hashlib
from typing import Any, Literal

import msgspec

Source = Literal["person", "scorer"]


class Feedback(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One opinion of one call; a line of the spool, a row of the trace store.

    The same `id` again is the same opinion: the one with the later `at_ns` stands (somebody thought again).
    """

    id: str
    """Chosen by who sends it, or made of `request_id`, `name` and `by`: sent twice it counts once."""
    at_ns: int
    """Unix time."""
    name: str = "feedback"
    """What was judged: `feedback` for a person's general opinion, else a scorer's name."""
    source: Source = "person"
    request_id: str = ""
    trace_id: str = ""
    """One of both at least; a request's is found by the store."""
    value: float | None = None
    """0 (bad) to 1 (good): thumbs down and up are 0 and 1, a rating r of 1 to 5 is (r - 1) / 4."""
    rating: int | None = None
    """1 to 5, as it was given."""
    categories: tuple[str, ...] = ()
    comment: str = ""
    correction: Any = None
    """What the answer should have been: text or JSON."""
    by: str = ""
    """Who: a user's id, a reviewer, a scorer's identity."""
    environment: str = ""
    tenant: str = ""
    """Of the key or link that it came by; only calls of that tenant are found by it."""
    attributes: dict[str, Any] = {}


def opinion_id(tenant: str, *named: str) -> str:
    """The identity of an opinion: of the id that its sender chose, or of request, name, who and source.

    A tenant's ids are its own: whoever guesses another's does not change what that one said.

    >>> opinion_id("acme", "1") == opinion_id("globex", "1")
    False
    """
    return "fb_" + hashlib.sha256(msgspec.json.encode([tenant, *named])).hexdigest()[:24]
