"""Trace headers of a request."""

from moat.gateway.admission import read_headers


def test_a_state_in_several_headers_is_one_list() -> None:
    found = read_headers(
        {"headers": [(b"tracestate", b"a=1"), (b"traceparent", b"x"), (b"tracestate", b"b=2"), (b"traceparent", b"y")]}
    )
    assert found == {"tracestate": "a=1,b=2", "traceparent": "y"}
