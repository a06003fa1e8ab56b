"""Published prices and sizes without their package in this process: it takes 20 MiB for the few numbers of a project.

    python -m moat.spend.apart      reads questions from standard input, writes what is published to standard output

A server that stays up lets such a process `learn` what it will ask; commands, which end soon, look it up themselves.
"""

import subprocess
import sys
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from moat.ports.models import Capacity
from moat.spend.prices import Tariff
from moat.spend.published import is_publishable, published, published_capacity

SECONDS = 30
"""How long the other process may take: it needs half of one."""


class Question(NamedTuple):
    """A model, the address it is asked at, and the kind of provider or its preset."""

    model: str
    base_url: str
    kind: str


class Found(msgspec.Struct, frozen=True):
    """What is published of a model."""

    tariff: Tariff | None
    capacity: Capacity


_learnt: dict[Question, Found] = {}


def learn(questions: Iterable[Question]) -> None:
    """Have the answers at hand. When the other process fails, they are looked up here when they are needed."""
    asked = [question for question in dict.fromkeys(questions) if is_publishable(question.base_url, question.kind)]
    new = [question for question in asked if question not in _learnt]
    if not new:
        return
    argv = (sys.executable, "-m", __name__)
    try:
        ran = subprocess.run(argv, input=msgspec.json.encode(new), capture_output=True, timeout=SECONDS, check=True)
        found = msgspec.json.decode(ran.stdout, type=list[Found])
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError):
        return
    _learnt.update(zip(new, found, strict=True))


def tariff(question: Question) -> Tariff | None:
    """See `published`."""
    found = _learnt.get(question)
    return published(*question) if found is None else found.tariff


def capacity(question: Question) -> Capacity:
    """See `published_capacity`."""
    found = _learnt.get(question)
    return published_capacity(*question) if found is None else found.capacity


def main() -> None:
    """Answer."""
    questions = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Question])
    found = [Found(published(*question), published_capacity(*question)) for question in questions]
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
