"""How every group of commands is set up."""

from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]
Shadow = Annotated[
    bool | None,
    typer.Option("--shadow/--no-shadow", help="Only copies for a release on trial, or none. Without it: all calls."),
]


def group(*, cls: Any = None, completion: bool = False, **options: Any) -> typer.Typer:
    """A Typer app in the house's style: plain help, `-h`, tracebacks only for bugs."""
    return typer.Typer(
        cls=cls,
        add_completion=completion,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **options,
    )
