"""The help texts in docs/cli.md: each stands in a block below a `<!-- help: moat ... -->` line."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from moat.cli.main import app

WIDTH = 100

_BLOCK = re.compile(r"<!-- help: (?P<command>[^\n]+?) -->\n```text\n.*?^```$", re.MULTILINE | re.DOTALL)


def help_texts() -> dict[str, str]:
    """`--help` of every command by its full name, groups included."""
    return dict(_walk(typer.main.get_command(app), None, "moat"))


def refreshed(text: str) -> str:
    """The page with a block for every command, as `--help` says now; they are all that follows the first of them."""
    blocks = (f"### {name}\n\n<!-- help: {name} -->\n```text\n{help}\n```\n" for name, help in help_texts().items())
    return text[: text.index("### moat\n")] + "\n".join(blocks)


def documented(text: str) -> list[str]:
    """The commands that have a block."""
    return [match["command"] for match in _BLOCK.finditer(text)]


def _walk(command: Any, parent: Any, name: str) -> Iterator[tuple[str, str]]:
    context = command.make_context(
        name, [], parent=parent, resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH
    )
    with context:
        yield context.command_path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        for child in command.list_commands(context) if hasattr(command, "list_commands") else ():
            yield from _walk(command.get_command(context, child), context, child)
