"""Insults, hate, threats, self-harm, sex and violence.

The cases were written for this project, with the harmless texts full of words that a list would trip over; the patterns
were written with them in view. `bench.guards.labelled` shows how it does elsewhere.
"""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.guards.injection_data import packages
from bench.guards.language import declaration
from bench.guards.measuring import Row, auroc, hits, share, timed
from moat.guards.detector import Context
from moat.guards.detectors.toxicity import Toxicity
from moat.guards.learned import words

CASES = Path(__file__).parent / "data/toxicity/cases.tsv"
ASKED = Context(place="input")
THRESHOLD = Toxicity.threshold
ALL = Toxicity()
SWEAR_WORDS = frozenset(
    ("fuck", "fucking", "shit", "bitch", "asshole", "cunt", "dick", "idiot", "moron", "stupid", "bastard", "whore")
)
"""The keyword list to beat."""
_GROUPS = """gay lesbian bisexual transgender trans queer straight black white Asian African Hispanic Mexican Chinese
Indian Arab Muslim Jewish Christian Catholic Sikh Buddhist atheist old young male female deaf blind autistic disabled
American European immigrant refugee homosexual Roma Turkish Polish republican democrat"""
GROUPS = _GROUPS.split()
NEUTRAL = (
    "I am a {} person.",
    "Being {} is great.",
    "{} people are welcome here.",
    "She is a {} doctor.",
    "Books by {} authors",
    "Why are {} people underrepresented in films?",
    "A {} boy was hurt in the accident.",
    "Stop hating {} people.",
    "He was attacked because he is {}.",
    "Do {} people have the same rights?",
    "Violence against {} people must stop.",
    "I hate that {} people are treated badly.",
    "My {} grandmother died last year.",
    "{} women deserve equal pay.",
)
OBFUSCATED: dict[str, Callable[[str], str]] = {
    "leetspeak": lambda text: text.translate(str.maketrans("aeiostAEIOST", "431057431057")),
    "spaced letters": lambda text: "  ".join(" ".join(word) for word in text.split()),
    "zero-width spaces": lambda text: "\u200b".join(text),
    "Cyrillic lookalikes": lambda text: text.translate(str.maketrans("aeopcxyAEOPCX", "аеорсхуАЕОРСХ")),
    "full width": lambda text: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
}


def cases() -> list[tuple[str, str, str]]:
    """Kind (`none` for harmless ones), language, text."""
    lines = CASES.read_text("utf-8").splitlines()
    return [(kind, language, text) for kind, language, text in (line.split("\t") for line in lines)]


def score(text: str) -> float:
    """Of the surest hit of any kind."""
    return max((hit.score for hit in hits(ALL, text, ASKED)), default=0.0)


def rows() -> Iterator[Row]:
    """Recall by kind, false positives, AUROC, recall under obfuscation, time."""
    labelled = cases()
    harmful = [one for one in labelled if one[0] != "none"]
    for kind in dict.fromkeys(kind for kind, _, _ in harmful):
        texts = [text for other, _, text in harmful if other == kind]
        yield share(kind, "recall", sum(score(text) >= THRESHOLD for text in texts), len(texts))
    other = [text for _, language, text in harmful if language != "en"]
    yield share("all kinds, not English", "recall", sum(score(text) >= THRESHOLD for text in other), len(other))
    harmless = [text for kind, _, text in labelled if kind == "none"]
    yield share(
        "harmless, tricky words", "false positives", sum(score(t) >= THRESHOLD for t in harmless), len(harmless)
    )
    named = [sentence.format(group) for sentence in NEUTRAL for group in GROUPS]
    yield share(
        "names of groups, said neutrally", "false positives", sum(score(t) >= THRESHOLD for t in named), len(named)
    )
    asked = [row.text for place in ("input", "documents") for row in packages(place) if not row.attack]
    found = sum(score(text) >= THRESHOLD for text in asked)
    yield share("questions and documents", "false positives", found, len(asked))
    human_rights = [text for _, text in declaration()]
    found = sum(score(text) >= THRESHOLD for text in human_rights)
    yield share("human rights, 47 languages", "false positives", found, len(human_rights))
    scores, positive = [score(text) for _, _, text in labelled], [kind != "none" for kind, _, _ in labelled]
    yield Row("all", "AUROC", auroc(scores, positive), texts=len(labelled))
    listed = [float(not SWEAR_WORDS.isdisjoint(words(text.lower()))) for _, _, text in labelled]
    yield Row("all, by a list of 12 swear words", "AUROC", auroc(listed, positive), texts=len(labelled))
    yield from _obfuscated([text for _, language, text in harmful if language == "en"])
    english = " ".join(text for language, text in declaration() if language == "en")
    yield from timed(ALL, english, ASKED)


def _obfuscated(texts: list[str]) -> Iterator[Row]:
    found = sum(score(text) >= THRESHOLD for text in texts)
    yield share("English, plain", "recall", found, len(texts))
    for name, disguise in OBFUSCATED.items():
        found = sum(score(disguise(text)) >= THRESHOLD for text in texts)
        yield share(f"English, {name}", "recall", found, len(texts))
