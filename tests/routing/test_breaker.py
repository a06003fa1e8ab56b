"""The breaker: when it opens, how one call at a time probes, and what late news do not change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.config import BreakerConfig
from moat.routing.breaker import MAX_DOUBLINGS, Breaker, Recent

RULES = BreakerConfig(failures=3, rate=0.5, window=30, cooldown=10)


def tripped(now: float = 0.0) -> Breaker:
    breaker = Breaker(RULES)
    for _ in range(RULES.failures):
        breaker.failed(now, breaker.enter(now))
    assert breaker.state == "open"
    return breaker


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(RULES)
    for outcome in "ffsff":
        number = breaker.enter(0)
        (breaker.failed if outcome == "f" else breaker.succeeded)(0, number)
        assert breaker.state == "closed"
    breaker.failed(0, breaker.enter(0))
    assert (breaker.state, breaker.wait(0), breaker.wait(4), breaker.opened) == ("open", 10, 6, 1)


def test_it_opens_at_a_rate_of_failures_even_with_answers_between() -> None:
    breaker = Breaker(RULES)
    for turn in range(9):
        number = breaker.enter(turn)
        (breaker.failed if turn % 2 == 0 else breaker.succeeded)(turn, number)
        assert breaker.state == "closed", "fewer than ten tries say nothing of a rate"
    breaker.failed(9, breaker.enter(9))
    assert breaker.state == "open"


def test_failures_that_left_the_window_do_not_count() -> None:
    breaker = Breaker(RULES)
    for turn in range(40):
        now = turn * 31.0 / 4  # never more than five tries within one window
        number = breaker.enter(now)
        (breaker.failed if turn % 2 == 0 else breaker.succeeded)(now, number)
    assert breaker.state == "closed"


@pytest.mark.promise("up-7")
def test_exactly_one_call_probes_and_its_answer_closes() -> None:
    breaker = tripped()
    assert breaker.wait(9.9) > 0
    assert breaker.wait(10) == 0
    probe = breaker.enter(10)
    assert (breaker.state, breaker.wait(10) > 0) == ("half_open", True), "all others stay out"
    breaker.begun(probe)
    assert (breaker.state, breaker.wait(10), breaker.in_a_row) == ("closed", 0, 0)


def test_the_cooldown_doubles_with_each_failed_probe_up_to_ten_times() -> None:
    breaker, now, waits = tripped(), 0.0, []
    for _ in range(6):
        now += breaker.wait(now)
        breaker.failed(now, breaker.enter(now))
        waits.append(breaker.wait(now))
    assert waits == [20, 40, 80, 100, 100, 100]
    assert max(waits) == MAX_DOUBLINGS * RULES.cooldown
    now += breaker.wait(now)
    breaker.succeeded(now, breaker.enter(now))
    for _ in range(RULES.failures):
        breaker.failed(now, breaker.enter(now))
    assert breaker.wait(now) == 10, "a success begins anew"


def test_a_probe_that_never_ends_frees_its_place() -> None:
    breaker = tripped()
    lost = breaker.enter(10)
    assert breaker.wait(19) > 0
    assert breaker.wait(20) == 0
    second = breaker.enter(20)
    breaker.failed(21, lost)
    assert breaker.state == "half_open", "the lost one's end is old news"
    breaker.begun(second)
    assert breaker.state == "closed"


def test_a_probe_that_says_nothing_lets_another_probe_at_once() -> None:
    breaker = tripped()
    breaker.abandoned(10, breaker.enter(10))
    assert (breaker.state, breaker.wait(10)) == ("open", 0)


def test_calls_that_were_sent_before_it_opened_change_nothing_later() -> None:
    breaker = Breaker(RULES)
    early = breaker.enter(0)
    for _ in range(RULES.failures):
        breaker.failed(0, breaker.enter(0))
    breaker.succeeded(1, early)
    breaker.begun(early)
    assert breaker.state == "open"
    probe = breaker.enter(10)
    breaker.failed(11, early)
    assert breaker.state == "half_open"
    breaker.succeeded(12, probe)
    assert breaker.state == "closed"


@given(
    st.lists(st.tuples(st.sampled_from("esfba"), st.floats(0, 40)), max_size=80),
    st.integers(1, 6),
)
def test_however_calls_end_at_most_one_probes(steps: list[tuple[str, float]], failures: int) -> None:
    breaker = Breaker(BreakerConfig(failures=failures, cooldown=10))
    now, running, probes = 0.0, [], 0
    for action, pause in steps:
        now += pause
        if action == "e" and breaker.wait(now) == 0:
            was_open = breaker.state != "closed"
            running.append(breaker.enter(now))
            assert (breaker.state == "half_open") == was_open
            probes += was_open
            assert breaker.wait(now) == pytest.approx(breaker.cooldown if was_open else 0)
        elif running and action != "e":
            number = running.pop(0)
            if action == "b":
                breaker.begun(number)
            else:
                {"s": breaker.succeeded, "f": breaker.failed, "a": breaker.abandoned}[action](now, number)
        assert 0 <= breaker.wait(now) <= MAX_DOUBLINGS * 10 + 1e-6
        assert breaker.state in ("closed", "open", "half_open")


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=60))
def test_the_window_counts_what_is_young_and_forgets_what_is_old(tries: list[tuple[float, bool]]) -> None:
    recent, now, seen = Recent(), 0.0, []
    for pause, failed in tries:
        now += pause
        recent.add(now, 10, failed)
        seen.append((now, failed))
    count, failures = recent.counts(now, 10)
    young = [failed for at, failed in seen if at > now - 9]
    alive = [failed for at, failed in seen if at > now - 10 - 1e-6]
    assert len(young) <= count <= len(alive)
    assert sum(young) <= failures <= sum(alive)
