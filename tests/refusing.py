"""What may be refused, and what never may be: so that a reader which refuses everything passes no test."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def unless_refused(
    read: Callable[[], T], refusal: type[Exception] | tuple[type[Exception], ...], *, is_sound: bool
) -> T | None:
    """What was read; None where it was refused, which is an error for what is sound."""
    try:
        return read()
    except refusal:
        if is_sound:
            raise
        return None
