"""JSON that names a member twice: one reader takes the first value, another the last, and a guard sees one of them."""

import json
import re
from typing import Any

import msgspec

_NAMED = re.compile(rb'"\s*:')


class NamedTwice(Exception):
    """An object names a member twice."""


def decoded(data: bytes) -> Any:
    """What JSON says. Raises `NamedTwice`, and `msgspec.DecodeError` for what is no JSON."""
    value = msgspec.json.decode(data)
    # A quotation mark and a colon may stand in a text, too: then it is read once more, with all members.
    if len(_NAMED.findall(data)) > _members(value):
        json.loads(data, object_pairs_hook=_once)
    return value


def _members(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_members, value.values()))
    if isinstance(value, list):
        return sum(map(_members, value))
    return 0


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise NamedTwice
    return made
