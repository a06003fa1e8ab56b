"""The repository's Markdown pages, taken apart: fenced blocks, links, code spans.

A fence's info string is the language and then what the tests do with the block:

    ```bash run             executed; the page's blocks run in order, in one fresh project
    ```bash run exit=1      executed, and must end with this exit code
    ```python run           executed
    ```yaml config          decoded by the loader of that kind of file: see `test_snippets.py`
    ```bash shown           only read by people: it needs a network, a second terminal or root

A page on which `server` stands in any info string has a running server for all of its blocks.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block."""

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    """What follows the language in the info string."""
    text: str

    @property
    def place(self) -> str:
        """`page:line`."""
        return f"{self.page}:{self.line}"

    def option(self, name: str, default: str) -> str:
        """The value of `name=value` in the info string."""
        return next((word.partition("=")[2] for word in self.words if word.startswith(f"{name}=")), default)


class Page(NamedTuple):
    """One Markdown file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """Path below the root."""
        return self.path.relative_to(ROOT).as_posix()

    def blocks(self) -> list[Block]:
        """Fenced blocks in order."""
        found = []
        for match in _FENCE.finditer(self.text):
            language, *words = match["info"].split() or [""]
            line = self.text.count("\n", 0, match.start()) + 1
            found.append(Block(self.name, line, language, tuple(words), match["text"]))
        return found

    @property
    def prose(self) -> str:
        """The text without its fenced blocks."""
        return _FENCE.sub("", self.text)

    def spans(self) -> list[str]:
        """Inline code."""
        return _SPAN.findall(self.prose)

    def links(self) -> list[str]:
        """Targets of links."""
        return _LINK.findall(self.prose)

    def anchors(self) -> set[str]:
        """Fragment names of the headings, as GitHub makes them."""
        titles = (re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in _HEADING.findall(self.prose))
        return set(titles)


def pages() -> Iterator[Page]:
    """Every page the docs tests are about."""
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]:
        yield Page(path, path.read_text("utf-8"))


def readmes() -> Iterator[Page]:
    """Pages beside the code: their links and names are checked, their snippets are not run."""
    for path in (ROOT / "bench" / "README.md", *sorted((ROOT / "examples").rglob("README.md"))):
        yield Page(path, path.read_text("utf-8"))


def page(name: str) -> Page:
    """The page at a path below the root."""
    return Page(ROOT / name, (ROOT / name).read_text("utf-8"))
