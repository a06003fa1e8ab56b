"""Limits on time, money and tokens."""

import msgspec
import pytest

from moat.evals.scorers import Answered
from tests.evals.scorers.worlds import made, score


@pytest.mark.parametrize(
    ("options", "answer", "value"),
    [
        ({"kind": "latency", "max_ms": 5}, Answered("", latency_ns=5_000_000), 1),
        ({"kind": "latency", "max_ms": 5}, Answered("", latency_ns=5_100_000), 0),
        ({"kind": "latency", "max_first_token_ms": 2}, Answered("", first_token_ns=2_000_000), 1),
        ({"kind": "latency", "max_first_token_ms": 2}, Answered("", first_token_ns=3_000_000), 0),
        ({"kind": "latency", "max_first_token_ms": 2}, Answered(""), None),
        ({"kind": "cost", "max_usd": "0.002"}, Answered("", cost=2_000_000_000), 1),
        ({"kind": "cost", "max_usd": "0.002"}, Answered("", cost=2_000_000_001), 0),
        ({"kind": "cost", "max_usd": "1"}, Answered(""), None),
        ({"kind": "tokens", "max_output": 3}, Answered("", input_tokens=9, output_tokens=3), 1),
        ({"kind": "tokens", "max_total": 11, "max_input": 8}, Answered("", input_tokens=9, output_tokens=3), 0),
        ({"kind": "tokens", "max_input": 8}, Answered(""), None),
        ({"kind": "finish_reason"}, Answered("", finish_reason="stop"), 1),
        ({"kind": "finish_reason"}, Answered("", finish_reason="length"), 0),
        ({"kind": "finish_reason", "reasons": ["length"]}, Answered("", finish_reason="length"), 1),
        ({"kind": "finish_reason"}, Answered(""), None),
    ],
)
def test_values(options, answer, value):
    got = score(options, answer)
    assert (got.value, got.status) == (value, "not_run" if value is None else "ok")
    assert bool(got.reason) == (value != 1)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "latency"},
        {"kind": "latency", "max_ms": 0},
        {"kind": "cost", "max_usd": "cheap"},
        {"kind": "cost", "max_usd": "-1"},
        {"kind": "tokens"},
        {"kind": "tokens", "max_input": -1},
        {"kind": "finish_reason", "reasons": []},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(msgspec.ValidationError):
        made(options)
