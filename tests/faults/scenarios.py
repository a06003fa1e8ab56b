"""THE table of the fault matrix: what a client gets when a provider fails. `docs/fault-matrix.md` is made from it.

An outcome is the status and the error's code as it is recorded; `cut` instead of a status means that the answer had
begun, and ends in an error event without the end mark.
"""

from typing import NamedTuple

REFUSED, OVERLOADED, DOWN = "provider_refused", "provider_overloaded", "provider_down"
TIMEOUT, CUT = "provider_timeout", "stream_cut"


class Scenario(NamedTuple):
    """One fault, and the outcomes without a fallback."""

    fault: str
    whole: str
    streamed: str = ""
    """Empty: the same."""
    embeddings: str = ""
    """Empty: as `whole`."""

    def outcome(self, endpoint: str, stream: bool) -> str:
        """What is expected of an endpoint."""
        if endpoint == "embeddings" and self.embeddings:
            return self.embeddings
        return self.streamed if stream and self.streamed else self.whole


def with_fallback(outcome: str) -> str:
    """What a second deployment makes of it: an answer, unless the request is at fault or the answer had begun."""
    status = outcome.split()[0]
    return outcome if status in ("200", "cut") or (status[0] == "4" and status != "429") else "200"


SCENARIOS = (
    # a status
    Scenario("400", f"400 {REFUSED}"),
    Scenario("401", f"502 {REFUSED}"),
    Scenario("403", f"502 {REFUSED}"),
    Scenario("404", f"404 {REFUSED}"),
    Scenario("408", f"504 {TIMEOUT}"),
    Scenario("409", f"409 {REFUSED}"),
    Scenario("413", f"413 {REFUSED}"),
    Scenario("422", f"422 {REFUSED}"),
    Scenario("429", f"429 {OVERLOADED}"),
    Scenario("429,retry_after=7", f"429 {OVERLOADED}"),
    Scenario("500", f"502 {DOWN}"),
    Scenario("502", f"502 {DOWN}"),
    Scenario("503", f"502 {DOWN}"),
    Scenario("504", f"502 {DOWN}"),
    Scenario("529", f"429 {OVERLOADED}"),
    Scenario("html-502", f"502 {DOWN}"),
    Scenario("redirect", f"502 {DOWN}"),
    # before the head
    Scenario("reset", f"502 {DOWN}"),
    Scenario("close", f"502 {DOWN}"),
    Scenario("reset-head", f"502 {DOWN}"),
    Scenario("hang", f"504 {TIMEOUT}"),
    Scenario("hang-head", f"504 {TIMEOUT}"),
    Scenario("slow", f"504 {TIMEOUT}"),
    Scenario("slow,seconds=0.2", "200"),
    Scenario("huge-header", f"502 {DOWN}"),
    Scenario("bad-head", f"502 {DOWN}"),
    Scenario("two-lengths", f"502 {DOWN}"),
    Scenario("length-and-chunks", f"502 {DOWN}"),
    Scenario("gzip", f"502 {DOWN}"),
    # in the body
    Scenario("slow-first-piece", f"504 {TIMEOUT}"),
    Scenario("reset-body", f"502 {CUT}", f"cut {CUT}"),
    Scenario("close-body", f"502 {CUT}", f"cut {CUT}"),
    Scenario("half-close", f"502 {CUT}", f"cut {CUT}"),
    Scenario("idle", f"504 {TIMEOUT}", f"cut {TIMEOUT}"),
    Scenario("comments", f"504 {TIMEOUT}", f"cut {TIMEOUT}"),
    Scenario("dribble", f"504 {TIMEOUT}"),
    Scenario("no-end", f"504 {TIMEOUT}", "200"),
    Scenario("no-done", f"502 {DOWN}", f"cut {CUT}"),
    Scenario("long-length", f"502 {CUT}", "200"),
    Scenario("short-length", f"502 {DOWN}", f"cut {CUT}"),
    # in what it says
    Scenario("empty", f"502 {DOWN}", f"502 {CUT}"),
    Scenario("html", f"502 {DOWN}"),
    Scenario("error-200", f"502 {DOWN}"),
    Scenario("error-event", f"502 {DOWN}", f"cut {DOWN}"),
    Scenario("truncated-json", f"502 {DOWN}", f"cut {DOWN}"),
    Scenario("invalid-json", f"502 {DOWN}", f"cut {DOWN}"),
    Scenario("wrong-types", f"502 {DOWN}", f"cut {DOWN}", "200"),
    Scenario("null", f"502 {DOWN}", f"cut {DOWN}"),
    Scenario("deep-json", f"502 {DOWN}", f"cut {DOWN}"),
    Scenario("invalid-utf8", f"502 {DOWN}", f"cut {DOWN}", "200"),
    Scenario("lone-surrogate", f"502 {DOWN}", f"cut {DOWN}", "200"),
    Scenario("same-tool-index", "200"),
    Scenario("usage-missing", "200"),
    Scenario("usage-repeated", "200"),
    Scenario("usage-late", "200"),
    Scenario("usage-absurd", "200"),
    Scenario("usage-zero", "200"),
    Scenario("usage-negative", "200"),
    Scenario("usage-odd", "200"),
)

ELSEWHERE = {
    "refuse": "tests/faults/test_retries.py",
    "huge-body": "tests/faults/test_server.py",
    "huge-event": "tests/faults/test_server.py",
    "many-chunks": "tests/faults/test_server.py",
}
"""Faults that are no row of the matrix, and where they are tested."""
