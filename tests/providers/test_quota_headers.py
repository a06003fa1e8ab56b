"""Rate-limit headers, as the providers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.adapters.providers.quota_headers import UNSAID_RESET_S, read_quota
from moat.domain.quotas import Quota, Window

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"content-type": "application/json"}, None),
        (
            {
                "x-ratelimit-limit-requests": "60",
                "x-ratelimit-remaining-requests": "59",
                "x-ratelimit-remaining-tokens": "149984",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            Quota(requests=Window(59, 1.0), tokens=Window(149984, 360.0)),
        ),
        (  # Groq
            {
                "x-ratelimit-remaining-requests": "14370",
                "x-ratelimit-remaining-tokens": "17997",
                "x-ratelimit-reset-requests": "2m59.56s",
                "x-ratelimit-reset-tokens": "7.66s",
            },
            Quota(requests=Window(14370, 179.56), tokens=Window(17997, 7.66)),
        ),
        (  # Azure
            {"x-ratelimit-remaining-requests": "9", "x-ratelimit-remaining-tokens": "0"},
            Quota(requests=Window(9, UNSAID_RESET_S), tokens=Window(0, UNSAID_RESET_S)),
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:21Z",
                "anthropic-ratelimit-tokens-remaining": "90000",
                "anthropic-ratelimit-tokens-reset": "2023-11-14T22:14:20Z",
                "anthropic-ratelimit-input-tokens-remaining": "80000",
                "anthropic-ratelimit-input-tokens-reset": "2023-11-14T22:14:20Z",
                "anthropic-ratelimit-output-tokens-remaining": "7000",
                "anthropic-ratelimit-output-tokens-reset": "2023-11-14T22:13:50+00:00",
            },
            Quota(requests=Window(49, 1.0), tokens=Window(7000, 30.0)),
        ),
        (  # Cerebras
            {
                "x-ratelimit-remaining-requests-day": "14399",
                "x-ratelimit-reset-requests-day": "33011.382867",
                "x-ratelimit-remaining-tokens-minute": "59",
                "x-ratelimit-reset-tokens-minute": "11.5",
            },
            Quota(requests=Window(14399, 33011.382867), tokens=Window(59, 11.5)),
        ),
        (  # OpenRouter: a Unix time in milliseconds
            {"x-ratelimit-remaining": "3", "x-ratelimit-reset": "1700000005000"},
            Quota(requests=Window(3, 5.0)),
        ),
        ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "1700000007"}, Quota(requests=Window(3, 7.0))),
        (
            {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "20ms"},
            Quota(requests=Window(1, 0.02)),
        ),
        (
            {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1h2m3s"},
            Quota(requests=Window(1, 3723.0)),
        ),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1d"}, Quota(requests=Window(1, 86400))),
        (  # in the past: it is full now
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2001-01-01T00:00:00Z",
            },
            Quota(requests=Window(0, 0.0)),
        ),
        ({"x-ratelimit-remaining-tokens": "-5"}, Quota(tokens=Window(0, UNSAID_RESET_S))),
        ({"x-ratelimit-remaining-requests": "many", "x-ratelimit-reset-requests": "1s"}, None),
        ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "soon"}, None),
        ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "2023-11-14T22:13:21"}, None),
        ({"x-ratelimit-remaining-requests": "inf"}, None),
    ],
)
def test_headers_are_read(headers: dict[str, str], expected: Quota | None) -> None:
    assert read_quota(headers, lambda: NOW) == expected


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
                "anthropic-ratelimit-tokens-remaining",
                "anthropic-ratelimit-tokens-reset",
            ]
        ),
        st.one_of(
            st.text(max_size=12),
            st.integers().map(str),
            st.floats().map(str),
            st.from_regex(r"\A\d{1,6}(ms|s|m|h|d)\d{0,3}s?\Z"),
        ),
    )
)
def test_whatever_they_hold_is_read_or_passed_over(headers: dict[str, str]) -> None:
    quota = read_quota(headers, lambda: NOW)
    for window in (quota.requests, quota.tokens) if quota else ():
        assert window is None or (window.remaining >= 0 and 0 <= window.reset_s < float("inf"))
