"""Where findings stand: looked up in the files when there is a finding, never before."""

from pathlib import Path

from moat.documents import read_yaml
from moat.prompts.files import PromptFile
from moat.prompts.problems import Problem, Severity
from moat.prompts.syntax import Spot

_TAGS = ("{{", "{%", "{#")


class Lines:
    """Looks up in which line and column of a file a word or a value stands."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def column(self, path: str, line: int, word: str) -> int:
        """1-based column of the word, or of the first tag on the line; 0 when neither stands there."""
        lines = (self._root / path).read_text("utf-8").splitlines()
        text = lines[line - 1] if 0 < line <= len(lines) else ""
        if word and word in text:
            return text.index(word) + 1
        tags = [at for tag in _TAGS if (at := text.find(tag)) >= 0]
        return min(tags) + 1 if tags else 0

    def key(self, path: str, *keys: str) -> int:
        """1-based line of the value under these keys."""
        return read_yaml(self._root / path, name=path).line(keys) if path.endswith(".yaml") else 1

    def at(
        self, file: PromptFile, spot: Spot, word: str, *, rule: str, message: str, remedy: str, severity: Severity
    ) -> Problem:
        """A finding at a word of a version's text."""
        path, _, line = file.place(spot).rpartition(":")
        return Problem(
            rule=rule,
            severity=severity,
            path=path,
            line=int(line),
            column=self.column(path, int(line), word),
            message=message,
            remedy=remedy,
        )
