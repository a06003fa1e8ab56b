"""How sure a sentence is of each kind of hostile speech: by its words, and by the signs of how it is built."""

import gzip
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec

from moat.guards.hostile_contexts import OWN_NAME
from moat.guards.hostile_spelling import HostileSpelling, known_words
from moat.guards.hostility import Signs, condemns, hostile_words
from moat.guards.learned import Model, probability, words

Kind = Literal["toxicity", "hate", "threat", "self_harm", "sexual", "violence"]
FEW_WORDS = 10
"""In fewer words one of them does not count more."""
MANY_WORDS = 15
"""Among more of them, what some say counts less."""
CONDEMNED = 0.4
"""What is left of words that somebody disapproves of."""
CALM = 0.9
"""Log odds that swearing loses when nobody is sworn at."""
INSULTING = 5.0
"""Weight of a word that is more than swearing."""
KNOWN_AS_RUDE = 6.0
"""Words of more weight are read where they are mistyped."""
FALSE_FRIENDS = frozenset(("dick", "hoe", "fag", "slut", "fart", "hell", "die", "kill", "gift", "rape", "cock", "bra"))
FALSE_FRIENDS |= {"negro", "negra", "negros", "negras"}
"""Ordinary words in languages that `ELSEWHERE` tells."""
_ELSEWHERE = (
    "der das und ist mit dem ein eine nicht auf het een van naar og jeg skal på pa att och är ar ikke det som je "
    "el los las una del que por para como muy uma il gli della nel"
)
ELSEWHERE = frozenset(_ELSEWHERE.split())
OWN = frozenset(("i", "me", "myself", "we", "ourselves", "my", "our", "us"))
"""Without one of them nobody names himself."""
_OWN_NAMES = """idiot stupid dumb moron fool loser clown dumbass fag fags faggot faggots dyke dykes queer queers tranny
trannies bitch bitches nigga niggas niggaz slut sluts cripple cripples whore whores"""
OWN_NAMES = frozenset(_OWN_NAMES.split())
"""What he calls himself."""
_SWEARING = """fuck fucking fuckin fucked shit shitty bullshit damn damned goddamn hell crap crappy ass wtf pissed sucks
suck sucked bloody"""
SWEARING = frozenset(_SWEARING.split())
_COMMON = """should must want their make master open through kind nothing give started never media people control
world child together better white deep hard nobody front self string attempts i a g s t all my up own non our man in
on to of the is be no not her his him them me with was were so out off at by will it"""
COMMON = frozenset(_COMMON.split())
"""Parts of phrases that are looked for only where something else speaks for a kind."""
TELLING = 0.45
"""Log odds from which a word is looked for."""
_SOMEBODY = "you your yours yourself u ur yall ya he she they them him her his their people these those"
SOMEBODY = frozenset(_SOMEBODY.split())
"""Whom one may swear at."""


class Phrases:
    """Words and phrases of two or three that show kinds by themselves, or speak against them."""

    def __init__(self, odds: dict[str, dict[str, float]]) -> None:
        """Kind -> phrase -> log odds."""
        self._kinds = tuple(odds)
        by_words: dict[tuple[str, ...], list[tuple[str, float]]] = {}
        for kind, of in odds.items():
            for phrase, each in of.items():
                by_words.setdefault(tuple(phrase.split(" ")), []).append((kind, each))
        self._words = {parts[0]: found for parts, found in by_words.items() if len(parts) == 1}
        self._pairs = {parts: found for parts, found in by_words.items() if len(parts) == 2}
        self._triples = {parts: found for parts, found in by_words.items() if len(parts) == 3}

    def said(self, listed: list[str]) -> dict[str, float]:
        """Kind -> log odds of all that stands there."""
        total = dict.fromkeys(self._kinds, 0.0)
        # `filter` is quick: most words are none of these.
        for words_found in (
            map(self._words.__getitem__, filter(self._words.__contains__, listed)),
            map(self._pairs.__getitem__, filter(self._pairs.__contains__, pairwise(listed))),
            map(
                self._triples.__getitem__,
                filter(self._triples.__contains__, zip(listed, listed[1:], listed[2:], strict=False)),
            ),
        ):
            for found in words_found:
                for kind, each in found:
                    total[kind] += each
        return total


class Lists(NamedTuple):
    """What is known of words."""

    rude: Model
    phrases: Phrases
    telling: frozenset[str]
    """Words that have to be looked at one by one. Most sentences have none."""


