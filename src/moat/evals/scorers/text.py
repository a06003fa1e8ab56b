"""Scorers that look for text."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from moat.domain.scores import Case
from moat.evals.answer import Answered, shown
from moat.evals.scorers.scorer import Comparison, Measured, Scorer, check_expected, expected_of, same_json, scorer

MAX_SHOWN_PHRASES = 10


def as_text(value: Any) -> str:
    """A string as it is, other JSON as it is written (compact)."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def strings(value: Any) -> Iterator[str]:
    """Every string of a JSON value, in its order; names of members are none."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list | dict):
            waiting.extend(reversed(one if isinstance(one, list) else one.values()))


def references_of(case: Case, path: str) -> list[str]:
    """The texts that a case expects: one, or each of a list. `NotRun` when it says nothing."""
    wanted = expected_of(case, path)
    return [as_text(one) for one in (wanted if isinstance(wanted, list) else [wanted])]


def without_punctuation(text: str) -> str:
    """The text without characters of the Unicode categories P (punctuation) and S (symbols)."""
    return "".join(character for character in text if unicodedata.category(character)[0] not in "PS")


@scorer("equals")
class Equals(Comparison, frozen=True):
    """1 when the answer, or the value at `path`, is what the case expects; surrounding space is ignored.

    Texts are compared after those of these steps that are switched on, in this order: Unicode compatibility form
    (`ignore_form`), case, punctuation and symbols, runs of white space as one space.
    """

    ignore_case: bool = False
    ignore_space: bool = False
    ignore_punctuation: bool = False
    ignore_form: bool = False
    """Full-width letters, ligatures, composed and decomposed accents are the same (Unicode NFKC)."""
    any_of: bool = False
    """The case lists several answers, each of them right."""

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        wanted = expected_of(case, self.expected)
        accepted = wanted if self.any_of and isinstance(wanted, list) else [wanted]
        got = answer.at(self.path)
        if not self.path and not any(isinstance(one, str) for one in accepted):
            got = answer.json
        plain = self._plain(got)
        if any(same_json(plain, self._plain(one)) for one in accepted):
            return 1, ""
        return 0, f"expected {shown(wanted)}, got {shown(got)}"

    def _plain(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if self.ignore_form:
            value = unicodedata.normalize("NFKC", value)
        if self.ignore_case:
            value = value.casefold()
        if self.ignore_punctuation:
            value = without_punctuation(value)
        return " ".join(value.split()) if self.ignore_space else value.strip()


class _Phrases(Scorer, frozen=True):
    """Phrases from the suite (`values`) or from the case (`expected`: a text or a list)."""

    revision = 2

    expected: str = ""
    values: tuple[str, ...] = ()
    path: str = ""
    ignore_case: bool = True
    words: bool = False
    """Only as whole words: `ass` is not in `class`. For languages that put spaces between words."""

    def __post_init__(self) -> None:
        """Exactly one source of phrases."""
        super().__post_init__()
        if bool(self.values) == bool(self.expected):
            raise ValueError("give either `values` or `expected`")
        if self.expected:
            check_expected(self.expected)
        if "" in self.values:
            raise ValueError("an empty phrase is in every text")

    def phrases(self, case: Case) -> list[str]:
        """What is looked for."""
        return list(self.values) if self.values else references_of(case, self.expected)

    def plain(self, text: str) -> str:
        """A text as it is compared: composed (Unicode NFC), and without case where that is ignored."""
        return folded(text) if self.ignore_case else unicodedata.normalize("NFC", text)

    def found(self, case: Case, answer: Answered) -> tuple[list[str], list[str]]:
        """The phrases that are in the answer, and those that are not."""
        text = self.plain(as_text(answer.at(self.path)))
        present: list[str] = []
        missing: list[str] = []
        for phrase in self.phrases(case):
            plain = self.plain(phrase)
            inside = _as_words(plain).search(text) is not None if self.words else plain in text
            (present if inside else missing).append(phrase)
        return present, missing


def folded(text: str) -> str:
    """A text without differences of case, composed (Unicode NFC)."""
    return unicodedata.normalize("NFC", text.casefold())


@lru_cache(4096)
def _as_words(phrase: str) -> re.Pattern[str]:
    """Neither a letter, digit or underscore nor a combining accent may continue the phrase. Linear: a literal text."""
    return re.compile(rf"(?<!\w){re.escape(phrase)}(?![\w\u0300-\u036f])")


def _listed(phrases: list[str]) -> str:
    more = len(phrases) - MAX_SHOWN_PHRASES
    return ", ".join(map(shown, phrases[:MAX_SHOWN_PHRASES])) + (f" and {more} more" if more > 0 else "")


@scorer("contains")
class Contains(_Phrases, frozen=True):
    """1 when all phrases are in the answer. With `partial` the value is the share of them that is."""

    partial: bool = False

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Look for each."""
        present, missing = self.found(case, answer)
        if not missing:
            return 1, ""
        value = len(present) / (len(present) + len(missing)) if self.partial else 0
        return value, f"missing: {_listed(missing)}", {"missing": missing}


@scorer("contains_any")
class ContainsAny(_Phrases, frozen=True):
    """1 when at least one of the phrases is in the answer."""

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Look for each."""
        present, missing = self.found(case, answer)
        return (1, "") if present else (0, f"none of these is in it: {_listed(missing)}")


@scorer("not_contains")
class NotContains(_Phrases, frozen=True):
    """1 when none of the phrases is in the answer; with `words`, a list of forbidden words."""

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Look for each."""
        present, _ = self.found(case, answer)
        return (0, f"must not say: {_listed(present)}", {"said": present}) if present else (1, "")


@scorer("starts_with")
class StartsWith(_Phrases, frozen=True):
    """1 when the answer starts with one of the phrases, white space aside."""

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        text = as_text(answer.at(self.path)).strip()
        phrases = self.phrases(case)
        if any(self._fits(self.plain(text), self.plain(phrase)) for phrase in phrases):
            return 1, ""
        return 0, f"does not start with {_listed(phrases)}: {shown(text)}"

    def _fits(self, text: str, phrase: str) -> bool:
        return _as_words(phrase).match(text) is not None if self.words else text.startswith(phrase)


@scorer("ends_with")
class EndsWith(_Phrases, frozen=True):
    """1 when the answer ends with one of the phrases, white space aside."""

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        text = as_text(answer.at(self.path)).strip()
        phrases = self.phrases(case)
        if any(self._fits(self.plain(text), self.plain(phrase)) for phrase in phrases):
            return 1, ""
        return 0, f"does not end with {_listed(phrases)}: {shown(text[-80:])}"

    def _fits(self, text: str, phrase: str) -> bool:
        if not text.endswith(phrase):
            return False
        return not self.words or _as_words(phrase).match(text, len(text) - len(phrase)) is not None
