"""Arguments that several commands share."""

from moat.domain.errors import PromptError


def parse_prompt(text: str) -> tuple[str, str]:
    """`NAME@VERSION` in two. A missing version stays empty; the catalog then says which there are."""
    name, _, version = text.partition("@")
    if not name:
        raise PromptError(f"{text!r} names no prompt", remedy="Write NAME@VERSION.")
    return name, version
