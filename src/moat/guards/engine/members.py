"""JSON that names a member twice: one reader takes the first value, another the last, and a guard sees one of them."""

import json
import re
from typing import Any

import msgspec

_HOLDERS = (dict, list)
_NAMED = re.compile(rb'"\s*:')


class NamedTwice(Exception):
    """An object names a member twice."""


def decoded(data: bytes) -> Any:
    """What JSON says. Raises `NamedTwice`, and `msgspec.DecodeError` for what is no JSON."""
    value = msgspec.json.decode(data)
    # A quotation mark and a colon may stand in a text, too: then it is read once more, with all members.
    count = _members(value) if isinstance(value, _HOLDERS) else 0
    if data.count(b":") > count and len(_NAMED.findall(data)) > count:
        json.loads(data, object_pairs_hook=_once)
    return value


def _members(value: dict[str, Any] | list[Any]) -> int:
    count, items = (len(value), value.values()) if isinstance(value, dict) else (0, value)
    for item in items:
        if isinstance(item, _HOLDERS):
            count += _members(item)
    return count


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise NamedTwice
    return made
