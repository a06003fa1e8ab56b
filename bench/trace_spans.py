"""Spans as a busy project would record them, the same for a seed: half calls with their content, half attempts."""

import random
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from moat.domain.spans import Span

DAYS = 10
START = 1_760_000_000_000_000_000
END = START + DAYS * 86_400 * 10**9

_SYLLABLES = [f"{start}{vowel}" for start in "bdfgklmnprstvz" for vowel in "aeiou"]
_ERRORS = ("provider_timeout", "provider_down", "provider_overloaded", "stream_cut")
_MODELS = ("gpt-5", "gpt-5-mini", "claude-sonnet-4-5", "gemini-2.5-flash")


def spans(count: int, seed: int = 7) -> Iterator[Span]:
    """Pairs of a call (about 3.3 KB as JSON) and its attempt (0.7 KB), evenly over ten days.

    Texts are sentences of 5,000 made-up words, frequent as words are (Zipf); system messages are those of 20 prompts.
    5,000 users of 20 tenants; two calls of a hundred fail.
    """
    chance = random.Random(seed)
    sentences = _sentences(chance, 20_000)
    systems = [" ".join(chance.choices(sentences, k=10)) for _ in range(20)]
    step = (END - START) // max(1, count // 2)
    for number in range(count // 2):
        yield from _pair(chance, number, START + number * step, sentences, systems)


def _sentences(chance: random.Random, count: int) -> list[str]:
    words = ["".join(chance.choices(_SYLLABLES, k=chance.randrange(1, 5))) for _ in range(5000)]
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    return [
        " ".join(chance.choices(words, cum_weights=weights, k=chance.randrange(6, 18))).capitalize() + "."
        for _ in range(count)
    ]


def _pair(
    chance: random.Random, number: int, started_ns: int, sentences: list[str], systems: list[str]
) -> tuple[Span, Span]:
    trace, call, model = chance.randbytes(16).hex(), chance.randbytes(8).hex(), chance.choice(_MODELS)
    user, prompt = chance.randrange(5000), chance.randrange(20)
    failed = chance.random() < 0.02
    first = chance.randrange(10**8, 10**9)
    shared: dict[str, Any] = {
        "trace_id": trace,
        "request_id": f"req_{chance.randbytes(12).hex()}",
        "environment": "production",
        "tenant": f"tenant-{user % 20}",
        "feature": f"feature-{prompt % 11}",
        "user": f"user-{user}",
        "session": f"session-{user}-{number // 50_000}",
        "key": f"key_{user % 40}",
        "prompt": f"support/prompt-{prompt}",
        "version": "1.4.0",
        "release": f"rel_{prompt:08x}",
        "alias": f"alias-{prompt % 3}",
        "provider": "simulated",
        "model_answered": f"{model}-2026-09-01",
        "input_tokens": chance.randrange(400, 3000),
        "output_tokens": chance.randrange(20, 500),
        "cost": chance.randrange(10**8, 10**10),
        "price_version": "2026-11-01",
        "first_token_ns": first,
        "duration_ns": first + chance.randrange(10**8, 4 * 10**9),
        "finish_reason": "" if failed else "stop",
        "error": chance.choice(_ERRORS) if failed else "",
        "stream": True,
    }

    def text(count: int) -> str:
        return " ".join(chance.choices(sentences, k=count))

    messages = [{"role": "system", "content": systems[prompt]}, {"role": "user", "content": text(8)}]
    whole = Span(
        span_id=call,
        kind="call",
        name="chat",
        started_ns=started_ns,
        model=f"alias-{prompt % 3}",
        attempts=1,
        input={"messages": messages, "params": {"temperature": 0.2}, "variables": {"name": text(1)}},
        output={"text": text(12)},
        **shared,
    )
    attempt = Span(
        span_id=chance.randbytes(8).hex(),
        parent_id=call,
        kind="attempt",
        name=f"chat {model}",
        started_ns=started_ns + 200_000,
        model=model,
        **shared,
    )
    return whole, attempt
