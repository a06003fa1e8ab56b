"""What of a span's attributes is content: what was said, or what may quote it. One answer for intake, retention and
collectors.
"""

from collections.abc import Mapping
from typing import Any

from moat.telemetry import conventions


def is_content(name: str) -> bool:
    """Does an attribute of this name hold what was said, on a span or on an event?

    >>> [is_content(name) for name in ("input.value", "gen_ai.prompt.0.content", "gen_ai.prompt.name", "user.id")]
    [True, True, False, False]
    """
    if name in conventions.FIELDS:
        return conventions.FIELDS[name][0] in conventions.CONTENT
    return name in conventions.QUOTING or name.startswith(conventions.SAYING)


def without_content(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that are none, of the span and of its events. Events that were cut to text go as a whole."""
    found = {name: value for name, value in attributes.items() if not is_content(name)}
    if conventions.EVENTS in found:
        events = found.pop(conventions.EVENTS)
        if isinstance(events, list):
            found[conventions.EVENTS] = [_event(event) for event in events if isinstance(event, dict)]
    return found


def _event(event: dict[str, Any]) -> dict[str, Any]:
    told = event.get("attributes")
    return {**event, "attributes": without_content(told) if isinstance(told, dict) else {}}
