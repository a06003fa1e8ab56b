"""`{{ name }}` in the JSON that a service is sent."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from moat.domain.errors import DatasetError
from moat.evals.answer import ABSENT, dig

_PLACE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its placeholders replaced; a text that is nothing but one becomes the value itself.

    `{{ order.id }}` leads into a value. Raises `DatasetError` for a name that has no value.
    """
    if isinstance(template, dict):
        return {key: filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, values) for value in template]
    if not isinstance(template, str):
        return template
    whole = _PLACE.fullmatch(template)
    if whole is not None:
        return _value(whole[1], values)
    return _PLACE.sub(lambda found: _text(_value(found[1], values)), template)


def _value(name: str, values: Mapping[str, Any]) -> Any:
    found = dig(dict(values), name)
    if found is ABSENT:
        raise DatasetError(f"the case has no {name!r}", remedy=f"It has: {', '.join(sorted(values))}.")
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
