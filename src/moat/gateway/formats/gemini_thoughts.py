"""Anthropic's blocks of thinking, carried by clients that speak Gemini.

Anthropic wants its blocks back untouched when a conversation with tools goes on. A Gemini client sends back what it
got: parts with `thought` and an opaque `thoughtSignature` of bytes. So a block travels inside the signature.
"""

import base64
import binascii
from typing import Any

import msgspec

_MARK = b"moat:anthropic:"


def wrap(block: dict[str, Any]) -> str:
    """A thought signature that holds the block."""
    return base64.b64encode(_MARK + msgspec.json.encode(block)).decode()


def unwrap(signature: Any) -> dict[str, Any] | None:
    """The block in a signature; None when it is another's. Google's SDK may have changed the alphabet meanwhile."""
    if not isinstance(signature, str):
        return None
    try:
        held = base64.b64decode(signature.replace("-", "+").replace("_", "/"), validate=True)
        block = msgspec.json.decode(held.removeprefix(_MARK)) if held.startswith(_MARK) else None
    except (binascii.Error, ValueError, RecursionError):
        return None
    return block if isinstance(block, dict) else None
