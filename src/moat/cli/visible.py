"""Text of others on a terminal or in the log of a CI: as it is, but nothing in it is obeyed."""

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""What makes a text look like another: it is written from right to left, and back."""
_SHOWN = _CONTROLS | {code: f"\\u{code:04x}" for code in _DIRECTIONS}

BAR = "  | "
"""Before each line but a command's own: a CI obeys one that begins, spaces aside, with `::`."""


def visible(text: str) -> str:
    """The text with control characters made visible: it steers no terminal, and looks like no other text."""
    return text.translate(_SHOWN)


def barred(text: str) -> str:
    """All lines of the text behind a bar."""
    return "\n".join(f"{BAR}{line}" for line in text.splitlines() or [""])


def continued(text: str) -> str:
    """The text with all its lines but the first behind a bar."""
    return barred(text).removeprefix(BAR)
