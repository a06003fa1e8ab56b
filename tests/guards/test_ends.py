"""However a call ends: what guards have not looked at is not kept, and what they did is."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace as with_fields
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from moat.domain.calls import Call, Delta, Finished
from moat.domain.errors import DeadlinePassed, GuardBlocked, MoatError, ProviderDown, RequestError
from moat.domain.guards import DataClass
from moat.domain.releases import MessageTemplate, PromptRef, PromptVersion
from moat.guards import detector
from moat.guards.detector import Context, Hit
from moat.guards.remote import Bench, RemoteDetector
from moat.guards.text import Text
from moat.pipeline.aside import BESIDE_THE_LOOP
from moat.pipeline.recipe import build
from moat.testing.fakes import FixedModels, FixedPrompts, new_call
from moat.testing.scripted import Step, says
from tests.guards.test_engine import World, guards
from tests.guards.toys import KINDS, Digits
from tests.pipeline import test_handling
from tests.pipeline.test_compose import drain

pytestmark = pytest.mark.anyio

NUMBER = "1234567"
LONG = "word " * (BESIDE_THE_LOOP // 5 + 1)
REDACT: dict[str, Any] = {"use": "digits", "action": "redact"}

HELD = threading.Event()
"""Set: `Slow` goes on."""
LOOKING = threading.Event()
"""Set: `Slow` has begun."""


class Slow(Digits, frozen=True):
    """Looks as long as the test wants it to."""

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """The same."""
        LOOKING.set()
        HELD.wait(60)
        return super().detect(text, context)


class Names(RemoteDetector, frozen=True):
    """Knows one name, and asks somebody for it."""

    holds: ClassVar[DataClass | None] = "personal"
    joined: ClassVar[bool] = False
    never: bool = False
    """Does it get no answer?"""

    async def look(self, text: Text, context: Context, bench: Bench) -> Iterable[Hit]:
        """After a while."""
        await asyncio.sleep(60 if self.never else 0)
        at = text.original.find("Ada")
        return [Hit("name", at, at + 3, 1.0)] if at >= 0 else []


class Tattles(RemoteDetector, frozen=True):
    """Notes what it would ask about."""

    joined: ClassVar[bool] = False
    heard: ClassVar[list[str]] = []

    async def look(self, text: Text, context: Context, bench: Bench) -> Iterable[Hit]:
        """Nothing."""
        self.heard.append(bench.hide(text.original))
        return ()


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    own = {name.lower(): f"{__name__}:{name}" for name in ("Slow", "Names", "Tattles")}
    for kind, place in {**KINDS, **own}.items():
        monkeypatch.setitem(detector.REGISTERED, kind, place)
    HELD.clear()
    LOOKING.clear()
    yield
    HELD.set()


async def ended(world: World, call: Call, error: type[BaseException]) -> None:
    with pytest.raises(error):
        await world.answer(call)


@pytest.mark.promise("guard-2")
async def test_a_question_whose_deadline_passes_while_it_is_looked_at_is_not_kept() -> None:
    world = World(guards({"use": "slow", "action": "redact"}))
    await ended(world, replace(new_call(LONG + NUMBER), patience_ns=50_000_000), DeadlinePassed)
    assert LOOKING.is_set()
    assert NUMBER not in world.kept
    assert world.spool.calls[0].error == "deadline_passed"


@pytest.mark.promise("guard-2")
@pytest.mark.parametrize("rules", [[{"use": "slow", "action": "redact"}], [{"use": "slow", "action": "block"}]])
async def test_a_question_whose_caller_hangs_up_while_it_is_looked_at_is_not_kept(rules: list[dict[str, Any]]) -> None:
    world = World(guards(*rules))
    task = asyncio.ensure_future(world.answer(new_call(LONG + NUMBER)))
    await asyncio.to_thread(LOOKING.wait, 60)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert world.spool.calls
    assert NUMBER not in world.kept


@pytest.mark.promise("guard-2")
async def test_a_question_that_is_refused_before_anybody_looks_is_not_kept() -> None:
    world = World(guards(REDACT))
    await ended(world, new_call(f"I am {NUMBER}", n=2), RequestError)
    assert NUMBER not in world.kept


@pytest.mark.promise("guard-2")
@pytest.mark.parametrize("action", ["redact", "block"])
async def test_what_a_provider_says_of_an_error_is_told_and_kept_without_data(action: str) -> None:
    def fails(text: str) -> list[Step]:
        return [ProviderDown(text)]

    world = World(guards({**REDACT, "action": action, "on": ["output"]}), *[fails(f"no room for {NUMBER}")] * 4)
    with pytest.raises(ProviderDown) as caught:
        await world.answer(new_call("hi"))
    assert caught.value.what == "no room for <NUMBER_1>"
    assert NUMBER not in world.kept
    assert "no room for <NUMBER_1>" in world.kept


@pytest.mark.promise("guard-2")
async def test_so_is_what_it_said_last_before_the_deadline_passed() -> None:
    world = World(guards({**REDACT, "on": ["output"]}), [ProviderDown(f"no room for {NUMBER}")])
    late = FixedModels({"assistant": ["fake/large"]}, {"fake": world.provider}, deadline=0.0)
    world.run = build(with_fields(world.ports, models=late))
    with pytest.raises(DeadlinePassed, match="no room for <NUMBER_1>") as caught:
        await world.answer(new_call("hi"))
    assert NUMBER not in f"{caught.value!r} {caught.value}"
    assert NUMBER not in world.kept


@pytest.mark.promise("guard-2")
async def test_so_is_what_was_said_of_one_before_another_try_went_well() -> None:
    world = World(guards({**REDACT, "on": ["output"]}), [ProviderDown(f"no room for {NUMBER}")], says("fine"))
    both = FixedModels({"assistant": ["fake/large", "fake/own"]}, {"fake": world.provider})
    world.run = build(with_fields(world.ports, models=both))
    assert (await world.answer(new_call("hi"))).text == "fine"
    assert NUMBER not in world.kept
    assert "no room for <NUMBER_1>" in world.kept


@pytest.mark.promise("guard-2")
async def test_a_call_that_ends_before_its_guards_are_known_is_not_kept() -> None:
    prompt = PromptVersion(
        name="greet", version="1.0.0", messages=(MessageTemplate("user", "{{ name }}"),), model="assistant"
    )
    world = World(guards(REDACT))
    run = build(with_fields(world.ports, prompts=FixedPrompts(prompt)))
    for name in ("greet", "nobody"):
        call = new_call(f"I am {NUMBER}")
        call = replace(call, prompt=PromptRef(name=name, version="1.0.0"))
        with pytest.raises(MoatError):
            await drain(run(call))
    assert len(world.spool.calls) == 2
    assert NUMBER not in world.kept


async def test_where_no_guard_withholds_data_a_call_that_ends_early_is_kept() -> None:
    world = World(guards({"use": "digits", "action": "flag"}, {"use": "swears", "action": "block"}))
    await ended(world, new_call(f"I am {NUMBER}", n=2), RequestError)
    assert NUMBER in world.kept
    assert "one at a time" in world.spool.calls[0].error_message


@pytest.mark.promise("guard-2")
async def test_what_a_guard_that_asks_somebody_would_withhold_is_not_kept_when_it_is_not_asked() -> None:
    rules = [{"use": "swears", "action": "block"}, {"use": "names", "action": "redact"}]
    world = World(guards(*rules))
    await ended(world, new_call("darn, I am Ada"), GuardBlocked)
    assert "Ada" not in world.kept
    assert world.spool.calls[0].guard == "block"
    never = {"use": "names", "action": "redact", "with": {"never": True}, "timeout": 60}
    world = World(guards(REDACT, never))
    await ended(world, replace(new_call(f"I am Ada, {NUMBER}"), patience_ns=50_000_000), DeadlinePassed)
    assert "Ada" not in world.kept
    assert NUMBER not in world.kept
    assert world.spool.calls[0].guard == "redact"


@pytest.mark.promise("guard-2")
async def test_nobody_is_asked_about_what_another_guard_withholds() -> None:
    rules = [{"use": "tattles", "action": "flag"}, {"use": "names", "action": "redact"}]
    Tattles.heard.clear()
    await World(guards(*rules), says("Hello Ada.")).answer(new_call("I am Ada"))
    assert len(Tattles.heard) == 2
    assert "Ada" not in str(Tattles.heard)


@pytest.mark.promise("guard-2")
async def test_an_answer_whose_caller_hangs_up_while_it_is_looked_at_is_not_kept() -> None:
    world = World(
        guards({"use": "slow", "action": "redact", "on": ["output"]}),
        [Delta(text=LONG + NUMBER), Finished(reason="stop")],
    )
    task = asyncio.ensure_future(world.answer(new_call()))
    await asyncio.to_thread(LOOKING.wait, 60)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert world.spool.calls
    assert NUMBER not in world.kept


async def test_what_was_redacted_of_an_answer_that_is_cut_is_recorded() -> None:
    steps: list[Step] = [Delta(text=f"It is {NUMBER}. "), *[Delta(text="word ")] * 200, ProviderDown("gone")]
    world = World(guards({**REDACT, "on": ["output"]}), steps)
    await ended(world, new_call(stream=True), ProviderDown)
    assert world.spool.calls[0].guard == "redact"
    assert NUMBER not in world.kept


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "rule",
    [
        {"action": "retry"},
        {"action": "retry", "fallback": {"model": "internal"}},
        {"action": "fallback", "fallback": {"model": "internal"}},
    ],
)
async def test_a_call_that_is_blocked_after_all_else_is_recorded_as_blocked(rule: dict[str, Any], stream: bool) -> None:
    world = World(guards({"use": "swears", "on": ["output"], **rule}), *[says("darn")] * 3)
    await ended(world, new_call(stream=stream), GuardBlocked)
    span = world.spool.calls[0]
    assert span.guard == "block"
    verdicts = [verdict["action"] for verdict in span.attributes["moat.guards"]]
    assert verdicts[-1] == "block"
    assert "block" not in verdicts[:-1]


async def test_a_question_that_no_fixed_answer_can_stand_in_for_is_recorded_as_blocked() -> None:
    rule = {"use": "swears", "on": ["input"], "action": "fallback", "fallback": {"answer": "no"}}
    world = World(guards(rule))
    call = replace(new_call(), operation="completions", messages=[], params={"prompt": "darn"})
    await ended(world, call, GuardBlocked)
    assert world.spool.calls[0].guard == "block"


def free(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """To be called in a thread: comes back once the loop is free."""

    async def nothing() -> None:
        pass

    def wait() -> None:
        assert threading.current_thread() is not threading.main_thread()
        asyncio.run_coroutine_threadsafe(nothing(), loop).result(timeout=60)

    return wait


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("pieces", [1, 3])
async def test_long_answers_are_judged_beside_the_loop_in_order(
    monkeypatch: pytest.MonkeyPatch, stream: bool, pieces: int
) -> None:
    wait, detect = free(asyncio.get_running_loop()), Digits.detect
    on_the_loop = list[int]()

    def watched(self: Digits, text: Text, context: Context) -> Iterator[Hit]:
        if threading.current_thread() is threading.main_thread():
            on_the_loop.append(len(text.original))
        else:
            wait()
        return detect(self, text, context)

    monkeypatch.setattr(Digits, "detect", watched)
    steps: list[Step] = [Delta(text=f"{LONG}{NUMBER}{number}. ") for number in range(pieces)]
    world = World(guards({**REDACT, "on": ["output"]}), [*steps, Finished(reason="stop")])
    answer = await world.answer(new_call(stream=stream))
    assert answer.text == "".join(f"{LONG}<NUMBER_{number + 1}>. " for number in range(pieces))
    assert sum(on_the_loop) < BESIDE_THE_LOOP  # the end of it is short


async def test_bodies_are_judged_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    wait, detect = free(asyncio.get_running_loop()), Digits.detect

    def watched(self: Digits, text: Text, context: Context) -> Iterator[Hit]:
        wait()
        return detect(self, text, context)

    monkeypatch.setattr(Digits, "detect", watched)
    raw = b'{"choices": [{"index": 0, "text": "%s"}]}' % f"{LONG}{NUMBER}.".encode()
    world = World(guards({**REDACT, "on": ["output"]}), [Delta(raw=raw), Finished(reason="stop")])
    call = replace(new_call(), operation="completions", messages=[], params={"prompt": "Hi"})
    assert "<NUMBER_1>" in (await world.answer(call)).text


@pytest.mark.parametrize("finished", [True, False])
async def test_what_is_kept_of_a_long_call_is_looked_at_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    world = test_handling.World([says("fine")])
    wait, look = free(asyncio.get_running_loop()), world.policy.finder.look

    def watched(text: str, *place: Any) -> Any:
        if len(text) > BESIDE_THE_LOOP:
            wait()
        return look(text, *place)

    monkeypatch.setattr(world.policy.finder, "look", watched)
    call = new_call(LONG + test_handling.EMAIL)
    if finished:
        await world.answer(call)
    else:  # before `Classify`
        with pytest.raises(RequestError):
            await world.answer(test_handling.declared(call, "unheard"))
    assert len(world.spool.calls) == 1
    assert test_handling.EMAIL not in world.kept


async def test_a_record_that_nobody_waits_for_is_written_without_content(monkeypatch: pytest.MonkeyPatch) -> None:
    world = test_handling.World([says("answer " + LONG + test_handling.EMAIL)])
    looking, held, look = threading.Event(), threading.Event(), world.policy.finder.look

    def watched(text: str, *place: Any) -> Any:
        if text.startswith("answer"):
            looking.set()
            held.wait(60)
        return look(text, *place)

    monkeypatch.setattr(world.policy.finder, "look", watched)
    task = asyncio.ensure_future(world.answer(new_call()))
    await asyncio.to_thread(looking.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.set()
    assert len(world.spool.calls) == 1
    assert world.spool.calls[0].input is None
    assert test_handling.EMAIL not in world.kept
