"""Makes the model of the detector `toxicity` from the word lists in `data/toxicity`.

    python -m bench.guards.train_toxicity [--check]

`--check` writes nothing: it exits with 1 when the files of the package hold anything else than what is made here.

`terms.tsv.gz`: words and pairs of words with a weight, the mean of two published linear models (see the data card in
`docs/detectors-content.md`); what names a group of people counts nothing here, alone, and half in a pair.
`words.tsv.gz`: word, language, kind, severity, source. `ordinary.txt`: those of them that also stand in harmless texts.
`insults.tsv`: language, kind, severity, words, written for this project; `_` stands between those of a phrase. What it
says of a word holds, also that it is mild: no insult alone. `english.tsv`: kind, log odds, words and phrases of two or
three, written for this project; `insult` adds to the weights of `terms.tsv.gz`, `contempt` counts beside a group.
"""

import gzip
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.guards.shipping import ship
from moat.guards.hostile_signs import WRITTEN
from moat.guards.learned import words
from moat.guards.text import Text

DATA = Path(__file__).parent / "data/toxicity"
STEP = 0.05
MOST = 10.0
"""No word weighs more, however often it was seen."""
SEVERITY = {"hate": 3.0, "sexual": 1.6, "insult": 2.2, "profanity": 2.0}
"""Weight of one degree of severity (1 to 3)."""
FOREIGN = 1.5
"""Words of other languages weigh so much more: nothing else speaks for them."""
_AMBIGUOUS = """kill killed killing dick cock pig pigs garbage trash bastard bitch bitches hoe fag slut dyke ass crap
damn hell sucks stupid idiot idiots dumb die dead bomb bombed shoot crack hate fool silly poor liar fat ugly gay gays
queer sex loser jerk monkey animal rat rats snake strip hump rubber knob balls nuts screw screwed bloody willy prick
tool cow ho hos hoes spade cracker coon paddy chink gash beaver bush wood head johnson pecker fanny oral bang blow pearl
mad crazy insane weird sick troll nerd geek pica puta"""
AMBIGUOUS = frozenset(_AMBIGUOUS.split())
"""Words that are harmless in other company: a part of their weight, and they show no kind alone."""
_TOPICS = """penis penises vagina vaginas vaginal anus anal breast breasts testicles genitals masturbation
masturbating sperm semen rape raped raping rapist sexual sexually prostitute prostitutes pedophile pedophiles
pedophilia hitler slave slaves terrorist terrorists murder murderer suicide jail prison kidnapped porn pornography
condom erection incest molested"""
TOPICS = frozenset(_TOPICS.split())
"""What is no insult because it is spoken about: half of the weight; other kinds have their own."""
NEUTRAL = frozenset(
    (
        "homosexual",
        "homosexuals",
        "gay",
        "lesbian",
        "lesbians",
        "queer",
        "bisexual",
        "transsexual",
        "transgender",
        "jew",
        "homo",
    )
)
"""Names of groups, whatever lists say."""
SEVERE = 2.0
"""Words that also stand in harmless texts are kept from this severity on; those of other languages never."""
LEAST_SEVERITY = 1.2
SWEARING = re.compile(r"f+u+c?k|fuk|phuk|shit|ass|bitch|cunt|dick|suck|cock|bastard|wank|fag|bugger|prick|puss")
"""Words for sex that are rather used to insult."""
LEAST_OF_KIND = {"hate": 1.4, "sexual": 1.2}
ALONE = {"hate": 3.0, "sexual": 2.6}
"""Log odds of a listed word that shows its kind alone."""


def rows(name: str) -> Iterator[list[str]]:
    """The fields of a file of data."""
    for line in gzip.decompress((DATA / name).read_bytes()).decode().splitlines():
        yield line.split("\t")


def key(term: str) -> str:
    """A term as the words that `words` makes of it; empty when it makes none, or more than three."""
    parts = words(Text(term).folded)
    return " ".join(parts) if 1 <= len(parts) <= 3 else ""


