"""A deployment that falls silent is noticed before its calls end, and a slow one is not mistaken for it."""

import asyncio
import heapq
import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.domain.calls import Deployment
from moat.domain.config import BreakerConfig
from moat.domain.errors import CircuitOpen, ProviderDown, ProviderOverloaded, ProviderRefused, ProviderTimeout
from moat.pipeline.endings import HUNG_UP
from moat.ports.models import Kind
from moat.routing import silence
from moat.routing.health import DeploymentHealth
from moat.testing.fakes import FakeClock

AT = Deployment("main", "large")
CHAT: Kind = ("chat", True)
WHOLE: Kind = ("chat", False)
NEVER = 1e9


class World:
    """Calls at one deployment, played in the order of time."""

    def __init__(self, **rules: float) -> None:
        self.clock = FakeClock()
        self.health = DeploymentHealth(self.clock, BreakerConfig(**rules))  # type: ignore[arg-type]
        self.left_alone: list[float] = []
        """When calls were turned away."""
        self._events: list[tuple[float, int, str, int, Kind, float, float]] = []
        self._order = itertools.count()

    @property
    def now(self) -> float:
        return self.clock.monotonic_ns() / 1e9

    @property
    def state(self) -> str:
        return self.health.snapshot()[0].state

    def calls(self, at: Iterable[float], takes: float, *, patience: float = NEVER, kind: Kind = CHAT) -> None:
        """Calls at these times, whose first piece comes after so long, if their callers wait for it."""
        for time in at:
            self._push(time, "call", 0, kind, takes, patience)

    def play(self, until: float) -> None:
        """Let time pass until then."""
        while self._events and self._events[0][0] <= until:
            time, _, what, number, kind, takes, patience = heapq.heappop(self._events)
            self._go(time)
            if what == "call":
                self._call(kind, takes, patience)
            elif what == "piece":
                self.health.begun(AT, number)
                self.health.note(AT, None, round(takes * 1e9), number)
            else:
                self.health.note(AT, asyncio.CancelledError(HUNG_UP), round(patience * 1e9), number)
        self._go(until)

    def _call(self, kind: Kind, takes: float, patience: float) -> None:
        try:
            number = self.health.check(AT, 0, kind)
        except CircuitOpen:
            self.left_alone.append(self.now)
            return
        if min(takes, patience) < NEVER:
            what = "piece" if takes <= patience else "hang-up"
            self._push(self.now + min(takes, patience), what, number, kind, takes, patience)

    def _push(self, time: float, what: str, number: int, kind: Kind, takes: float, patience: float) -> None:
        heapq.heappush(self._events, (time, next(self._order), what, number, kind, takes, patience))

    def _go(self, time: float) -> None:
        self.clock.advance(max(0.0, time - self.now))


def every(step: float, start: float, end: float) -> list[float]:
    return [start + step * turn for turn in range(int((end - start) / step))]


@pytest.mark.promise("up-7")
@pytest.mark.parametrize("step", [0.01, 0.2, 1.0, 1.9], ids="{}s apart".format)
@pytest.mark.parametrize("takes", [0.001, 0.3, 1.5])
def test_it_is_left_alone_within_ten_seconds_of_going_dark(step: float, takes: float) -> None:
    world = World()
    world.calls(every(step, 0, max(2, 12 * step)), takes)
    dark = max(2, 12 * step) + takes
    world.calls(every(step, dark, dark + 12), NEVER)
    world.play(dark + 10)
    assert world.state == "open"
    assert world.left_alone, "calls were turned away already"
    assert min(world.left_alone) >= dark + silence.QUIET - step


@pytest.mark.promise("up-7")
def test_it_shows_in_the_state_though_no_further_call_comes() -> None:
    world = World()
    world.calls(every(0.1, 0, 2), 0.2)
    world.calls([3.0] * 5, NEVER)
    world.play(7.9)
    assert world.state == "closed"
    world.play(8)
    (state,) = world.health.snapshot()
    assert (state.state, state.wait, state.waiting, state.opened) == ("open", 10, 5, 0)
    with pytest.raises(CircuitOpen, match="main/large has said nothing for a while, with 5 calls waiting") as raised:
        world.health.check(AT)
    assert raised.value.retry_after == pytest.approx(10)
    assert world.health.snapshot()[0].opened == 1


