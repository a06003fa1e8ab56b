"""Text of others on a terminal or in the log of a CI: as it is, but nothing in it is obeyed."""

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}

BAR = "  | "
"""Before each line but a command's own: a CI obeys one that begins, spaces aside, with `::`."""


def visible(text: str) -> str:
    """The text with control characters made visible: it steers no terminal."""
    return text.translate(_CONTROLS)


def barred(text: str) -> str:
    """All lines of the text behind a bar."""
    return "\n".join(f"{BAR}{line}" for line in text.splitlines() or [""])


def continued(text: str) -> str:
    """The text with all its lines but the first behind a bar."""
    return barred(text).removeprefix(BAR)
