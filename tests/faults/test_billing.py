"""What a failing provider bills, and what is recorded of it."""

import json
import socket
import time
from typing import Any

import pytest

from moat.domain.spans import Span
from moat.testing.faults import Script
from moat.testing.faults_books import Bill
from tests.faults.endpoints import ENDPOINTS, Endpoint
from tests.faults.test_matrix import offered
from tests.faults.world import DEADLINE, SECRET, World, world

AT_ONCE = Script(words=5)
STREAMED = [endpoint for endpoint in offered() if endpoint.end]
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
EVERYWHERE = pytest.mark.parametrize("endpoint", STREAMED, ids=[endpoint.name for endpoint in STREAMED])


def asked(here: World, endpoint: Endpoint, fault: str, *, stream: bool, **more: Any) -> tuple[Span, Bill]:
    """The record of one call's last attempt, and the provider's own bill for it."""
    reply = here.ask(endpoint.path, endpoint.body(fault, stream=stream) | more)
    return here.spans(reply.headers["x-request-id"])[-1], here.faults.books.bills[-1]


@pytest.mark.promise("money-6")
@BOTH
@EVERYWHERE
def test_usage_is_taken_as_it_is_reported(endpoint: Endpoint, stream: bool) -> None:
    with world(AT_ONCE) as here:
        for fault in ("good", "usage-repeated", "usage-late"):
            attempt, bill = asked(here, endpoint, fault, stream=stream)
            assert (attempt.input_tokens, attempt.output_tokens) == (bill.input, bill.output), fault
            assert bill.output == 5
            assert not attempt.usage_estimated, fault


@pytest.mark.promise("money-6")
@BOTH
@EVERYWHERE
def test_usage_that_is_missing_or_beyond_belief_is_flagged(endpoint: Endpoint, stream: bool) -> None:
    with world(AT_ONCE) as here:
        for fault in ("usage-missing", "usage-negative", "usage-odd", "usage-absurd"):
            attempt, bill = asked(here, endpoint, fault, stream=stream)
            assert attempt.usage_estimated, fault
            assert attempt.output_tokens >= bill.output, fault
        assert attempt.output_tokens <= 10**9, "it fits into every record"


@pytest.mark.promise("money-5")
@BOTH
@EVERYWHERE
def test_an_explicit_zero_stays_zero(endpoint: Endpoint, stream: bool) -> None:
    with world(AT_ONCE) as here:
        attempt, bill = asked(here, endpoint, "usage-zero", stream=stream)
        assert (attempt.input_tokens, attempt.output_tokens, attempt.usage_estimated) == (0, 0, False)
        assert (bill.input, bill.output) == (0, 0)


@pytest.mark.promise("money-5")
@EVERYWHERE
def test_a_client_that_hangs_up_is_billed_for_what_was_produced(endpoint: Endpoint) -> None:
    with world(Script(words=5, pace=0.05)) as here:
        for pieces in (1, 3):
            known = len(here.spool.calls)
            hang_up(here, endpoint, pieces)
            attempt = here.spool.spans[-1]
            bill = here.faults.books.bills[-1]
            assert len(here.spool.calls) == known + 1
            assert attempt.error == "client_closed"
            assert attempt.usage_estimated
            assert attempt.input_tokens > 0
            assert attempt.output_tokens >= pieces
            assert 0 < bill.output <= 5
        until(lambda: here.faults.books.open == here.providers["faulty"].open_connections == 0)


def hang_up(here: World, endpoint: Endpoint, pieces: int) -> None:
    """Read so many words of a stream, then close; wait until the call is recorded."""
    known = len(here.spool.calls)
    content = json.dumps(endpoint.body("idle,after=4", stream=True)).encode()
    host, _, port = here.url.removeprefix("http://").partition(":")
    head = f"POST {endpoint.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\n"
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as client:
        client.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
        got = b""
        words = (b" answer", b" is", b" simulated")
        while words[pieces - 1] not in got:
            got += client.recv(65536)
    until(lambda: len(here.spool.calls) > known)


def until(true: Any) -> None:
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_endpoints_are_those_of_the_matrix() -> None:
    assert set(STREAMED) < set(ENDPOINTS)
