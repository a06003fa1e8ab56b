"""Files that a call carries inside it, as data URLs (RFC 2397): what they say is read and redacted like any text."""

import base64
import binascii
import re

MEMBERS = frozenset({"url", "file_data"})
"""Of parts of messages: where a data URL is a file. Anywhere else it is what somebody wrote."""

LONG_NUMBER = 10_000_000
"""From eight digits on a number may be somebody's."""

_HEADER = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.ASCII | re.IGNORECASE)
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_TEXTUAL = re.compile(r"text/|application/(?:[\w.-]+\+)?(?:json|xml|yaml|x-yaml|javascript|x-ndjson|sql|rtf|toml)$")


def opened(member: str, value: str) -> str:
    """What a member of a part says: a file its text, which is empty for an image or a PDF; anything else its value."""
    header = _HEADER.match(value) if member in MEMBERS else None
    if header is None:
        return value
    if header[1] and not _TEXTUAL.match(header[1].lower()):
        return ""
    data = _ESCAPED.sub(
        lambda escaped: bytes.fromhex(escaped[1].decode()), value[header.end() :].encode("utf-8", "surrogatepass")
    )
    try:
        return (base64.b64decode(data, validate=True) if header[3] else data).decode("utf-8", "replace")
    except binascii.Error:
        return value


def closed(member: str, value: str, text: str) -> str:
    """`value` with another text in it."""
    if text == opened(member, value):
        return value
    header = _HEADER.match(value) if member in MEMBERS else None
    if header is None:
        return text
    return (
        f"data:{header[1] or ''}{header[2]};base64,{base64.b64encode(text.encode('utf-8', 'surrogatepass')).decode()}"
    )
