"""Rates and budgets as clients meet them, over real sockets."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
from msgspec.structs import replace

from moat.domain.calls import Call, Delta, Finished
from moat.domain.config import LimitConfig
from moat.domain.releases import MessageTemplate, PromptVersion
from moat.domain.usage import Usage
from moat.pipeline.estimates import most_input_tokens
from moat.spend.ledger import LimitLedger, Rules
from moat.spend.limits import compiled
from moat.testing.fakes import FakeClock, new_call
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import SECRET, Start

HELLO = [{"role": "user", "content": "Hi"}]


class Billing(ScriptedProvider):
    """Takes its time, and bills what it says."""

    def __init__(self, usage: Usage | None = None, pause: float = 0.005) -> None:
        super().__init__()
        self.billed = 0
        self.usage = usage or Usage(input=1, output=1)
        self.pause = pause

    async def answer(self, call: Call):  # type: ignore[no-untyped-def, override]
        self.calls.append(call)
        await asyncio.sleep(self.pause)
        self.billed += self.usage.total
        yield Delta(text="Hello")
        yield Finished(reason="stop", usage=self.usage, model="m")


def ledger(*limits: LimitConfig) -> LimitLedger:
    made = LimitLedger(FakeClock())
    rules = Rules(compiled(limits), frozenset(), {"assistant": "spare"}, lambda alias, usage: usage.total)
    made.adopt(rules, lambda limit, since_ns: {})
    return made


def limit(**fields: object) -> LimitConfig:
    return LimitConfig(**{"name": "cap", **fields})  # type: ignore[arg-type]


@pytest.mark.promise("money-1")
def test_500_parallel_calls_never_take_more_than_the_budget(start: Start) -> None:
    """A budget for 37 calls at what they bill: one picodollar a token."""
    worst = most_input_tokens(replace(new_call(), messages=HELLO, params={"max_tokens": 1})) + 1
    provider = Billing(Usage(input=worst - 1, output=1))
    cap = 37 * worst
    books = ledger(limit(money=f"{cap / 10**12:.12f}"))
    gateway = start(provider, ledger=books)
    clients = [gateway.client() for _ in range(4)]
    statuses: list[int] = []
    noting = threading.Lock()

    def ask(number: int) -> None:
        try:
            clients[number % 4].chat.completions.create(model="assistant", messages=HELLO, max_tokens=1)
            status = 200
        except openai.RateLimitError as error:
            status = error.status_code
        with noting:
            statuses.append(status)

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(ask, range(500)))

    (balance,) = books.balances()
    assert len(statuses) == 500
    assert statuses.count(200) == 37, "each bills its worst case: exactly so many fit"
    assert statuses.count(200) + statuses.count(429) == 500
    assert provider.billed <= cap
    assert (balance.used, balance.held) == (provider.billed, 0)


def test_a_refusal_is_a_429_that_says_what_and_when(start: Start) -> None:
    gateway = start(Billing(), ledger=ledger(limit(requests=1, window="minute", per=["tenant"])))
    client = gateway.client()
    client.chat.completions.create(model="assistant", messages=HELLO)
    with pytest.raises(openai.RateLimitError) as error:
        client.chat.completions.create(model="assistant", messages=HELLO)
    assert error.value.code == "limit_exceeded"
    assert "1 of 1 requests a minute for tenant acme are used" in error.value.message
    assert 0 < int(error.value.response.headers["retry-after"]) <= 60
    assert gateway.spool.calls[-1].error == "limit_exceeded", "a refused call is recorded"


def test_what_limits_did_is_told_and_recorded(start: Start) -> None:
    provider = Billing()
    gateway = start(provider, ledger=ledger(limit(tokens=0, action="downgrade")))
    answer = gateway.client().chat.completions.with_raw_response.create(model="assistant", messages=HELLO)
    assert answer.headers["x-moat-notice"] == "limit cap: spare answers instead of assistant"
    assert answer.headers["x-moat-deployment"] == "fake/small"
    (call,) = gateway.spool.calls
    assert (call.model, call.alias) == ("assistant", "spare")
    assert call.attributes["moat.notices"] == ["limit cap: spare answers instead of assistant"]


def test_a_capped_call_asks_for_a_shorter_answer(start: Start) -> None:
    provider = Billing()
    gateway = start(provider, ledger=ledger(limit(tokens=100, window="request", action="cap")))
    gateway.client().chat.completions.create(model="assistant", messages=HELLO)
    gateway.client().chat.completions.create(model="assistant", messages=HELLO, max_completion_tokens=500)
    gateway.client().chat.completions.create(model="assistant", messages=HELLO, max_tokens=50)
    assert [call.params for call in provider.calls] == [
        {"max_tokens": 99},
        {"max_completion_tokens": 99},
        {"max_tokens": 50},
    ]
    assert "may have 99 tokens" in gateway.spool.calls[0].attributes["moat.notices"][0]


def test_a_stream_that_is_left_counts_and_leaves_nothing_held(start: Start) -> None:
    class Long(ScriptedProvider):
        async def answer(self, call: Call):  # type: ignore[no-untyped-def, override]
            while True:
                yield Delta(text="word " * 4)
                await asyncio.sleep(0.001)

    books = ledger(limit(tokens=10_000), limit(name="at-once", concurrent=1))
    gateway = start(Long(), ledger=books)
    stream = gateway.client().chat.completions.create(model="assistant", messages=HELLO, stream=True)
    next(iter(stream))
    with pytest.raises(openai.RateLimitError):
        gateway.client().chat.completions.create(model="assistant", messages=HELLO)
    stream.close()
    for _ in range(3000):
        tokens, at_once = books.balances()
        if not tokens.held and not at_once.held:
            break
        threading.Event().wait(0.01)
    assert (tokens.held, at_once.held) == (0, 0)
    assert tokens.used > 0
    assert gateway.spool.calls[-1].usage_estimated


LENGTHS = [
    ("/v1/responses", {"input": "Hi", "max_output_tokens": 1, "max_tokens": 5000}, "says another length"),
    ("/v1/responses", {"input": "Hi", "max_output_tokens": 1, "n": 0}, "1 to 1,000"),
    ("/v1/messages", {"messages": HELLO, "max_tokens": 4_000_000_000_000}, "1 to 10,000,000"),
    ("/v1/chat/completions", {"messages": HELLO, "max_tokens": 2**31 - 1}, "1 to 10,000,000"),
    ("/v1/chat/completions", {"messages": HELLO, "max_tokens": 1, "n": 2000}, "1 to 1,000"),
    ("/v1/chat/completions", {"messages": HELLO, "max_tokens": 1, "max_completion_tokens": 500}, "another length"),
    ("/v1/chat/completions", {"messages": HELLO, "max_tokens": 1, "n_predict": 5000}, "could pass"),
    ("/v1/chat/completions", {"messages": HELLO, "max_tokens": 1, "num_predict": 5000}, "could pass"),
    ("/v1/chat/completions", {"messages": HELLO, "max_tokens": 1, "models": ["dear"]}, "could pass"),
    ("/v1/chat/completions", {"messages": HELLO, "max_tokens": 1, "fallbacks": ["dear"]}, "could pass"),
]


@pytest.mark.promise("money-2")
@pytest.mark.parametrize(("path", "body", "why"), LENGTHS)
def test_no_parameter_asks_for_more_than_is_held(start: Start, path: str, body: dict[str, object], why: str) -> None:
    provider = Billing()
    gateway = start(provider, ledger=ledger(limit(tokens=6000, window="month")))
    answer = httpx.post(
        f"{gateway.url}{path}", json={"model": "assistant", **body}, headers={"authorization": f"Bearer {SECRET}"}
    )
    assert answer.status_code == 400, answer.text
    assert why in answer.json()["error"]["message"]
    assert provider.calls == []


@pytest.mark.promise("money-2")
def test_a_callers_length_takes_the_place_of_the_prompts_by_whatever_name(start: Start) -> None:
    prompt = PromptVersion(
        name="team/brief",
        version="1.0.0",
        model="assistant",
        messages=(MessageTemplate("user", "Hi"),),
        params={"max_completion_tokens": 10},
    )
    provider = Billing()
    gateway = start(provider, prompt, ledger=ledger(limit(tokens=6000, window="month")))
    gateway.client().chat.completions.create(model="prompt:team/brief@1.0.0", messages=[], max_tokens=50)
    assert provider.calls[0].params == {"max_tokens": 50}


@pytest.mark.parametrize("environment", ["eval", "playground"])
def test_nobody_calls_where_other_limits_hold(start: Start, environment: str) -> None:
    provider = Billing()
    gateway = start(provider)
    client = gateway.client(default_headers={"x-moat-environment": environment})
    with pytest.raises(openai.BadRequestError, match="Choose another name"):
        client.chat.completions.create(model="assistant", messages=HELLO)
    assert provider.calls == []