@pytest.mark.promise("up-7")
def test_one_call_probes_and_its_first_piece_lets_calls_flow() -> None:
    world = World()
    world.calls(every(0.1, 0, 2), 0.2)
    world.calls([3.0] * 5 + [9.0], NEVER)
    world.play(18.9)
    assert world.left_alone == [9.0]
    world.calls([19.0, 19.1, 19.5], 0.3)
    world.play(19.2)
    assert (world.state, world.left_alone) == ("half_open", [9.0, 19.1])
    world.play(30)
    assert (world.state, world.left_alone) == ("closed", [9.0, 19.1])
    world.calls([40.0, 60.0], 0.3)
    world.play(70)
    assert world.state == "closed", "what waits since the darkness was overtaken, and says nothing any more"


def test_a_silent_probe_gives_way_to_another() -> None:
    world = World()
    world.calls(every(0.1, 0, 2), 0.2)
    world.calls([3.0] * 5 + [9.0, 19.0, 28.9, 29.0], NEVER)
    world.calls([39.0], 0.2)
    world.play(50)
    assert (world.left_alone, world.state) == ([9.0, 28.9], "closed")


def test_a_slow_one_that_was_taken_for_dark_is_taken_back_as_soon_as_it_answers() -> None:
    world = World()
    world.calls(every(0.1, 0, 2), 0.2)
    world.calls([3.0] * 5, 7)
    world.calls([9.0], 0.2)
    world.play(9.5)
    assert world.state == "open"
    world.play(10)
    assert world.state == "closed"
    world.calls([11.0] * 20, 20)
    world.calls(every(1, 12, 30), 20)
    world.play(31)
    assert world.left_alone == [9.0], "now it is known to take long"


def test_probes_that_fail_are_no_suspicion_any_more() -> None:
    world = World()
    world.calls(every(0.1, 0, 2), 0.2)
    world.calls([3.0] * 5, 30)
    world.calls([9.0], NEVER)
    world.play(19)
    world.health.note(AT, ProviderDown("refused"), 0, world.health.check(AT))
    world.play(33)
    assert world.state == "open", "old calls that end prove nothing against a probe that failed"


def test_callers_that_wait_longer_than_usual_in_vain_count() -> None:
    world = World()
    world.calls(every(0.1, 0, 2), 0.2)
    world.calls(every(2.0, 2.5, 30), NEVER, patience=2.0)
    world.play(12.5)
    assert world.state == "open", "one call after the other, none longer than two seconds"


def test_callers_that_hardly_wait_do_not_count() -> None:
    world = World()
    world.calls(every(0.1, 0, 2), 0.8)
    world.calls(every(0.5, 3, 60), NEVER, patience=2.0)
    world.play(60)
    assert world.left_alone == []


def test_where_nothing_is_known_nothing_is_suspected() -> None:
    world = World()
    world.calls(every(0.1, 0, 60), 90)
    world.calls(every(0.1, 0, 60), NEVER, patience=30)
    world.play(80)
    assert world.left_alone == []


def test_every_kind_of_call_has_its_own_patience() -> None:
    world = World()
    world.calls(every(0.1, 0, 10), 0.2, kind=CHAT)
    world.calls([10.5] * 50, 60, kind=WHOLE)
    world.calls([20.0, 40.0], 0.2, kind=CHAT)
    world.play(65)
    assert world.left_alone == []


def test_answers_under_way_are_a_sign_of_life() -> None:
    """A server of one's own with few slots: while long answers stream, others wait for their turn."""
    world = World()
    world.calls(every(0.1, 0, 2), 0.1)
    world.play(3)
    streams = [world.health.check(AT, 0, CHAT) for _ in range(4)]
    for number in streams:
        world.health.begun(AT, number)
    world.calls([3.0] * 20, NEVER)
    for second in range(4, 60):
        world.play(second)
        world.health.begun(AT, streams[0])
        world.health.note(AT, None, 1, world.health.check(AT, 0, WHOLE)) if second % 9 == 0 else None
    assert world.state == "closed"


def test_a_deployment_that_rested_may_take_its_time_to_wake_up() -> None:
    world = World()
    world.calls(every(0.1, 0, 2), 0.1)
    world.calls([silence.FRESH + 3] * 20, 30)
    world.calls(every(1, silence.FRESH + 4, silence.FRESH + 30), 5)
    world.play(silence.FRESH + 40)
    assert world.left_alone == []


