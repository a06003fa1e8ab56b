"""Trains the models of the detector `injection` from `data/injection`: `python -m bench.guards.train_injection`.

Also writes `words.txt.gz`, the words by which texts without spaces and with digits for letters are read. The same data
give the same files, with one release of numpy and scipy: `--check` trains anew and says whether these are the shipped
ones. `--measured` writes the models that only `bench.guards.injection` asks. Some minutes each.
"""

import gzip
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import msgspec

from bench.guards.fitting import MODELS, Example, Options, fit, store
from bench.guards.grammar import DATA
from bench.guards.injection_data import Labelled, direct, documents, instructions, planted
from moat.guards.detectors.injection import CONCEPTS, DIRECT, INDIRECT, SPELLING
from moat.guards.learned import Model, Weights
from moat.guards.sentences import pieces
from moat.guards.text import Text

OPTIONS = Options(order=2, once=True, stem=5, strength=1.0, mark=0.3, least=-0.6, most=24_000)
READ_OPTIONS = OPTIONS._replace(strength=3.0)
"""Of documents: what these are about differs more than what templates have words for, so no word may weigh much."""
FALSE_POSITIVES = {DIRECT: 0.015, INDIRECT: 0.025}
"""Share of harmless texts that were not learned from, for which a score of 0.5 is exceeded."""
MEASURED = DATA
"""Where the models are that are only measured."""
DIRECT_EACH, READ_EACH = {False: 10, True: 6}, {False: 30, True: 20}
"""Sentences made from each template of what users write and of documents, for the shipped and the measured models."""
HELD_OUT = 8
"""One template or text in so many sets the threshold."""
OVERLOOKED = 0.001
"""Share of the pieces of attacks that nothing hints at, see `Weights.hint`."""
FORGOTTEN = 0.25
"""Share of the pieces of which the words are forgotten once more, and only what they mean is learned from."""
REQUEST = 0.3
"""Weight of questions to assistants as instructions in documents: most of what is asked of an assistant is that."""
OVERRIDE = 2.0
"""Weight of instructions to ignore instructions in documents: few of very many, and the plainest."""

WORDS = "words.txt.gz"
SHORT_WORDS = "a ai i an am as at be by do go he if in is it me my no of on or so to up us we"

Cut = list[tuple[Labelled, list[list[str]]]]


