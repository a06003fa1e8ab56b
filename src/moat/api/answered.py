"""What answers always hold, for their description: a field with a default is left out of a question at will, but of an
answer only when its type says so (`omit_defaults`), or while it is unset.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec.inspect import StructType, multi_type_info


def always_held(components: dict[str, Any], answers: Iterable[Any], asked: Iterable[str]) -> dict[str, Any]:
    """The schemas, with what is always there among their `required`.

    `answers`: types that are sent. `asked`: names of the components that questions are made of, which stay as they are.
    """
    whole = {cls.__name__ for cls in _structs(answers) if not cls.__struct_config__.omit_defaults} - set(asked)
    return {name: _required(schema) if name in whole else schema for name, schema in components.items()}


def _required(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    given = [name for name, field in properties.items() if name in schema.get("required", ()) or "default" in field]
    return {**schema, "required": given}


def _structs(types: Iterable[Any]) -> Iterator[type[msgspec.Struct]]:
    """All structs that types are made of."""
    seen = set[type]()
    open = list[Any](multi_type_info(types))
    while open:
        found = open.pop()
        if isinstance(found, StructType):
            if found.cls in seen:
                continue
            seen.add(found.cls)
            yield found.cls
        if isinstance(found, msgspec.Struct):
            inner = (getattr(found, name) for name in found.__struct_fields__)
            open += [one for value in inner for one in (value if isinstance(value, tuple) else (value,))]
