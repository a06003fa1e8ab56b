"""How structs are decoded is worked out once, by one thread.

msgspec does so when a type is decoded first, and keeps what it found with the class before it is complete. A second
thread that decodes the type in that moment reads what is not there yet, and the process ends with a segmentation fault
(seen with 0.22).
"""

import atexit
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import msgspec

_one = threading.Lock()
_described: set[Any] = set()
atexit.register(_described.clear)
"""Or they would keep what their modules have of libraries, and DuckDB's complains of that when Python ends."""


def describe(kind: Any) -> None:
    """Work out a type, and all that it has inside, unless that is done. Other threads wait for it."""
    if kind in _described:
        return
    with _one:
        # Some are never decoded, and cannot be: what they hold is worked out where it is decoded. Others, of whatever
        # the process has loaded, name what only type checkers see (`if TYPE_CHECKING`), or nothing at all.
        with contextlib.suppress(Exception):
            msgspec.json.Decoder(kind)
        _described.add(kind)


def describe_all() -> None:
    """The same for every struct there is: before a program begins threads, and again when it has loaded more. Some
    450 take 20 ms.
    """
    for kind in _below(msgspec.Struct):
        describe(kind)


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)
