"""What an answer says that has no canonical form: it reaches clients of the provider's own wire format as bytes."""

from collections.abc import Iterator
from typing import Any

_WIRE = frozenset(
    {"type", "id", "tool_use_id", "caller", "signature", "data", "encrypted_content", "encrypted_index", "b64_json"}
    | {"file_id", "mime_type", "mimeType", "partial_json"}
)
"""Members that hold no text of anybody."""


def texts_in(value: Any) -> str:
    """All texts in a JSON value, each on a line, for guards to look at; pieces of streamed JSON as they come."""
    return "".join(_texts(value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value + "\n"
    elif isinstance(value, dict):
        if isinstance(piece := value.get("partial_json"), str):
            yield piece
        for name, item in value.items():
            if not (isinstance(item, str) and name in _WIRE):
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
