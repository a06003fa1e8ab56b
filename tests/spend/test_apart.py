"""What another process says of published prices is what is published."""

import subprocess
import sys

import msgspec
import pytest

from moat.ports.models import Capacity
from moat.spend import apart
from moat.spend.apart import Found, Question, capacity, learn, tariff
from moat.spend.published import published, published_capacity

KNOWN = Question("gpt-4o", "https://api.openai.com/v1", "openai")
UNKNOWN = Question("our-own", "http://127.0.0.1:9/v1", "openai")


def test_what_is_learnt_is_what_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_learnt", {})
    learn([KNOWN, UNKNOWN, KNOWN])
    assert set(apart._learnt) == {KNOWN, UNKNOWN}
    for question in (KNOWN, UNKNOWN):
        assert tariff(question) == published(*question)
        assert capacity(question) == published_capacity(*question)
    assert tariff(KNOWN) is not None
    assert tariff(UNKNOWN) is None


def test_the_process_that_learns_does_not_load_the_package() -> None:
    code = (
        "import sys; from moat.spend.apart import *; q = Question('gpt-4o', 'https://api.openai.com/v1', 'openai');"
        "learn([q]);"
        "assert tariff(q).periods and capacity(q).context; print('genai_prices' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "False"


def test_what_is_known_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Found(published(*KNOWN), published_capacity(*KNOWN))
    monkeypatch.setattr(apart, "_learnt", {KNOWN: known})
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("asked"))
    learn([KNOWN])
    assert (tariff(KNOWN), capacity(KNOWN)) == (known.tariff, known.capacity)


@pytest.mark.parametrize("kind", ["simulated", "replay"])
def test_no_process_is_asked_for_what_nobody_publishes(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("asked"))
    own = Question("gpt-4o", "", kind)
    learn([own])
    assert (tariff(own), capacity(own)) == (None, Capacity())


@pytest.mark.parametrize("printed", [b"", b"[{}]", b"nonsense"])
def test_without_an_answer_it_is_looked_up_here(monkeypatch: pytest.MonkeyPatch, printed: bytes) -> None:
    monkeypatch.setattr(apart, "_learnt", {})
    ran = subprocess.CompletedProcess[bytes]([], 0, printed, b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ran)
    learn([KNOWN])
    assert tariff(KNOWN) == published(*KNOWN)


def test_it_answers_on_standard_output() -> None:
    asked = msgspec.json.encode([KNOWN])
    ran = subprocess.run(
        [sys.executable, "-m", apart.__name__], input=asked, capture_output=True, timeout=60, check=True
    )
    assert msgspec.json.decode(ran.stdout, type=list[Found]) == [Found(published(*KNOWN), published_capacity(*KNOWN))]


def test_a_process_that_cannot_be_started_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_learnt", {})
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    learn([KNOWN])
    assert capacity(KNOWN) == published_capacity(*KNOWN)