def vocabulary(texts: Iterable[str]) -> list[str]:
    """Words of several letters that occur often, and the few short ones of English."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(re.findall(r"[a-z]+", Text(text).folded))
    return sorted(
        {*SHORT_WORDS.split(), *(word for word, count in counts.items() if count >= 3 and 3 <= len(word) <= 16)}
    )


def cut(rows: Iterable[Labelled]) -> Cut:
    """Rows with the pieces of their texts."""
    found = []
    for row in rows:
        found.append((row, [SPELLING.read(words) for _, _, words in pieces(Text(row.text).plain)] or [[]]))
    return found


def held_out(row: Labelled) -> bool:
    """By template or first words, so that nothing like it was learned from."""
    return crc32(row.template.encode()) % HELD_OUT == HELD_OUT - 1


def train_direct(rows: Cut) -> Weights:
    """In two rounds: attacks are long, and not every sentence of theirs is one.

    So the second round learns from the sentences that the first found worst.
    """
    examples = [_example(piece, row.attack, 1 / len(found)) for row, found in rows for piece in found]
    first = Model(fit(examples, OPTIONS._replace(rounds=40)))
    examples = []
    for row, found in rows:
        if not row.attack:
            examples += [_example(piece, False, len(found) ** -0.5) for piece in found]
            continue
        logits = [logit(first, piece) for piece in found]
        worst = [piece for piece, one in zip(found, logits, strict=True) if one > 0 or one == max(logits)]
        examples += [_example(piece, True, 1 / len(worst)) for piece in worst]
    return fit(examples + _forgotten(examples), OPTIONS)


def logit(model: Model, piece: list[str]) -> float:
    """Of one piece, as the detector weighs it."""
    return model.logit(piece, CONCEPTS.marks(piece))


def _example(piece: list[str], positive: bool, weight: float) -> Example:
    return Example(piece, positive, CONCEPTS.marks(piece), weight)


def _forgotten(examples: Sequence[Example]) -> list[Example]:
    """Pieces in a language that nobody ever learned from, as it were."""
    every = round(1 / FORGOTTEN)
    return [one._replace(words=[], weight=one.weight / 2) for one in examples[::every] if one.marks]


def train_indirect(harmless: Cut, attacks: Sequence[tuple[Labelled, int, int]], alone: Cut) -> Weights:
    """From the sentences of documents, and from instructions, by themselves and among such sentences."""
    examples = [_example(piece, False, len(found) ** -0.5) for _, found in harmless for piece in found]
    examples += [_example(piece, True, _weight(row) / len(found)) for row, found in alone for piece in found]
    for row, first, last in attacks:
        text = Text(row.text)
        for start, end, piece in pieces(text.plain):
            left, right = text.plain_span(start, end)
            if 2 * (min(right, last) - max(left, first)) > min(last - first, right - left):
                examples.append(_example(SPELLING.read(piece), True, _weight(row)))
    return fit(examples, READ_OPTIONS)


def _weight(row: Labelled) -> float:
    return {"request": REQUEST, "override": OVERRIDE}.get(row.family, 1.0)


def calibrated(weights: Weights, harmless: Cut, false_positives: float) -> Weights:
    """Moved so that the share of false positives at 0.5 is as wanted."""
    model = Model(weights)
    logits = sorted(max(logit(model, piece) for piece in found) for _, found in harmless)
    limit = logits[int(len(logits) * (1 - false_positives))]
    return msgspec.structs.replace(weights, bias=round(weights.bias - limit, 4))


def hinted(weights: Weights, attacks: Cut) -> Weights:
    """With the least that hints at an attack, so that few of those that would be found are overlooked."""
    model = Model(weights)
    found = sorted(model.hint(set(piece)) for _, cut in attacks for piece in cut if logit(model, piece) >= 0)
    return msgspec.structs.replace(weights, hint=round(found[int(len(found) * OVERLOOKED)], 4))


def learned_from(row: Labelled, measuring: bool) -> bool:
    """Nothing that is held out, when the model is there to be measured; else all but what sets its threshold."""
    return not held_out(row) if measuring else not sets_threshold(row)


def sets_threshold(row: Labelled) -> bool:
    """Harmless texts of packages, one in so many."""
    return held_out(row) and not row.attack and row.source not in {"templates", "own"}


def train(folder: Path, measuring: bool) -> None:
    """Write both models, and for those that are shipped the words."""
    users, read = direct(DIRECT_EACH[measuring]), documents(READ_EACH[measuring])
    if not measuring:
        spelt = [*direct(DIRECT_EACH[measuring], misspelling=False), *read]
        texts = [row.text for row in spelt if row.lang in {"en", "de", "fr", "es", "it", "pt", "nl"}]
        (folder / WORDS).write_bytes(gzip.compress("\n".join(vocabulary(texts)).encode(), mtime=0))
    rows = cut(users)
    weights = train_direct([one for one in rows if learned_from(one[0], measuring)])
    write(DIRECT, weights, rows, [one for one in rows if one[0].attack], folder)
    rows = cut(read)
    attacks = [one for one in planted(READ_EACH[measuring]) if learned_from(one[0], measuring)]
    alone = cut(row for row in instructions(READ_EACH[measuring]) if learned_from(row, measuring))
    weights = train_indirect([one for one in rows if learned_from(one[0], measuring)], attacks, alone)
    write(INDIRECT, weights, rows, alone, folder)


def write(name: str, weights: Weights, harmless: Cut, attacks: Cut, folder: Path) -> None:
    """Set its thresholds, store it, and say so."""
    natural = [one for one in harmless if sets_threshold(one[0])]
    weights = hinted(calibrated(weights, natural, FALSE_POSITIVES[name]), attacks)
    path = store(name, weights, folder)
    print(f"{path.name}: {len(weights.ngrams)} n-grams; threshold set on {len(natural)} harmless texts", flush=True)


def check() -> int:
    """Train into an empty folder, and compare with what is shipped. 1 when a file differs."""
    with TemporaryDirectory() as folder:
        train(Path(folder), measuring=False)
        unlike = 0
        for path in sorted(Path(folder).iterdir()):
            made, shipped = (sha256(one.read_bytes()).hexdigest()[:16] for one in (path, MODELS / path.name))
            unlike += made != shipped
            print(f"{path.name}: made {made}, shipped {shipped}")
    return int(unlike > 0)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(check())
    measured = "--measured" in sys.argv
    train(MEASURED if measured else MODELS, measured)
