"""A client that hangs up anywhere: one attempt, billed as the provider told so far, else by a flagged estimate."""

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from moat.domain.spans import Span
from moat.testing.faults import Script
from moat.testing.faults_books import Bill
from tests.faults.endpoints import Endpoint
from tests.faults.test_matrix import offered
from tests.faults.world import ANTHROPIC, DEADLINE, SECRET, World, world

STREAMED = [endpoint for endpoint in offered() if endpoint.end]
EVERYWHERE = pytest.mark.parametrize("endpoint", STREAMED, ids=[endpoint.name for endpoint in STREAMED])


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def hang_up(
    here: World, endpoint: Endpoint, model: str, when: Callable[[bytes], bool], *, stream: bool
) -> tuple[Span, Bill]:
    """Ask, close when that is true of what came so far, and the record of the attempt with the provider's bill."""
    known, asked = len(here.spool.calls), here.faults.books.billed.requests
    content = json.dumps(endpoint.body(model, stream=stream)).encode()
    host, _, port = here.url.removeprefix("http://").partition(":")
    head = f"POST {endpoint.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\n"
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as client:
        client.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
        until(lambda: here.faults.books.billed.requests > asked)
        got = b""
        while not when(got):
            piece = client.recv(65536)
            assert piece, got
            got += piece
    until(lambda: len(here.spool.calls) > known)
    assert len(here.spool.calls) == known + 1
    attempts = [span for span in here.spool.spans if span.parent_id == here.spool.calls[-1].span_id]
    assert len(attempts) == 1, "nobody waits: nothing is tried again"
    return attempts[0], here.faults.books.bills[-1]


@pytest.mark.promise("money-5")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@EVERYWHERE
def test_before_the_first_piece_the_input_is_billed_by_estimate(endpoint: Endpoint, stream: bool) -> None:
    """Whether the model has begun to think is not to be seen from here: what is not seen is not in the estimate."""
    with world(Script(words=5)) as here:
        attempt, _ = hang_up(here, endpoint, "hang", lambda got: True, stream=stream)
        assert (attempt.error, attempt.usage_estimated) == ("client_closed", True)
        assert attempt.input_tokens > 0
        assert attempt.output_tokens == 0
        until(lambda: here.faults.books.open == here.providers["faulty"].open_connections == 0)


@pytest.mark.promise("money-5")
@EVERYWHERE
def test_what_the_provider_had_counted_is_taken_from_it(endpoint: Endpoint) -> None:
    """Anthropic tells the tokens of the input at once; those of the answer at its end only."""
    with world(Script(words=5, pace=0.05)) as here:
        attempt, bill = hang_up(
            here, endpoint, f"{ANTHROPIC}idle,after=4", lambda got: b" simulated" in got, stream=True
        )
        assert (attempt.error, attempt.usage_estimated) == ("client_closed", True)
        assert attempt.input_tokens == bill.input > 0
        assert attempt.output_tokens >= 3


@pytest.mark.promise("money-5")
@pytest.mark.parametrize("pieces", [1, 2, 3, 4])
def test_at_whatever_piece_the_estimate_covers_what_came(pieces: int) -> None:
    (chat,) = (endpoint for endpoint in STREAMED if endpoint.name == "chat")
    with world(Script(words=6, pace=0.05)) as here:
        attempt, bill = hang_up(
            here, chat, "idle,after=5", lambda got: got.count(b'"content":"') >= pieces, stream=True
        )
        assert attempt.error == "client_closed"
        assert attempt.usage_estimated
        assert pieces <= attempt.output_tokens
        assert bill.output <= 6
