"""What the detector `injection` finds and what it takes for an attack by mistake; a list of keywords beside it.

One template or text in eight is held out from a model that is trained for nothing but to be measured; the shipped one
learns from all templates. Harmless texts full of trigger words were written by hand for this table only
(`data/injection/heldout.hard.txt`).
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby

from bench.guards.fitting import stored
from bench.guards.grammar import DATA
from bench.guards.injection_data import Labelled, direct, documents, planted
from bench.guards.measuring import Row, share, timed
from bench.guards.obfuscations import OBFUSCATIONS
from bench.guards.train_injection import MEASURED, held_out
from moat.domain.guards import Place
from moat.guards.detector import Context
from moat.guards.detectors.injection import DIRECT, INDIRECT, Injection, judge
from moat.guards.learned import Model
from moat.guards.text import Text

MOST = 80
"""Texts of one sort."""
THRESHOLDS = (0.2, 0.5, 0.8, 0.95)
KEYWORDS = re.compile(
    r"ignore (?:all |the |your )?(?:previous|prior|above)|disregard (?:all|the|previous|prior|above)"
    r"|forget (?:all|everything)"
    r"|system prompt|developer mode|jailbreak|do anything now|\bDAN\b|pretend (?:to be|you are)|act as|you are now"
    r"|no restrictions|without restrictions|bypass|override|reveal|new instructions|roleplay|unfiltered|hypothetically",
    re.IGNORECASE,
)
"""What a filter of key phrases would look for."""
ENGLISH_ATTACKS = frozenset({"override", "persona", "extraction", "authority", "prefix"})


@cache
def measured(place: Place) -> Model:
    """One that has not seen what it is measured on; trained as the shipped one is, on less."""
    return stored(DIRECT if place == "input" else INDIRECT, MEASURED)


def score(text: str, place: Place = "input", model: Model | None = None) -> float:
    """The highest of a text."""
    return max((hit.score for hit in judge(Text(text), model or measured(place))), default=0.0)


def rows() -> Iterator[Row]:
    """The tables of `docs/detectors-injection.md`."""
    rng = random.Random(11)
    users = [row for row in direct(misspelling=False) if held_out(row)]
    attacks = [row for row in users if row.attack]
    harmless = [row for row in users if not row.attack]
    hard = (DATA / "heldout.hard.txt").read_text(encoding="utf-8").splitlines()
    yield from _shares("attack", attacks, lambda row: row.family, rng)
    yield from _shares("attack in", attacks, lambda row: row.lang, rng)
    natural = [row for row in harmless if row.source not in {"templates", "own"}]
    yield from _shares("harmless", natural, lambda row: row.family, rng)
    made = [row for row in harmless if row.source == "templates"]
    yield from _shares("harmless, made,", made, lambda row: f"{row.family} {row.lang}".removesuffix(" en"), rng)
    shipped = [score(text, "input", Model.load(DIRECT)) for text in hard]
    yield share("harmless, by hand, full of trigger words", "false positives", _over(shipped, 0.5), len(hard))
    yield from _compared(rng.sample(attacks, 400), natural, hard)
    yield from _obfuscated([row for row in attacks if row.lang == "en" and row.family in ENGLISH_ATTACKS], rng)
    yield from _indirect(rng)
    yield from timed(Injection(), ORDINARY, Context(place="input"))


ORDINARY = (
    "Hi team, here is a short summary of the meeting with the people from the Lisbon office. We talked about the new "
    "schedule and agreed that the first version should be ready before the end of the month. Maria will send the list "
    "of open questions on Friday; please add yours until then, and tell her who takes part in the workshop. "
)


def _over(scores: Iterable[float], threshold: float) -> int:
    return sum(one >= threshold for one in scores)


def _shares(what: str, found: Sequence[Labelled], key: Callable[[Labelled], str], rng: random.Random) -> Iterator[Row]:
    for name, group in groupby(sorted(found, key=key), key=key):
        sample = list(group)
        sample = rng.sample(sample, min(MOST, len(sample)))
        if len(sample) >= 10:
            over = _over((score(row.text) for row in sample), 0.5)
            yield share(f"{what} {name}", "recall" if sample[0].attack else "false positives", over, len(sample))


def _compared(attacks: Sequence[Labelled], natural: Sequence[Labelled], hard: Sequence[str]) -> Iterator[Row]:
    groups = (("recall", [row.text for row in attacks]), ("false positives", [row.text for row in natural]))
    for measure, texts in (*groups, ("false positives, trigger words", list(hard))):
        scores = [score(text) for text in texts]
        for threshold in THRESHOLDS:
            yield share(f"threshold {threshold}", measure, _over(scores, threshold), len(texts))
        yield share("keywords", measure, sum(bool(KEYWORDS.search(text)) for text in texts), len(texts))


def _obfuscated(attacks: Sequence[Labelled], rng: random.Random) -> Iterator[Row]:
    texts = [row.text for row in rng.sample(attacks, MOST)]
    for name, hide in OBFUSCATIONS.items():
        yield share(f"written in {name}", "recall", _over((score(hide(text)) for text in texts), 0.5), len(texts))


def _indirect(rng: random.Random) -> Iterator[Row]:
    attacks = [row for row, _, _ in planted() if held_out(row) and row.family != "request"]
    attacks = rng.sample(attacks, 300)
    harmless = [row for row in documents() if held_out(row)]
    for name in ("packages", "templates"):
        texts = [row for row in harmless if (row.source == "templates") == (name == "templates")]
        texts = rng.sample(texts, min(300, len(texts)))
        over = _over((score(row.text, "documents") for row in texts), 0.5)
        yield share(f"documents without, from {name}", "false positives", over, len(texts))
    for family, members in groupby(sorted(attacks, key=lambda row: row.family), key=lambda row: row.family):
        texts = list(members)
        if len(texts) >= 10:
            over = _over((score(row.text, "documents") for row in texts), 0.5)
            yield share(f"documents with {family}", "recall", over, len(texts))
    keywords = sum(bool(KEYWORDS.search(row.text)) for row in attacks)
    yield share("documents with any of them, keywords", "recall", keywords, len(attacks))
