"""The faults there are: each changes one reply. To add one: a function here with `@fault`.

Kinds are grouped by when they strike: before the head of the response, in its body, in what it says.
"""

import gzip
import itertools
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from moat.testing.faults import Fault
from moat.testing.faults_reply import FOREVER, Case, Reply, before, refuse_with_status, say
from moat.testing.faults_wire import Asked, Piece, UsageFault, Wire, answer_to

_encode = msgspec.json.Encoder().encode

HUGE_BODY = 200 * 2**20
MANY_CHUNKS = 1_000_000
HUGE_HEADER = 256 * 1024


class FaultKind(NamedTuple):
    """One entry of the catalogue."""

    name: str
    what: str
    apply: Callable[[Case], None]


FAULTS: dict[str, FaultKind] = {}
"""By name."""


def fault(name: str, what: str) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Register a fault."""

    def register(apply: Callable[[Case], None]) -> Callable[[Case], None]:
        FAULTS[name] = FaultKind(name, what, apply)
        return apply

    return register


def reply_to(asked: Asked, wire: Wire, chosen: Fault | None, *, words: int, pace: float) -> Reply:
    """The reply to a request, wrong in the way that was chosen."""
    answer = answer_to(asked, words if wire.speaks else 0)
    reply = Reply(pause=pace)
    if chosen is None:
        say(Case(Fault(kind=""), wire, answer, reply))
        return reply
    case = Case(chosen, wire, answer, reply)
    if chosen.status:
        refuse_with_status(case)
        return reply
    say(case)
    FAULTS[str(chosen.kind)].apply(case)
    return reply


def _body(case: Case, body: bytes, kind: str = "application/json") -> None:
    """Another body, said to be complete."""
    case.reply.headers, case.reply.framing = [("content-type", kind)], "length"
    case.reply.pieces = [Piece(body, len(case.answer.words))]


# before the head of the response


@fault("refuse", "resets the connection and accepts no other for `seconds` (1)")
def _refuse(case: Case) -> None:
    case.reply.head, case.reply.ending, case.reply.billed = "none", "reset", False
    case.reply.refuse = case.fault.seconds or 1.0


@fault("reset", "resets the connection when the request is in, before a byte of the response")
def _reset(case: Case) -> None:
    case.reply.head, case.reply.ending, case.reply.billed = "none", "reset", False


@fault("close", "closes the connection when the request is in, before a byte of the response")
def _close(case: Case) -> None:
    case.reply.head, case.reply.ending, case.reply.billed = "none", "close", False


@fault("reset-head", "resets the connection in the middle of the response's head")
def _reset_head(case: Case) -> None:
    case.reply.head, case.reply.ending, case.reply.billed = "half", "reset", False


@fault("hang", "takes the request and says nothing for `seconds` (3600), then closes")
def _hang(case: Case) -> None:
    case.reply.head, case.reply.ending, case.reply.billed = "none", "silence", False
    case.reply.silence = case.fault.seconds or FOREVER


@fault("hang-head", "stops in the middle of the response's head, for `seconds` (3600)")
def _hang_head(case: Case) -> None:
    case.reply.head, case.reply.ending, case.reply.billed = "half", "silence", False
    case.reply.silence = case.fault.seconds or FOREVER


@fault("slow", "answers rightly, but only after `seconds` (5)")
def _slow(case: Case) -> None:
    case.reply.wait = case.fault.seconds or 5.0


@fault("huge-header", "sends a header of 256 KiB")
def _huge_header(case: Case) -> None:
    case.reply.headers.append(("x-simulated", "h" * HUGE_HEADER))


@fault("bad-head", "answers with something that is not HTTP")
def _bad_head(case: Case) -> None:
    case.reply.headers.append(("x-simulated: \x00\x01 bad\r\nno colon here", "?"))


@fault("redirect", "redirects to another host, which must not be followed")
def _redirect(case: Case) -> None:
    _body(case, b"")
    case.reply.status, case.reply.billed = 307, False
    case.reply.headers.append(("location", "http://203.0.113.1/v1/elsewhere"))


# in the body


@fault("slow-first-piece", "sends the head at once and the first piece after `seconds` (3600)")
def _slow_first_piece(case: Case) -> None:
    case.reply.stop, case.reply.ending = 0, "silence"
    case.reply.silence = case.fault.seconds or FOREVER


@fault("reset-body", "resets the connection after `after` words (2)")
def _reset_body(case: Case) -> None:
    case.reply.stop, case.reply.ending = before(case), "reset"


@fault("close-body", "closes the connection after `after` words (2), the body unfinished")
def _close_body(case: Case) -> None:
    case.reply.stop, case.reply.ending = before(case), "close"


@fault("idle", "falls silent after `after` words (2), for `seconds` (3600)")
def _idle(case: Case) -> None:
    case.reply.stop, case.reply.ending = before(case), "silence"
    case.reply.silence = case.fault.seconds or FOREVER


@fault("half-close", "says after `after` words (2) that no more will come, and keeps the connection open")
def _half_close(case: Case) -> None:
    case.reply.stop, case.reply.ending = before(case), "half-close"


@fault("dribble", "sends the body byte by byte, `seconds` (0.05) apart")
def _dribble(case: Case) -> None:
    case.reply.drip = case.fault.seconds or 0.05


@fault("comments", "sends `after` words (2), then comments only, `seconds` (0.05) apart, for ever")
def _comments(case: Case) -> None:
    pieces = itertools.islice(case.reply.pieces, before(case))
    case.reply.pieces = itertools.chain(pieces, itertools.repeat(Piece(b": keep-alive\n\n")))
    case.reply.framing, case.reply.pause = "chunked", case.fault.seconds or 0.05


@fault("no-end", "sends everything but the end of the HTTP body, and falls silent")
def _no_end(case: Case) -> None:
    case.reply.framing, case.reply.ending = "chunked", "silence"


@fault("no-done", "ends the body rightly, without the end mark of the stream")
def _no_done(case: Case) -> None:
    pieces = list(case.reply.pieces)
    case.reply.pieces = pieces[: before(case)] if case.answer.asked.stream else pieces[:-1]


@fault("long-length", "declares a longer body than it sends, and closes")
def _long_length(case: Case) -> None:
    _declare(case, 1000)


@fault("short-length", "declares a shorter body than it sends")
def _short_length(case: Case) -> None:
    _declare(case, -20)


@fault("two-lengths", "declares two different lengths")
def _two_lengths(case: Case) -> None:
    _declare(case, 0)
    case.reply.headers.append(("content-length", "7"))


@fault("length-and-chunks", "declares a length and chunks, which contradict each other")
def _length_and_chunks(case: Case) -> None:
    case.reply.framing = "chunked"
    case.reply.headers.append(("content-length", "7"))


def _declare(case: Case, off: int) -> None:
    pieces = list(case.reply.pieces)
    size = sum(len(piece.data) for piece in pieces) + off
    case.reply.pieces, case.reply.framing, case.reply.ending = pieces, "none", "close"
    case.reply.headers.append(("content-length", str(size)))


@fault("huge-body", "sends a body of 200 MB")
def _huge_body(case: Case) -> None:
    block = b" " * 2**16
    case.reply.pieces = itertools.chain(case.reply.pieces, itertools.repeat(Piece(block), HUGE_BODY // len(block)))
    case.reply.framing = "chunked"


@fault("huge-event", "sends one event of 200 MB")
def _huge_event(case: Case) -> None:
    block = b"x" * 2**16
    start = Piece(b'data: {"choices": [{"index": 0, "delta": {"content": "')
    case.reply.pieces = itertools.chain([start], itertools.repeat(Piece(block), HUGE_BODY // len(block)))
    case.reply.framing = "chunked"


@fault("many-chunks", "sends a million chunks that say nothing, then the answer")
def _many_chunks(case: Case) -> None:
    nothing = Piece(b": nothing\n\n" if case.answer.asked.stream else b" ")
    case.reply.pieces = itertools.chain(itertools.repeat(nothing, MANY_CHUNKS), case.reply.pieces)
    case.reply.framing = "chunked"


# in what it says


@fault("truncated-json", "sends half of the JSON as if it were all of it")
def _truncated_json(case: Case) -> None:
    if not case.answer.asked.stream:
        body = _encode(case.wire.whole(case.answer))
        _body(case, body[: len(body) // 2])
        return
    pieces = list(case.reply.pieces)
    at = min(before(case), len(pieces) - 1)
    cut = pieces[at].data.rstrip()
    case.reply.pieces = [*pieces[:at], Piece(cut[: len(cut) // 2 + 10] + b"\n\n", 1), *pieces[at + 1 :]]


@fault("invalid-json", "sends something that only looks like JSON")
def _invalid_json(case: Case) -> None:
    _instead(case, b"{'single': quotes, and: no value,}")


@fault("wrong-types", "sends JSON whose values have the wrong types")
def _wrong_types(case: Case) -> None:
    _instead(case, b'{"type": 7, "choices": "none", "content": 7, "data": 7, "delta": [], "usage": "many"}')


@fault("null", "sends `null`")
def _null(case: Case) -> None:
    _instead(case, b"null")


@fault("deep-json", "sends JSON 100,000 levels deep")
def _deep_json(case: Case) -> None:
    _instead(case, b'{"choices":' + b"[" * 100_000)


def _instead(case: Case, data: bytes) -> None:
    """Other data: in place of the whole body, or of one event."""
    if not case.answer.asked.stream:
        _body(case, data)
        return
    pieces = list(case.reply.pieces)
    at = min(before(case), len(pieces) - 1)
    kind = pieces[at].data.partition(b"data: ")[0]
    case.reply.pieces = [*pieces[:at], Piece(kind + b"data: " + data + b"\n\n", 1), *pieces[at + 1 :]]


@fault("empty", "sends a 200 with an empty body")
def _empty(case: Case) -> None:
    kind = case.reply.headers[0][1]
    _body(case, b"", kind)


@fault("html", "sends a 200 with an HTML page, as a proxy in between would")
def _html(case: Case) -> None:
    _body(case, b"<html><body><h1>We will be back soon</h1></body></html>", "text/html")
    case.reply.billed = False


@fault("html-502", "sends a 502 with an HTML page")
def _html_502(case: Case) -> None:
    _html(case)
    case.reply.status = 502


@fault("error-200", "sends an error object with status 200")
def _error_200(case: Case) -> None:
    _body(case, _encode(case.wire.failed(500, "a simulated error with status 200")))
    case.reply.billed = False


@fault("error-event", "sends an error event after `after` words (2), and ends")
def _error_event(case: Case) -> None:
    if not case.answer.asked.stream:
        _error_200(case)
        return
    event = Piece(case.wire.failed_event("a simulated error in the middle of the answer"))
    case.reply.pieces = [*itertools.islice(case.reply.pieces, before(case)), event]


@fault("invalid-utf8", "sends bytes that are not UTF-8")
def _invalid_utf8(case: Case) -> None:
    case.answer.words.insert(1, "\ufffd")
    _replace(case, "\ufffd".encode(), b"\xff\xfe")


@fault("lone-surrogate", "sends half of a surrogate pair as an escape")
def _lone_surrogate(case: Case) -> None:
    case.answer.words.insert(1, "\ufffd")
    _replace(case, "\ufffd".encode(), rb"\ud83d")


def _replace(case: Case, old: bytes, new: bytes) -> None:
    say(case)
    if not case.answer.asked.stream:
        _body(case, _encode(case.wire.whole(case.answer)).replace(old, new))
        return
    case.reply.pieces = [Piece(piece.data.replace(old, new), piece.tokens) for piece in case.reply.pieces]


@fault("gzip", "compresses the body, which nobody asked for")
def _gzip(case: Case) -> None:
    body = gzip.compress(b"".join(piece.data for piece in case.reply.pieces))
    case.reply.pieces = [Piece(body, len(case.answer.words))]
    case.reply.headers.append(("content-encoding", "gzip"))


@fault("same-tool-index", "calls two tools under one index")
def _same_tool_index(case: Case) -> None:
    case.answer.tools, case.answer.words = True, ["{}", "{}"]
    say(case)


def _usage(name: UsageFault, what: str) -> None:
    def apply(case: Case) -> None:
        case.answer.usage = name
        case.reply.billed = name != "zero"
        say(case)

    fault(f"usage-{name}", what)(apply)


_usage("missing", "reports no usage")
_usage("repeated", "reports usage again and again, cumulative")
_usage("late", "reports usage long after the last word")
_usage("absurd", "reports a usage beyond belief")
_usage("negative", "reports a negative usage")
_usage("zero", "reports a usage of zero, and bills nothing")
_usage("odd", "reports a usage that is not a number")
