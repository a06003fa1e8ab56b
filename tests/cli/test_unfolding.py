"""A struct among a command's parameters is one option for each of its fields."""

from typing import Annotated

import pytest
import typer
from msgspec import Struct
from typer.testing import CliRunner

from moat.cli.unfolding import unfolded


class Where(Struct, frozen=True, kw_only=True):
    city: Annotated[str, typer.Option("--town", help="A place.")]
    streets: Annotated[list[str] | None, typer.Option("--street")] = None


def app() -> tuple[typer.Typer, list[object]]:
    seen: list[object] = []
    made = typer.Typer()

    @made.command()
    @unfolded
    def go(first: Annotated[str, typer.Argument()], *, fast: bool = False, where: Where, times: int = 1) -> None:
        """Go there."""
        seen.append((first, fast, where, times))

    return made, seen


def test_options_become_the_struct() -> None:
    made, seen = app()
    done = CliRunner().invoke(
        made, ["me", "--town", "Rome", "--street", "a", "--street", "b", "--fast", "--times", "3"]
    )
    assert done.exit_code == 0, done.output
    assert CliRunner().invoke(made, ["me", "--town", "Rome"]).exit_code == 0
    assert seen == [("me", True, Where(city="Rome", streets=["a", "b"]), 3), ("me", False, Where(city="Rome"), 1)]


@pytest.mark.parametrize(
    "arguments", [["me"], ["me", "--town", "x", "--where", "y"], ["me", "--town", "x", "--city", "y"]]
)
def test_the_struct_itself_is_no_option_and_its_fields_are_required(arguments: list[str]) -> None:
    made, seen = app()
    assert CliRunner().invoke(made, arguments).exit_code == 2
    assert seen == []


def test_help_lists_options_in_their_place() -> None:
    shown = CliRunner().invoke(app()[0], ["--help"], env={"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "100"}).output
    assert "Go there." in shown
    places = [shown.index(name) for name in ("--fast", "--town", "--street", "--times")]
    assert places == sorted(places)
