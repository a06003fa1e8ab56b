"""Does code parse? It is read, never run."""

import ast
import re
import tomllib
import warnings
from collections.abc import Callable
from typing import Literal

import msgspec

from moat.documents import parse_yaml
from moat.domain.errors import DocumentError
from moat.domain.scores import Case
from moat.evals.answer import Answered, Broken
from moat.evals.scorers.duck import engine
from moat.evals.scorers.scorer import Measured, Scorer, scorer
from moat.evals.scorers.text import as_text

MAX_CODE = 200_000
"""Characters."""
FENCE = re.compile(r"^ {0,3}```[ \t]*([\w+#.-]*)[^\n`]*\n(.*?)(?:^ {0,3}```[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)

NAMES = {"python": ("python", "py", "python3"), "yaml": ("yaml", "yml"), "sql": ("sql", "postgresql", "duckdb")}
"""What a fence may call a language."""


@scorer("code")
class Code(Scorer, frozen=True):
    """1 when the code in the answer, or in the text at `path`, parses.

    Where the text has Markdown fences of the language, or fences without one, each must parse; else the whole text is
    the code. SQL is read by DuckDB's parser, whose grammar is close to PostgreSQL's.
    """

    language: Literal["python", "json", "yaml", "toml", "sql"]
    path: str = ""

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Parse."""
        text = as_text(answer.at(self.path))
        if len(text) > MAX_CODE:
            raise Broken(f"{len(text)} characters are too many to parse, at most {MAX_CODE} are")
        pieces = fenced(text, self.language) or [text]
        if not any(piece.strip() for piece in pieces):
            raise Broken("there is no code")
        for number, piece in enumerate(pieces, 1):
            problem = PARSERS[self.language](piece)
            if problem:
                place = f"block {number}: " if len(pieces) > 1 else ""
                return 0, f"{place}not {self.language}: {problem}"
        return 1, ""


def fenced(text: str, language: str) -> list[str]:
    """What stands in the Markdown fences of a language; without any, in those that name none."""
    blocks = [(name.lower(), body) for name, body in FENCE.findall(text)]
    own = [body for name, body in blocks if name in NAMES.get(language, (language,))]
    return own or [body for name, body in blocks if not name]


def _python(code: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a doubtful escape is no broken code
            ast.parse(code)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or "nested too deeply"
    return ""


def _json(code: str) -> str:
    try:
        msgspec.json.decode(code)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        return str(error)
    return ""


def _yaml(code: str) -> str:
    try:
        parse_yaml(code, name="line")
    except DocumentError as error:
        return f"{error.where.replace(':', ' ')}: {error.what}"
    except UnicodeEncodeError as error:
        return str(error)
    return ""


def _toml(code: str) -> str:
    try:
        tomllib.loads(code)
    except (ValueError, RecursionError) as error:
        return str(error)
    return ""


def _sql(code: str) -> str:
    import duckdb

    try:
        return "" if engine().extract_statements(code) else "there is no statement"
    except (duckdb.Error, UnicodeEncodeError) as error:
        return str(error).splitlines()[0]


PARSERS: dict[str, Callable[[str], str]] = {
    "python": _python,
    "json": _json,
    "yaml": _yaml,
    "toml": _toml,
    "sql": _sql,
}
"""Say what is wrong; nothing when all is well."""
