"""What two sequences have in common, bit-parallel: one big integer holds a row of the usual table, so that the work is
its length times its width over the 30 bits of a digit.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def common_length(first: Sequence[T], second: Sequence[T]) -> int:
    """Length of the longest common subsequence (Hyyrö 2004, "Bit-parallel LCS-length computation revisited")."""
    row = (1 << len(first)) - 1
    for current in _rows(first, second):
        row = current
    return len(first) - row.bit_count()


def common_places(first: Sequence[T], second: Sequence[T]) -> list[int]:
    """Places in `first` of one longest common subsequence: the one that ROUGE-1.5.5's table leads to, from the end.
    Where both ways are as good, an item of `first` is left out.
    """
    rows = [(1 << len(second)) - 1, *_rows(second, first)]

    def length(one: int, other: int) -> int:
        return other - (rows[one] & ((1 << other) - 1)).bit_count()

    places, one, other = [], len(first), len(second)
    while one and other:
        if first[one - 1] == second[other - 1]:
            one, other = one - 1, other - 1
            places.append(one)
        elif length(one, other - 1) > length(one - 1, other):
            other -= 1
        else:
            one -= 1
    return places[::-1]


def edit_distance(one: str, other: str) -> int:
    """The least number of characters to insert, delete or replace (Levenshtein 1966; Myers 1999, "A fast bit-vector
    algorithm for approximate string matching", as Hyyrö 2003 has it for the whole distance).
    """
    if not one:
        return len(other)
    places = _places(one)
    full, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    more, less, distance = full, 0, len(one)
    for character in other:
        same = places.get(character, 0)
        level = (((same & more) + more) ^ more) | same | less
        up = less | (~(level | more) & full)
        down = more & level
        distance += bool(up & last) - bool(down & last)
        up = (up << 1) | 1
        down <<= 1
        more = (down | ~(level | up)) & full
        less = up & level & full
    return distance


def _rows(first: Sequence[T], second: Sequence[T]) -> Iterator[int]:
    """After each item of `second`: bit i is 0 where the common length grows with item i of `first`."""
    places = _places(first)
    full = (1 << len(first)) - 1
    row = full
    for item in second:
        matches = row & places.get(item, 0)
        row = (row + matches | row - matches) & full
        yield row


def _places(items: Sequence[T]) -> dict[T, int]:
    places: dict[T, int] = {}
    for index, item in enumerate(items):
        places[item] = places.get(item, 0) | 1 << index
    return places
