"""What is left of a limit, told with each answer."""

from typing import Any

from moat.domain.config import LimitConfig
from moat.domain.usage import Usage
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import Start
from tests.gateway.test_limits import HELLO, Billing, ledger

ASKED: Any = HELLO


def test_answers_tell_how_near_the_nearest_limits_are(start: Start) -> None:
    books = ledger(
        LimitConfig(name="wide", requests=1000, window="hour"),
        LimitConfig(name="narrow", requests=3, per=["key"], window="minute"),
        LimitConfig(name="tokens", tokens=100_000, window="day"),
        LimitConfig(name="soft", requests=1, window="day", action="warn"),
    )
    gateway = start(Billing(Usage(input=40, output=60)), ledger=books)
    told = []
    for _ in range(2):
        answer = gateway.client().chat.completions.with_raw_response.create(model="assistant", messages=ASKED)
        told.append({name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit")})
    first, second = told
    assert first["x-ratelimit-limit-requests"] == "3"
    assert [each["x-ratelimit-remaining-requests"] for each in told] == ["2", "1"]
    assert first["x-ratelimit-limit-tokens"] == "100000"
    assert [each["x-ratelimit-remaining-tokens"] for each in told] == ["100000", "99900"]
    assert 0 < int(second["x-ratelimit-reset-requests"].removesuffix("s")) <= 60


def test_streams_tell_it_too_and_without_limits_nothing_is_told(start: Start) -> None:
    limited = start(ScriptedProvider("Hello"), ledger=ledger(LimitConfig(name="rate", requests=9, window="minute")))
    with limited.client().chat.completions.with_streaming_response.create(
        model="assistant", messages=ASKED, stream=True
    ) as answer:
        assert answer.headers["x-ratelimit-remaining-requests"] == "8"
    free = start(ScriptedProvider("Hello"))
    plain = free.client().chat.completions.with_raw_response.create(model="assistant", messages=ASKED)
    assert not [name for name in plain.headers if name.startswith("x-ratelimit")]