def test_calls_that_are_rare_are_given_longer() -> None:
    world = World()
    world.calls(every(20, 0, 400), 1.0)
    world.calls([390.0] * 8, 40)
    world.calls([401.0, 410.0], 40)
    world.play(440)
    assert world.left_alone == []


def test_a_refusal_is_a_sign_of_life_and_not_how_long_answers_take() -> None:
    world = World()
    for _ in range(20):
        world.health.note(AT, ProviderRefused("no"), 1, world.health.check(AT, 0, CHAT))
    world.calls([0.1] * 20, 60)
    world.calls([20.0], 60)
    world.play(30)
    assert world.left_alone == []
    world = World()
    world.calls(every(0.1, 0, 2), 0.1)
    world.calls([3.0] * 20, NEVER)
    for second in range(4, 20):
        world.play(second)
        error = ProviderOverloaded("429", retry_after=0.001) if second % 2 else ProviderRefused("400")
        world.health.note(AT, error, 1, world.health.check(AT))
    assert world.state == "closed"


def test_failures_and_silence_add_up() -> None:
    world = World()
    world.calls(every(0.1, 0, 2), 0.1)
    world.play(3)
    for _ in range(3):
        world.health.note(AT, ProviderTimeout("idle"), 1, world.health.check(AT))
    world.calls([3.0] * 2 + [8.1], NEVER)
    world.play(9)
    assert world.left_alone == [8.1]


def test_breaker_failures_say_how_many_must_be_silent() -> None:
    world = World(failures=30)
    world.calls(every(0.1, 0, 2), 0.1)
    world.calls([3.0] * 29 + [9.0, 9.1], NEVER)
    world.play(9.95)
    assert world.state == "closed"
    world.play(10.1)
    assert world.state == "open"


def test_a_provider_that_was_replaced_is_not_judged_by_the_calls_of_the_old() -> None:
    world = World()
    world.calls(every(0.1, 0, 2), 0.1)
    world.play(3)
    old = [world.health.check(AT) for _ in range(6)]
    world.health.forget({"main"})
    new = world.health.check(AT)
    assert new > max(old)
    for number in old:
        world.health.note(AT, ProviderDown("x"), 1, number)
        world.health.note(AT, asyncio.CancelledError(HUNG_UP), 1, number)
    (state,) = world.health.snapshot()
    assert (state.state, state.waiting) == ("closed", 1)


gap = st.floats(0.0, 8.0)
impatient = st.sampled_from([NEVER, 0.5, 2.0, 10.0, 60.0])


@settings(max_examples=150, deadline=None)
@given(st.floats(0.01, 120), st.lists(st.tuples(gap, st.floats(0.4, 1.0), impatient), min_size=1, max_size=120))
def test_steady_latency_is_never_mistaken_for_silence(slow: float, calls: list[tuple[float, float, float]]) -> None:
    """However calls come, however impatient callers are: where all answers take between 0.4 and 1 of some time."""
    world = World()
    now = 0.0
    for pause, share, patience in calls:
        now += pause
        world.calls([now], slow * share, patience=patience)
    world.play(now + 200)
    assert (world.left_alone, world.state) == ([], "closed")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 3), st.floats(0.01, 100), impatient, st.booleans()), max_size=100),
    st.floats(0.05, silence.QUIET - 0.5),
)
def test_whoever_speaks_now_and_then_is_not_dark(calls: list[tuple[float, float, float, bool]], apart: float) -> None:
    """Whatever latencies: as long as some answer begins every few seconds."""
    world = World()
    now = 0.0
    for pause, takes, patience, streamed in calls:
        now += pause
        world.calls([now], takes, patience=patience, kind=(("chat", streamed)))
    world.calls(every(apart, 0, now + 100), 0.01)
    world.play(now + 90)
    assert (world.left_alone, world.state) == ([], "closed")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.02, 1.5), st.floats(0.01, 1.6)), min_size=silence.ENOUGH, max_size=60),
    st.lists(st.floats(0.01, 1.2), min_size=40, max_size=40),
    st.sampled_from([NEVER, 60.0, 8.0, 5.0]),
)
def test_whoever_answered_and_falls_silent_is_left_alone_in_time(
    before: list[tuple[float, float]], after: list[float], patience: float
) -> None:
    world = World()
    now = 0.0
    for pause, takes in before:
        now += pause
        world.calls([now], takes)
    dark = now + 1.6
    world.calls([dark, *itertools.accumulate(after, initial=dark)], NEVER, patience=patience)
    world.play(dark + 10)
    assert world.state == "open"
