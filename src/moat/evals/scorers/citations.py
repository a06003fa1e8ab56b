"""Do sources stand behind an answer: what it cites, what it quotes, where it links to."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from urllib.parse import urlsplit

from moat.domain.scores import Case
from moat.evals.answer import Answered, shown
from moat.evals.scorers.scorer import Measured, NotRun, Scorer, check_expected, scorer
from moat.evals.scorers.text import as_text, folded, references_of
from moat.guards.prose import SENTENCE_END

MAX_TEXT = 100_000
MARKER = re.compile(r"\[([^\[\]\n]{1,80})\](?!\()")
"""`[1]`, `[1, 3-5]`, `[doc-7]`; not the text of a Markdown link."""
MARKERS = re.compile(r"(?:\s{0,3}\[[^\[\]\n]{1,80}\])*")
NUMBERS = re.compile(r"\s*\d{1,4}\s*(?:[-–]\s*\d{1,4}\s*)?(?:[,;]\s*\d{1,4}\s*(?:[-–]\s*\d{1,4}\s*)?)*")
QUOTE = re.compile(r'"([^"\n]{1,2000})"|“([^”\n]{1,2000})”|„([^“”\n]{1,2000})[“”]|«([^»\n]{1,2000})»')
ELLIPSIS = re.compile(r"\s*(?:\.\.\.|…|\[…\]|\[\.\.\.\])\s*")
URL = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}:[/\\]{2}[^\s<>\"'`]{1,2000}"
    r"|(?<![\w:])[/\\]{2}[\w-]{1,63}(?:\.[\w-]{1,63}){1,10}[^\s<>\"'`]{0,2000}"
    r"|\bwww\.[^\s<>\"'`]{1,2000}",
    re.IGNORECASE,
)
TRAILING = ".,;:!?)]}*_"
MAX_RANGE = 100


@scorer("citations")
class Citations(Scorer, frozen=True):
    """1 when the answer cites, and everything that it cites and quotes is there.

    The sources are the documents that the target answered from, else those of the case: `[2]` is the second of them.
    With `sources`, the case lists names at that path, and `[name]` has to be one of them. A quotation of at least
    `quote_words` words in quotation marks has to stand word for word in a document; case, white space and what `…`
    leaves out aside.
    """

    sources: str = ""
    path: str = ""
    required: bool = True
    """At least one citation."""
    every_sentence: bool = False
    """At least one citation in every sentence."""
    quote_words: int = 4
    """0: quotations are not checked."""
    partial: bool = False
    """The value is the share of citations, quotations and sentences that is right."""

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if self.sources:
            check_expected(self.sources)
        if self.quote_words < 0:
            raise ValueError("`quote_words` cannot be negative")

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Look each of them up."""
        text = as_text(answer.at(self.path))[:MAX_TEXT]
        documents = list(answer.context or case.context)
        names = references_of(case, self.sources) if self.sources else []
        if not documents and not names:
            raise NotRun("there are no documents to cite: neither the target nor the case has any")
        cited = [source for marker in MARKER.finditer(text) for source in self._cited(marker[1], names)]
        known = {*names, *(() if names else map(str, range(1, len(documents) + 1)))}
        checks = [(source in known, f"[{source}] is no source") for source in dict.fromkeys(cited)]
        checks += list(self._quotations(text, documents))
        if self.every_sentence:
            checks += [
                (any(self._cited(m[1], names) for m in MARKER.finditer(sentence)), f"cites nothing: {shown(sentence)}")
                for sentence in _sentences(text)
            ]
        if self.required and not cited:
            checks.append((False, "cites no source"))
        wrong = [problem for holds, problem in checks if not holds]
        if not wrong:
            return 1, "", {"cited": list(dict.fromkeys(cited))[:50]}
        value = 1 - len(wrong) / len(checks) if self.partial else 0
        return value, "; ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""), {"wrong": wrong}

    def _cited(self, marker: str, names: Sequence[str]) -> list[str]:
        """What one marker cites; nothing when it is no marker of a source."""
        if names:
            return [name for part in re.split(r"[,;]", marker) if (name := part.strip())]
        if not NUMBERS.fullmatch(marker):
            return []
        return [number for part in re.split(r"[,;]", marker) for number in _numbers(part)]

    def _quotations(self, text: str, documents: list[str]) -> Iterator[tuple[bool, str]]:
        if not self.quote_words or not documents:
            return
        plain = [_plain(document) for document in documents]
        for match in QUOTE.finditer(text):
            quoted = next(filter(None, match.groups()))
            if len(quoted.split()) >= self.quote_words:
                yield any(_quotes(document, quoted) for document in plain), f"not in the documents: {shown(quoted)}"


def _numbers(part: str) -> list[str]:
    first, _, last = re.sub("–", "-", part).partition("-")
    low, high = int(first), int(last or first)
    return [str(number) for number in range(low, min(high, low + MAX_RANGE) + 1)] if low <= high else [part.strip()]


def _sentences(text: str) -> list[str]:
    """Sentences with what follows their end mark up to the next one's first letter: a citation may stand behind it."""
    found, start = [], 0
    for end in SENTENCE_END.finditer(text):
        behind = MARKERS.match(text, end.end())
        stop = behind.end() if behind else end.end()
        if stop > start:
            found.append(text[start:stop])
            start = stop
    return [part.strip() for part in (*found, text[start:]) if any(map(str.isalpha, MARKER.sub("", part)))]


def _plain(text: str) -> str:
    return " ".join(folded(text).split())


def _quotes(document: str, quoted: str) -> bool:
    at = 0
    for piece in ELLIPSIS.split(_plain(quoted)):
        piece = piece.strip(" .,;:!?")
        found = document.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


@scorer("urls")
class Urls(Scorer, frozen=True):
    """1 when every link in the answer leads to one of `hosts` over http(s), or stands in the documents.

    `example.com` allows that host, `*.example.com` every host below it. Without `hosts` only the documents count: those
    that the target answered from, and the case's.
    """

    hosts: tuple[str, ...] = ()
    from_context: bool = False
    """Links that stand in the documents are allowed too."""
    required: bool = False
    """At least one link."""
    path: str = ""

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if any("/" in host or not host.strip("*.") for host in self.hosts):
            raise ValueError("`hosts` are names such as example.com or *.example.com")

    @cached_property
    def _hosts(self) -> frozenset[str]:
        return frozenset(host.casefold() for host in self.hosts)

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Check each."""
        found = links_in(as_text(answer.at(self.path))[:MAX_TEXT])
        if not found:
            return (0, "has no link") if self.required else (1, "")
        documents = "\n".join((*answer.context, *case.context)) if self.from_context or not self.hosts else ""
        given = set(links_in(documents))
        wrong = [link for link in found if link not in given and not self._allows(link)]
        return (0, f"links to {', '.join(map(shown, wrong[:5]))}", {"links": wrong[:50]}) if wrong else (1, "")

    def _allows(self, link: str) -> bool:
        try:
            parts = urlsplit(link.replace("\\", "/"), scheme="https")
            host = (parts.hostname or "").rstrip(".")
        except ValueError:
            return False
        if parts.scheme.lower() not in ("http", "https"):
            return False
        above = host.split(".")
        return host in self._hosts or any(f"*.{'.'.join(above[at:])}" in self._hosts for at in range(1, len(above)))


def links_in(text: str) -> list[str]:
    """Links of a text in their order, each once: with a scheme, `//host/...`, or from `www.` on."""
    found = (match[0].rstrip(TRAILING) for match in URL.finditer(text))
    return list(dict.fromkeys(f"//{link}" if link.lower().startswith("www.") else link for link in found))
