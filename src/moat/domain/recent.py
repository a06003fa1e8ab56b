"""Answers that take long and are asked for often: worked out once, and given again for a while."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class _Attempt:
    """One working out, under way or over."""

    def __init__(self) -> None:
        self.future = Future[Any]()
        self.ended: float | None = None
        """When, by the monotonic clock; None: somebody is at it."""

    def serves(self, now: float, seconds: float, failed_seconds: float) -> bool:
        """May it be given to somebody who asks now?"""
        if self.ended is None:
            return True
        return now - self.ended < (failed_seconds if self.future.exception() is not None else seconds)


class Recent:
    """Of the threads that ask for one name, one works it out and the others wait for what it finds; whoever asks for
    another name waits for none of them. Threads may share it.
    """

    def __init__(self, most: int, *, failed_seconds: float = 0.0) -> None:
        """Keeps `most` names. A failure is given again for `failed_seconds`, to those who come after it."""
        self._most = most
        self._failed_seconds = failed_seconds
        self._kept: OrderedDict[Hashable, _Attempt] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: Hashable, seconds: float, make: Callable[[], T]) -> T:
        """One that was finished not longer than so many seconds ago, or a new one. Raises what `make` raises."""
        with self._lock:
            attempt = self._kept.get(name)
            if attempt is not None and attempt.serves(time.monotonic(), seconds, self._failed_seconds):
                mine = False
            else:
                mine, attempt = True, _Attempt()
                self._kept[name] = attempt
                self._kept.move_to_end(name)
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        if mine:
            self._work_out(attempt, make)
        return attempt.future.result()  # type: ignore[no-any-return]  # what `make` of the same name made

    @staticmethod
    def _work_out(attempt: _Attempt, make: Callable[[], Any]) -> None:
        try:
            made = make()
        except BaseException as error:
            attempt.future.set_exception(error)
            raise
        else:
            attempt.future.set_result(made)
        finally:
            attempt.ended = time.monotonic()