def scores(piece: str, listed: list[str], shown: Signs) -> Iterator[tuple[Kind, float]]:
    """Kinds and their scores, of a folded piece of text, its words, and the signs it shows."""
    known = lists()
    special = not known.telling.isdisjoint(listed)
    if special:
        listed = _meant(piece, listed)
    if not listed:
        return
    rude = known.rude.logit(listed) * min(1.0, len(listed) / FEW_WORDS) ** 0.5
    worst = known.rude.worst(listed)
    condemned = (rude > 1.0 or shown.hate > 0) and not shown.insult and condemns(piece)
    if condemned:
        rude, shown = CONDEMNED * rude, shown._replace(hate=0.5 * shown.hate)
    calm = CALM if special and _only_swears(listed, shown) else 0.0
    yield "toxicity", probability(rudeness(rude, worst, shown) - calm)
    if shown.threat:
        yield "threat", probability(-2.0 + shown.threat + 0.2 * rude)
    if not special and not any(shown):
        return
    thin = min(1.0, MANY_WORDS / len(listed)) ** 0.3
    said = {kind: thin * each for kind, each in known.phrases.said(listed).items()}
    slurs = min(4.0, max(0.0, said["hate"])) * (CONDEMNED if condemned else 1.0)
    if shown.hate or slurs or shown.group:
        despised = 0.0 if condemned else max(-1.0, min(2.0, shown.group * thin * said["contempt"]))
        yield "hate", probability(-2.6 + 1.2 * shown.hate + slurs + despised + 0.35 * max(0.0, rude))
    if shown.self_harm or said["self_harm"] > 0:
        yield "self_harm", probability(-3.4 + _within(said["self_harm"]) + 1.3 * shown.self_harm)
    if shown.violence or shown.threat or said["violence"] > 0:
        built = max(1.1 * shown.violence, 0.8 * shown.threat)
        yield "violence", probability(-3.2 + _within(said["violence"]) + built)
    if shown.sexual or said["sexual"] > 0:
        yield "sexual", probability(-2.8 + _within(said["sexual"]) + 0.9 * shown.sexual)


def rudeness(rude: float, worst: float, shown: Signs) -> float:
    """Log odds of toxicity from the mean and the worst word, and the signs of the other kinds."""
    built = 0.9 * shown.hate + 0.9 * shown.threat + 0.5 * shown.self_harm + 0.4 * shown.violence + 0.6 * shown.insult
    return -2.5 + rude + 0.1 * worst + built


def slips(folded: str) -> dict[str, str]:
    """Hostile words that are mistyped in a folded text, and what they may mean."""
    return _spelling().slips(words(folded))


def corrected(piece: str, listed: list[str], slipped: dict[str, str]) -> list[str]:
    """The words of a folded piece of text as they may be meant, where it is English."""
    if slipped.keys().isdisjoint(listed) or not piece.isascii() or not ELSEWHERE.isdisjoint(listed):
        return listed
    return [part for word in listed for part in slipped.get(word, word).split(" ")]


def _meant(piece: str, listed: list[str]) -> list[str]:
    """The words without those that mean nothing bad: names for oneself, and words of another language."""
    if not OWN.isdisjoint(listed) and OWN_NAME.search(piece):
        listed = words(OWN_NAME.sub(" ", piece))
    if not FALSE_FRIENDS.isdisjoint(listed) and not ELSEWHERE.isdisjoint(listed):
        listed = [word for word in listed if word not in FALSE_FRIENDS]
    return listed


def _only_swears(listed: list[str], shown: Signs) -> bool:
    """Does somebody swear, and insult nobody?"""
    if any(shown) or SWEARING.isdisjoint(listed) or not SOMEBODY.isdisjoint(listed):
        return False
    others = [word for word in listed if word not in SWEARING]
    return not others or lists().rude.worst(others) < INSULTING


def _within(said: float) -> float:
    """Many words of one kind are no more than sure."""
    return max(-3.0, min(7.0, said))


@cache
def lists() -> Lists:
    """Read once."""
    packed = files("moat.guards.models").joinpath("toxic_words.json.gz").read_bytes()
    kinds = msgspec.json.decode(gzip.decompress(packed), type=dict[str, dict[str, float]])
    return Lists(Model.load("toxicity"), Phrases(kinds), SWEARING | FALSE_FRIENDS | OWN_NAMES | {*_telling(kinds)})


def _telling(kinds: dict[str, dict[str, float]]) -> Iterator[str]:
    """Of a phrase the longest word that is not too common. Contempt counts only beside a group, which is a sign."""
    for kind, of in kinds.items():
        for phrase, odds in of.items() if kind != "contempt" else ():
            rare = [word for word in phrase.split(" ") if word not in COMMON]
            if odds >= TELLING and rare:
                yield max(rare, key=len)


@cache
def _spelling() -> HostileSpelling:
    known, right = lists(), known_words()
    rude = {word for word in right if known.rude.weight(word) > KNOWN_AS_RUDE}
    hostile = rude | known.telling | hostile_words(right)
    return HostileSpelling(frozenset(word for word in hostile if len(word) > 3))
