"""Answers that are kept: who waits for whom."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from moat.domain.recent import Recent


def test_what_is_slow_holds_nobody_up_who_asks_for_something_else() -> None:
    recent, begun, go = Recent(8), threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go.wait(60)
        return "slow"

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(recent.get, "slow", 1.0, slow)
        assert begun.wait(60)
        assert recent.get("quick", 1.0, lambda: "quick") == "quick"
        assert not other.done()
        go.set()
        assert other.result() == "slow"


def test_whoever_asks_meanwhile_gets_what_is_being_made() -> None:
    """Also when it took longer than it is kept."""
    recent, go, made = Recent(8), threading.Event(), list[int]()
    inside = threading.Semaphore(0)

    def make() -> int:
        made.append(1)
        inside.release()
        assert go.wait(60)
        return len(made)

    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(recent.get, "one", 0.0, make)
        assert inside.acquire(timeout=60)
        others = [pool.submit(recent.get, "one", 0.0, make) for _ in range(4)]
        while any(not each.running() for each in others):
            pass
        assert not inside.acquire(timeout=0.2)
        go.set()
        assert [each.result() for each in (first, *others)] == [1] * 5
    assert recent.get("one", 3600.0, lambda: 7) == 1, "kept from its end on"
    assert recent.get("one", 0.0, lambda: 7) == 7


def test_a_failure_is_told_again_for_as_long_as_is_said() -> None:
    tries = list[int]()

    def fail() -> int:
        tries.append(1)
        raise ValueError("no")

    for recent, many in ((Recent(8, failed_seconds=3600.0), 1), (Recent(8), 3)):
        tries.clear()
        for _ in range(3):
            with pytest.raises(ValueError, match="no"):
                recent.get("one", 3600.0, fail)
        assert len(tries) == many


def test_what_is_kept_is_bounded() -> None:
    recent = Recent(2)
    for name in range(5):
        recent.get(name, 3600.0, lambda: "old")
    assert [recent.get(name, 3600.0, lambda: "new") for name in (4, 0)] == ["old", "new"]
