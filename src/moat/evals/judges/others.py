"""Answers of another version, which a pairwise judge compares with: JSON Lines of `case`, `repeat` and `answer`."""

from collections.abc import Mapping

import msgspec

from moat.domain.errors import DocumentError


class Others(msgspec.Struct, frozen=True):
    """Answers by case and repeat."""

    answers: Mapping[tuple[str, int], str]
    digest: str

    def find(self, case: str, repeat: int) -> str | None:
        """That of the same repeat, else the first."""
        return self.answers.get((case, repeat), self.answers.get((case, 0)))


class _Line(msgspec.Struct, frozen=True):
    """Other members are passed over: a file for labelling is one of these too."""

    case: str
    answer: str
    repeat: int = 0


def read_others(content: bytes, where: str) -> dict[tuple[str, int], str]:
    """Raises `DocumentError` with the line that does not fit, or stands twice."""
    found: dict[tuple[str, int], str] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = msgspec.json.decode(line, type=_Line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DocumentError(f"no answer of a case: {error}", where=f"{where}:{number}") from None
        if (entry.case, entry.repeat) in found:
            raise DocumentError(f"{entry.case!r} stands twice", where=f"{where}:{number}")
        found[entry.case, entry.repeat] = entry.answer
    if not found:
        raise DocumentError("no answers", where=where)
    return found
