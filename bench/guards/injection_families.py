"""Attacks of a family that the model has seen nothing of: `python -m bench.guards.injection_families [FAMILY ...]`.

For each family of English attacks a model is trained on all others (smaller data than the shipped model, one round),
its threshold is set as for the shipped one, and its recall on that family is printed beside that of the keywords.
"""

import sys

from bench.guards.fitting import Example, fit
from bench.guards.injection import KEYWORDS
from bench.guards.injection_data import direct
from bench.guards.measuring import share, show
from bench.guards.train_injection import FALSE_POSITIVES, OPTIONS, calibrated, cut, held_out, logit
from moat.guards.detectors.injection import DIRECT
from moat.guards.learned import Model

FAMILIES = (
    "override",
    "authority",
    "persona",
    "extraction",
    "prefix",
    "fake-turns",
    "policy",
    "hypothetical",
    "splitting",
    "many-shot",
    "exfiltration",
)
MOST = 120


def main() -> None:
    """One table."""
    rows = cut(row for row in direct(8) if row.lang == "en")
    found = []
    for family in sys.argv[1:] or FAMILIES:
        learned = [(row, pieces) for row, pieces in rows if row.family != family and not held_out(row)]
        examples = [Example(piece, row.attack, weight=1 / len(pieces)) for row, pieces in learned for piece in pieces]
        natural = [one for one in rows if held_out(one[0]) and not one[0].attack and one[0].source != "templates"]
        model = Model(calibrated(fit(examples, OPTIONS), natural, FALSE_POSITIVES[DIRECT]))
        unseen = [one for one in rows if one[0].family == family]
        unseen = unseen[:: max(1, len(unseen) // MOST)]
        over = sum(max(logit(model, piece) for piece in pieces) >= 0 for _, pieces in unseen)
        found.append(share(family, "recall", over, len(unseen)))
        keywords = sum(bool(KEYWORDS.search(row.text)) for row, _ in unseen)
        found.append(share(f"{family}, keywords", "recall", keywords, len(unseen)))
        print(show(found[-2:]).splitlines()[-2:], flush=True)
    print(show(found))


if __name__ == "__main__":
    main()
