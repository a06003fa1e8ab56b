"""What a policy costs a call: the question, and an answer that is streamed."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bench.guards.measuring import forget
from bench.guards.texts import KINDS, SIZES, cut, hostile
from moat.documents import decode, read_yaml
from moat.domain.calls import Delta, Finished
from moat.domain.errors import ConfigError, GuardBlocked
from moat.domain.policies import PolicyConfig
from moat.guards.engine.memory import MOST, Memory
from moat.guards.engine.policing import PolicyGuards
from moat.guards.engine.rules import compiled
from moat.testing.fakes import new_call

DEFAULT = Path(__file__).parents[2] / "examples/support-assistant/policies/baseline.yaml"
"""The default policy: what `moat init` writes."""

SEEN = "law"
"""The kind of text that is measured once more as one in which nothing was found before."""
FAMILIAR = ("requests", "letters")
"""The kinds that are measured once more as new texts of sentences that were seen before."""
_MOST_TEXTS = 40
_SECONDS = 2.0
"""Of measuring, for each kind and size."""
_FEWEST_RUNS = 5
_TICK = 0.001


class Cost(NamedTuple):
    """Processor time of one kind of text."""

    text: str
    size: str
    p50: float
    """Microseconds of one question, from the call to the call that goes on."""
    p99: float
    per_kb: float
    """Microseconds per 1,024 characters, at the median."""
    runs: int


class Delay(NamedTuple):
    """How late the event loop is, in milliseconds."""

    during: str
    p50: float
    p99: float
    worst: float


class Stream(NamedTuple):
    """What an answer costs that comes in pieces."""

    through: str
    per_piece: float
    """Microseconds of processor time."""
    held: float
    """Characters that wait, on average."""


class Measured(NamedTuple):
    """All of it."""

    costs: list[Cost]
    hostile: list[Cost]
    """The five slowest of the texts that are made to be slow, of 200 KB."""
    delays: list[Delay]
    streams: list[Stream]


def measured() -> Measured:
    """Some minutes."""
    return Measured(list(costs()), worst(), list(delays()), list(streams()))


def show(found: Measured) -> str:
    """Tables in Markdown."""
    lines = ["| question | 2 KB: p50 us | p99 us | 20 KB: p50 us | p99 us | 200 KB: p50 ms | p99 ms |"]
    lines.append("|---|" + "--:|" * 6)
    by_text = {(cost.text, cost.size): cost for cost in found.costs}
    for kind in dict.fromkeys(cost.text for cost in found.costs):
        small, middle, large = (by_text[kind, size] for size in SIZES)
        written = [f"{took:,.0f}" for cost in (small, middle) for took in (cost.p50, cost.p99)]
        written += [f"{took / 1e3:,.0f}" for took in (large.p50, large.p99)]
        lines.append(f"| {kind} | {' | '.join(written)} |")
    lines += [f"| {cost.text} (made to be slow) | | | | | {cost.p50 / 1e3:,.0f} | |" for cost in found.hostile]
    lines += ["", "| beside the event loop | its delay, p50 ms | p99 ms | longest ms |", "|---|--:|--:|--:|"]
    lines += [f"| {late.during} | {late.p50:.1f} | {late.p99:.1f} | {late.worst:.1f} |" for late in found.delays]
    lines += ["", "| stream through | us per piece | characters held back |", "|---|--:|--:|"]
    lines += [f"| {stream.through} | {stream.per_piece:.1f} | {stream.held:.0f} |" for stream in found.streams]
    return "\n".join(lines)


def default(remembered: int = 0) -> PolicyGuards:
    """The guards of the default policy. `remembered`: texts; without it each is looked at as if it were new."""
    policy = compiled(decode(read_yaml(DEFAULT, name=DEFAULT.name), PolicyConfig, error=ConfigError))
    return PolicyGuards([policy], memory=Memory(remembered))


def costs(seconds: float = _SECONDS) -> Iterator[Cost]:
    """For each kind of text and each size."""
    guards = default()
    first = "The first ones load what is needed. Call 020 7946 0018."
    for text in (first, *cut("requests", 2_048, 20), *cut("data in each line", 2_048, 20)):
        asyncio.run(_ask(guards, text))
    for size, characters in SIZES.items():
        for kind in KINDS:
            texts = cut(kind, characters, _MOST_TEXTS)
            times = sorted(asyncio.run(_times(guards, texts, seconds)))
            yield _cost(kind, size, characters, times)
        for kind in FAMILIAR:
            texts = cut(kind, characters, _MOST_TEXTS)
            times = sorted(asyncio.run(_times(guards, texts, seconds, familiar=True)))
            yield _cost(f"{kind}, each sentence seen before", size, characters, times)
    remembering = default(MOST)
    for size, characters in SIZES.items():
        times = sorted(asyncio.run(_times(remembering, cut(SEEN, characters, _MOST_TEXTS), seconds)))
        yield _cost(f"{SEEN}, seen before", size, characters, times)


def _cost(text: str, size: str, characters: int, times: Sequence[float]) -> Cost:
    p50, p99 = _at(times, 0.5), _at(times, 0.99)
    return Cost(text, size, p50, p99, p50 * 1024 / characters, len(times))


def worst(count: int = 5) -> list[Cost]:
    """The slowest of the texts that are made to be slow."""
    guards, found = default(), list[Cost]()
    for name, text in hostile(SIZES["200 KB"]).items():
        took = min(asyncio.run(_ask(guards, text)) for _ in range(2))
        found.append(Cost(name, "200 KB", took, took, took * 1024 / len(text), 2))
    return sorted(found, key=lambda cost: -cost.p50)[:count]


def delays(seconds: float = 3.0) -> Iterator[Delay]:
    """Of a loop that has nothing else to do, and beside questions of 200 KB that are looked at in threads."""
    guards, questions = default(), cut("requests", SIZES["200 KB"], 4)
    for many in (0, 1, 4):
        late = sorted(asyncio.run(_beside(guards, questions, many, seconds)))
        name = f"{many} of 200 KB at a time" if many else "nothing"
        yield Delay(name, _at(late, 0.5), _at(late, 0.99), late[-1])


def streams(answers: int = 300) -> Iterator[Stream]:
    """An answer of 50 pieces, unguarded and guarded."""
    text = cut("letters", 1_000, 1)[0]
    pieces = [text[at : at + 20] for at in range(0, len(text), 20)]
    for name, guards in (("no guards", None), ("the default policy", default())):
        spent, held = asyncio.run(_streamed(guards, pieces, answers))
        yield Stream(name, spent / answers / len(pieces), held)


async def _ask(guards: PolicyGuards, text: str, *, familiar: bool = False) -> float:
    """`familiar`: its sentences may have been seen before."""
    call = new_call(text)
    if not familiar:
        forget()
    began = time.process_time_ns()
    watch = guards.watch(call)
    assert watch is not None
    with suppress(GuardBlocked):
        await watch.ask(call)
    return (time.process_time_ns() - began) / 1e3


async def _times(guards: PolicyGuards, texts: Sequence[str], seconds: float, *, familiar: bool = False) -> list[float]:
    for text in texts if familiar else ():
        await _ask(guards, text, familiar=True)
    times: list[float] = []
    until = time.perf_counter() + seconds
    while len(times) < _FEWEST_RUNS or time.perf_counter() < until:
        times += [await _ask(guards, text, familiar=familiar) for text in texts]
    return times


async def _beside(guards: PolicyGuards, questions: Sequence[str], many: int, seconds: float) -> list[float]:
    until = time.perf_counter() + seconds

    async def asks(question: str) -> None:
        while time.perf_counter() < until:
            await _ask(guards, question)

    async def ticks() -> list[float]:
        late: list[float] = []
        while (began := time.perf_counter()) < until:
            await asyncio.sleep(_TICK)
            late.append((time.perf_counter() - began - _TICK) * 1e3)
        return late

    async with asyncio.TaskGroup() as group:
        for question in questions[:many]:
            group.create_task(asks(question))
        ticking = group.create_task(ticks())
    return ticking.result()


async def _streamed(guards: PolicyGuards | None, pieces: Sequence[str], answers: int) -> tuple[float, float]:
    """Microseconds in all, and characters held back on average."""
    held = heard = 0
    began = time.process_time_ns()
    for _ in range(answers):
        call = new_call("What is new?", stream=True)
        watch = guards.watch(call) if guards is not None else None
        hearing = watch.listen(call) if watch is not None else None
        came = gone = 0
        for piece in pieces:
            event = Delta(text=piece)
            passed = (event,) if hearing is None else await hearing.hear(event)
            came += len(piece)
            gone += sum(len(each.text) for each in passed if isinstance(each, Delta))
            held, heard = held + came - gone, heard + 1
        if hearing is not None:
            await hearing.hear(Finished(reason="stop"))
            await hearing.end()
    return (time.process_time_ns() - began) / 1e3, held / heard


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
