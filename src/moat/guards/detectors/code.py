"""Code that destroys, fetches and runs, or opens doors when somebody runs it."""

from collections.abc import Iterator
from typing import ClassVar, Literal, get_args

from moat.domain.guards import Place
from moat.guards.dangerous_code import patterns
from moat.guards.detector import WHOLE, Context, Detector, Hit
from moat.guards.marked_code import Code as Marked
from moat.guards.marked_code import code_spans
from moat.guards.text import Text

Category = Literal[
    "destruction", "remote_code", "reverse_shell", "sql_destruction", "sql_access", "injection", "privileges",
    "credentials", "protection", "obfuscated",
]  # fmt: skip


class Code(Detector, frozen=True):
    """Finds code that destroys, fetches and runs, or opens doors.

    Kinds: the `categories`, documented with what each looks for in `docs/detectors-answers.md`.

    In answers only code blocks and what stands between backticks are looked at, unless `anywhere` is set; arguments
    of tools and their results always as a whole.
    """

    places: ClassVar[tuple[Place, ...]] = ("output", "tool_arguments", "tool_results", "documents")
    window: ClassVar[int] = WHOLE
    categories: tuple[Category, ...] = get_args(Category)
    anywhere: bool = False
    """Look at all of the text. A stream is then held back by a window only: what is code is known from the whole."""

    def __post_init__(self) -> None:
        """Choose the window."""
        if not self.categories:
            raise ValueError("`categories` is empty")
        if self.anywhere:
            self.hold(600)

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Each piece of code, each category."""
        written = text.original
        if self.anywhere or context.place not in ("output", "documents"):
            yield from self._dangers(_unescaped(written), Marked(0, len(written), "", True))
            return
        for code in code_spans(written):
            yield from self._dangers(written[code.start : code.end], code)

    def _dangers(self, code: str, where: Marked) -> Iterator[Hit]:
        for category in self.categories:
            for pattern, score in patterns()[category]:
                for start, end in pattern.spans(code):
                    score_here = score if where.block else score - 0.2
                    note = f"Dangerous code: {category.replace('_', ' ')}."
                    yield Hit(category, where.start + start, where.start + end, max(0.1, score_here), note)


def _unescaped(arguments: str) -> str:
    """JSON's escapes as the white space or quotation marks they stand for, at the same length."""
    if "\\" not in arguments:
        return arguments
    return arguments.replace("\\n", "\n ").replace("\\t", "  ").replace("\\r", "  ").replace('\\"', ' "')
