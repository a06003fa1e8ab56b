"""Makes the model of the detector `language` from the profiles of the package langdetect.

    python -m bench.guards.train_language .../langdetect/profiles [--check]

The profiles (Apache-2.0, Nakatani Shuyo, counts of n-grams in abstracts of Wikipedia) are in PyPI's `langdetect`; what
is kept of them is in the repository as the model itself. `--check` compares and writes nothing.
"""

import json
import sys
from collections import Counter
from math import log
from pathlib import Path

from bench.guards.shipping import ship
from moat.guards.languages import LETTERS

KEPT = 1400
"""Trigrams of each language."""
PER_NAT = 20
SCRIPTS = {
    "latin": "af ca cs da de en es et fi fr hr hu id it lt lv nl no pl pt ro sk sl so sq sv sw tl tr vi",
    "cyrillic": "bg mk ru uk",
    "arabic": "ar fa ur",
    "devanagari": "hi mr ne",
}


def trigrams(profile: Path) -> Counter[str]:
    """Counts of a language, lower case, one space for what is between words."""
    counts: Counter[str] = Counter()
    for gram, count in json.loads(profile.read_text("utf-8"))["freq"].items():
        low = gram.lower()
        if len(low) == 3 and all(letter == " " or LETTERS.fullmatch(letter) for letter in low):
            counts[low] += count
    return counts


def weights(counts: Counter[str]) -> dict[str, int]:
    """Log probabilities of the most frequent, in steps of 1/PER_NAT."""
    total = counts.total()
    return {gram: round(PER_NAT * log(count / total)) for gram, count in counts.most_common(KEPT)}


def made(profiles: Path) -> dict[str, bytes]:
    """The contents of the model's file."""
    model = {
        script: {code: weights(trigrams(profiles / code)) for code in codes.split()}
        for script, codes in SCRIPTS.items()
    }
    text = json.dumps({"per_nat": PER_NAT, "scripts": model}, ensure_ascii=False, separators=(",", ":"))
    return {"language.json.gz": text.encode()}


if __name__ == "__main__":
    sys.exit(ship(made(Path(sys.argv[1])), check="--check" in sys.argv))
