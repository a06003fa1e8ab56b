"""One HTTP response with everything that a server can get wrong about it."""

import email.utils
import time
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from moat.testing.faults import Fault
from moat.testing.faults_wire import Answer, Piece, Wire

FOREVER = 3600.0

_encode = msgspec.json.Encoder().encode


class Reply(msgspec.Struct, kw_only=True):
    """One HTTP response, and how it is sent."""

    status: int = 200
    headers: list[tuple[str, str]] = []
    pieces: Iterable[Piece] = ()
    framing: Literal["length", "chunked", "close", "none"] = "length"
    """`none`: the headers say it all themselves."""
    wait: float = 0.0
    """Seconds before the head."""
    head: Literal["whole", "half", "none"] = "whole"
    """How much of the head is sent before `ending`."""
    pause: float = 0.0
    """Seconds between two pieces."""
    drip: float = 0.0
    """Seconds between single bytes of the body; 0: pieces go out whole."""
    stop: int | None = None
    """Pieces after which `ending` comes; None: after the last."""
    ending: Literal["complete", "close", "reset", "silence", "half-close"] = "complete"
    silence: float = FOREVER
    """Seconds of `silence` before the connection is closed."""
    refuse: float = 0.0
    """Seconds for which no further connection is accepted."""
    billed: bool = True
    """Are the tokens that go out billed?"""


class Case(NamedTuple):
    """What a fault works on."""

    fault: Fault
    wire: Wire
    answer: Answer
    reply: Reply


def say(case: Case) -> None:
    """The answer as it should be, as far as the fault leaves it."""
    answer, reply = case.answer, case.reply
    if answer.asked.stream:
        reply.headers = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")]
        reply.framing, reply.pieces = "chunked", case.wire.events(answer)
        return
    body = _encode(case.wire.whole(answer))
    quarter = -(-len(body) // 4)
    reply.headers = [("content-type", "application/json")]
    reply.pieces = [
        Piece(body[start : start + quarter], 0 if start else len(answer.words))
        for start in range(0, len(body), quarter)
    ]


def refuse_with_status(case: Case) -> None:
    """The error that the fault's status stands for."""
    chosen, reply = case.fault, case.reply
    reply.status, reply.billed = chosen.status, False
    reply.headers = [("content-type", "application/json")]
    message = f"a simulated fault with status {chosen.status}"
    if chosen.retry_after is not None:
        reply.headers.append(_retry_after(chosen.retry_after, chosen.retry_form))
    reply.pieces = [Piece(_encode(case.wire.failed(chosen.status, message)))]


def _retry_after(seconds: float, form: str) -> tuple[str, str]:
    if form == "ms":
        return "retry-after-ms", f"{seconds * 1000:g}"
    if form == "date":
        return "retry-after", email.utils.formatdate(time.time() + seconds, usegmt=True)
    return "retry-after", f"{seconds:g}"


def before(case: Case) -> int:
    """How many pieces go out before the fault: the events of `after` words and what stands around them, or so many
    quarters of a whole body.
    """
    left = case.fault.after
    if not case.answer.asked.stream:
        return left
    for position, piece in enumerate(case.reply.pieces):
        if not left:
            return position
        left -= bool(piece.tokens)
    return sum(1 for _ in case.reply.pieces)
