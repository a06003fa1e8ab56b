"""Dates in answers."""

from datetime import date, datetime, timedelta

from moat.domain.scores import Case
from moat.evals.answer import Answered, shown
from moat.evals.scorers.scorer import Measured, NotRun, Scorer, check_expected, expected_of, scorer
from moat.evals.scorers.text import as_text

MAX_LENGTH = 100
"""Characters: what is longer is no date."""


@scorer("date")
class Date(Scorer, frozen=True):
    """1 when the whole answer, or the value at `path`, is a date, with or without a time.

    With `expected` it has to be that date of the case, give or take `days`; `after` and `before` are the first and the
    last day that will do. Times of day are read and not compared.
    """

    path: str = ""
    formats: tuple[str, ...] = ()
    """As Python's `strptime` has them (`%d.%m.%Y`); none: ISO 8601 (`2026-11-21`, `2026-11-21T10:00:00Z`). Names of
    months are English."""
    expected: str = ""
    days: int = 0
    after: str = ""
    before: str = ""

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if self.expected:
            check_expected(self.expected)
        if self.days < 0 or (self.days and not self.expected):
            raise ValueError("`days` is a tolerance from 0 for `expected`")
        for limit in (self.after, self.before):
            if limit and read_date(limit) is None:
                raise ValueError(f"{limit!r} is no date such as 2026-11-21")
        for pattern in self.formats:
            try:
                datetime.strptime(datetime(2026, 11, 21, 10, 30).strftime(pattern), pattern)
            except ValueError as error:
                raise ValueError(f"{pattern!r} is no format of a date: {error}") from None

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Read and compare."""
        wanted = self._wanted(case) if self.expected else None
        value = as_text(answer.at(self.path))
        got = read_date(value, self.formats)
        if got is None:
            return 0, f"not a date ({' or '.join(self.formats) or 'ISO 8601'}): {shown(value)}"
        if wanted is not None and abs(got - wanted) > timedelta(self.days):
            return 0, f"expected {wanted}{f' give or take {self.days} days' if self.days else ''}, got {got}"
        first, last = read_date(self.after), read_date(self.before)
        if (first and got < first) or (last and got > last):
            return 0, f"{got} is not between {first or 'the beginning'} and {last or 'the end'}"
        return 1, ""

    def _wanted(self, case: Case) -> date:
        value = as_text(expected_of(case, self.expected))
        wanted = read_date(value) or read_date(value, self.formats)
        if wanted is None:
            raise NotRun(f"{self.expected} of the case is not a date")
        return wanted


def read_date(text: str, formats: tuple[str, ...] = ()) -> date | None:
    """The day that a text names in one of the formats (none: ISO 8601), or None."""
    text = text.strip()
    if not text or len(text) > MAX_LENGTH:
        return None
    for pattern in formats:
        try:
            return datetime.strptime(text, pattern).date()
        except ValueError:
            continue
    try:
        return None if formats else datetime.fromisoformat(text).date()
    except ValueError:
        return None