def made() -> dict[str, bytes]:
    """The contents of each file."""
    weights, kinds = weighed()
    # What `Weights` has beside these is as it is when nothing is said of it.
    model = {
        "bias": 0.0,
        "scale": STEP,
        "power": 0.5,
        "ngrams": {ngram: round(weight / STEP) for ngram, weight in sorted(weights.items())},
    }
    rude = set(re.findall("[a-z]{4,16}", WRITTEN)) | {word for word in weights if re.fullmatch("[a-z]{4,16}", word)}
    return {
        "toxicity.json.gz": msgspec.json.encode(model),
        "toxic_words.json.gz": msgspec.json.encode(
            {kind: dict(sorted(of.items())) for kind, of in sorted(kinds.items())}
        ),
        "rude.txt.gz": "\n".join(sorted(rude)).encode(),
    }


def weighed() -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """The weight of each word and pair, and the log odds of those that show a kind by themselves."""
    ordinary = frozenset((DATA / "ordinary.txt").read_text("utf-8").split("\n"))
    weights = {
        term: max(-MOST, min(MOST, float(weight))) * (0.5 if term in TOPICS else 0.7 if term in AMBIGUOUS else 1.0)
        for term, weight in rows("terms.tsv.gz")
    }
    kinds: dict[str, dict[str, float]] = {kind: {} for kind in ("contempt", "hate", "self_harm", "sexual", "violence")}
    for term, language, kind, severity, _ in rows("words.tsv.gz"):
        ngram, degree = key(term), float(severity)
        if not _counts(ngram, language, degree, ordinary):
            continue
        factor = 1.0 if language == "en" else FOREIGN
        weights[ngram] = max(weights.get(ngram, 0.0), min(MOST, factor * SEVERITY[kind] * degree))
        insulting = kind == "sexual" and SWEARING.search(ngram)
        if kind in ALONE and not insulting and degree >= LEAST_OF_KIND[kind] and " " not in ngram:
            kinds[kind][ngram] = ALONE[kind]
    english = {term for term, _ in rows("terms.tsv.gz")}
    for kind, ngram, weight in _insults():
        weights[ngram] = max(weight, weights[ngram]) if ngram in english else weight
        if kind == "hate" and " " not in ngram:
            kinds[kind][ngram] = ALONE[kind]
    for topic in TOPICS & weights.keys():
        weights[topic] = min(weights[topic], 0.5 * MOST)
    for kind, ngram, odds in _english():
        if kind == "insult":
            weights[ngram] = max(odds, weights.get(ngram, 0.0))
        else:
            kinds[kind][ngram] = odds
    return weights, kinds


def _english() -> Iterator[tuple[str, str, float]]:
    for line in (DATA / "english.tsv").read_text("utf-8").splitlines():
        kind, odds, terms = line.split("\t")
        for term in terms.split(" "):
            ngram = key(term.replace("_", " "))
            if not ngram:
                raise ValueError(f"english.tsv: {term} has more than three words")
            yield kind, ngram, float(odds)


def _insults() -> Iterator[tuple[str, str, float]]:
    """Those of other languages, from the mildest: what they are, and what they weigh."""
    lines = [line.split("\t") for line in (DATA / "insults.tsv").read_text("utf-8").splitlines()]
    for _, kind, degree, terms in sorted(lines, key=lambda line: float(line[2])):
        for term in terms.split(" "):
            yield kind, key(term.replace("_", " ")), min(MOST, FOREIGN * SEVERITY["insult"] * float(degree))


def _counts(ngram: str, language: str, degree: float, ordinary: frozenset[str]) -> bool:
    if not ngram or (len(ngram) < 3 and ngram.isascii()) or ngram in AMBIGUOUS or ngram in NEUTRAL:
        return False
    if ngram in ordinary and (language != "en" or degree < SEVERE):
        return False
    return language != "en" or degree >= LEAST_SEVERITY


if __name__ == "__main__":
    sys.exit(ship(made(), check="--check" in sys.argv))
