"""`--min-<score> VALUE`: options whose names are the suites' own."""

from typing import Any

import typer
from typer.core import TyperCommand

PREFIX = "--min-"
KEY = "moat.thresholds"


class WithThresholds(TyperCommand):
    """A command that takes `--min-<score> VALUE` for any score, as often as wanted: see `thresholds`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take them out before anything else is looked at."""
        found: dict[str, float] = {}
        left: list[str] = []
        given = iter(args)
        for argument in given:
            if argument == "--" or not argument.startswith(PREFIX):
                left.append(argument)
                if argument == "--":
                    left += given
                continue
            name, equals, value = argument.removeprefix(PREFIX).partition("=")
            found[name] = _number(argument, value if equals else next(given, ""))
        ctx.meta[KEY] = found
        return super().parse_args(ctx, left)


def thresholds(ctx: typer.Context) -> dict[str, float]:
    """What was given, by score."""
    found: Any = ctx.meta.get(KEY, {})
    return dict(found)


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no number", param_hint=option.partition("=")[0]) from None
