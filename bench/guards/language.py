"""Identifies languages: paragraphs of the Universal Declaration of Human Rights, which the model never saw."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from bench.guards.measuring import Row, hits, share, timed
from moat.guards.detector import Context
from moat.guards.detectors.language import Language
from moat.guards.languages import identify, prose

DATA = Path(__file__).parent / "data/udhr.jsonl.gz"
SIZES = (20, 50, 100, 200)


def declaration() -> list[tuple[str, str]]:
    """Language and paragraph."""
    lines = gzip.decompress(DATA.read_bytes()).decode().splitlines()
    return [(row["language"], row["text"]) for row in map(json.loads, lines)]


def excerpt(text: str, size: int) -> str:
    """So many characters from a third of a text on, from the next word."""
    if len(text) <= size:
        return text
    word = text.find(" ", len(text) // 3, len(text) // 2 + 40)
    return text[max(word, 0) :][:size]


def rows() -> Iterator[Row]:
    """Accuracy by length, then by language at 50 characters; what `allow: [en]` finds; time."""
    paragraphs = declaration()
    for size in SIZES:
        right = sum(identify(prose(excerpt(text, size))).code == language for language, text in paragraphs)
        yield share(f"{size} characters, 47 languages", "accuracy", right, len(paragraphs))
    for language in sorted({language for language, _ in paragraphs}):
        texts = [text for other, text in paragraphs if other == language]
        right = sum(identify(prose(excerpt(text, 50))).code == language for text in texts)
        yield share(f"{language}, 50 characters", "accuracy", right, len(texts))
    allowed, context = Language(allow=("en",)), Context(place="output")
    for size in SIZES[1:]:
        found = {
            wanted: [any(hit.score >= 0.5 for hit in hits(allowed, excerpt(text, size), context)) for text in texts]
            for wanted, texts in (
                (False, [text for language, text in paragraphs if language == "en"]),
                (True, [text for language, text in paragraphs if language != "en"]),
            )
        }
        yield share(f"{size} characters, not English", "recall", sum(found[True]), len(found[True]))
        yield share(f"{size} characters, English", "false positives", sum(found[False]), len(found[False]))
    english = " ".join(text for language, text in paragraphs if language == "en")
    yield from timed(allowed, english, context)
