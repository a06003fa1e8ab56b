"""Where results go: the terminal, bench/README.md between two marks, and a JSON file."""

from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.results import HEAD, Results, notes, table

HERE = Path(__file__).parent
README = HERE / "README.md"
BEGIN = "<!-- the table below is written by `make bench` -->"
END = "<!-- end of the table -->"


def show(results: Results, console: Console) -> None:
    """Print the table, turned so that it fits a terminal, and the notes."""
    view = Table(show_header=False)
    for line in zip(HEAD, *table(results), strict=True):
        view.add_row(*line)
    console.print(view)
    for note in notes(results):
        console.print(note, markup=False)


def markdown(results: Results) -> str:
    """The table, what it was taken on, and the notes."""
    machine = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    length = f"{results.rounds} interleaved rounds of {results.seconds} s per load"
    warm_up = f"warm-up of {results.warm_up_seconds} s"
    rows = [HEAD, ("---", "---", *["--:"] * (len(HEAD) - 2)), *table(results)]
    lines = [f"Taken {results.taken}: {length}, {warm_up}; {machine}.", ""]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    lines += ["", *(f"- {note}" for note in notes(results))]
    return "\n".join(lines).rstrip()


def insert(document: str, text: str) -> str:
    """Put `text` between the marks of `document`. Raises ValueError when they are missing."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{README}: the marks {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def save(results: Results, *, readme: bool) -> Path:
    """Write the JSON file, and the README's table when asked; returns the file's path."""
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{results.taken.replace(':', '')}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    if readme:
        README.write_text(insert(README.read_text(), markdown(results)))
    return path
