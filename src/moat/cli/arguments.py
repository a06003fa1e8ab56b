"""Arguments that several commands share."""

from typing import Annotated

import typer

from moat.domain.errors import PromptError

Prompt = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="Prompt and version.")]
Suites = Annotated[list[str] | None, typer.Option("--suite", help="Suite; repeat for more (default: all).")]


def parse_prompt(text: str) -> tuple[str, str]:
    """`NAME@VERSION` in two. A missing version stays empty; the catalog then says which there are."""
    name, _, version = text.partition("@")
    if not name:
        raise PromptError(f"{text!r} names no prompt", remedy="Write NAME@VERSION.")
    return name, version
