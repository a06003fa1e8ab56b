"""Insults, hate, threats, and talk of self-harm, sex and violence."""

import gzip
import re
from collections.abc import Collection, Iterator
from functools import cache
from importlib.resources import files
from typing import ClassVar, Literal, NamedTuple, get_args

import msgspec

from moat.guards.detector import Context, Detector, Hit
from moat.guards.hostile_phrases import any_phrase, phrases
from moat.guards.hostility import Mark, Signs, marks, signs
from moat.guards.learned import Model, probability, words
from moat.guards.prose import pieces
from moat.guards.text import Text

Kind = Literal["toxicity", "hate", "threat", "self_harm", "sexual", "violence"]
NONE = Signs()
NOTES: dict[Kind, str] = {kind: f"Leave out {kind.replace('_', ' ')}." for kind in get_args(Kind)}
FEW_WORDS = 10
"""In fewer words one of them does not count more."""
FALSE_FRIENDS = frozenset(("dick", "hoe", "fag", "slut", "fart", "hell", "die", "kill", "gift", "rape", "cock", "bra"))
FALSE_FRIENDS |= {"negro", "negra", "negros", "negras"}
"""Ordinary words in languages that `ELSEWHERE` tells."""
_ELSEWHERE = (
    "der das und ist mit dem ein eine nicht auf het een van naar og jeg skal på pa att och är ar ikke det som je "
    "el los las una del que por para como muy uma il gli della nel"
)
ELSEWHERE = frozenset(_ELSEWHERE.split())
OWN_FAULT = re.compile(
    r"\b(?:i'm|i am|i was|i feel|i felt|me|myself)(?: such| so| being| just| really| like)* "
    r"(?:an? )?(?:idiot|stupid|dumb|moron|fool|loser|clown)\b"
)
"""Who calls himself names insults nobody."""
SHORT_WORD = re.compile(
    r"\b(?:[14]|70|d0|g0|n0|50|b3|m3|h3|w3|15|17|45|47|1n|1f|1t|0n|0f|0r|y0u|th3|th1s)\b|(?<=[a-z]')[57]\b"
)
DIGIT = re.compile("[013457]")
DIGITS = str.maketrans("0134579", "oieastg")
LEAST = 0.05
"""Scores below it are not worth a hit."""
LONGEST = 300
"""Characters of a piece that is judged."""


class _Lists(NamedTuple):
    """What is known of words."""

    model: Model
    hate: frozenset[str]
    sexual: frozenset[str]
    erotic: frozenset[str]
    """Those, and words that are so in company."""
    any: frozenset[str]
    """Words that have to be looked at one by one. Most sentences have none."""


class Toxicity(Detector, frozen=True):
    """Finds insults, hate, threats, self-harm, sex and violence.

    Kinds: `toxicity` (insults, swearing at people), `hate` (against a group), `threat`, `self_harm` (who thinks of
    it, or tells others to), `sexual`, `violence`. A sentence or line gets a hit for each kind
    whose score is not next to nothing.

    What names a group of people counts nothing by itself. English best; in other languages by lists of words and set
    phrases, without their sense.
    """

    window: ClassVar[int] = 700
    kinds: tuple[Kind, ...] = get_args(Kind)

    def __post_init__(self) -> None:
        """At least one kind."""
        if not self.kinds:
            raise ValueError("`kinds` is empty")

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Sentence by sentence; what stands encoded in it, as one."""
        found = _shown(text)
        for piece in text.decoded:
            for (kind, start, end), score in _shown(Text(piece.text)).items() if piece.telling else ():
                if score >= self.threshold:
                    found[kind, *piece.span(start, end)] = score
        for (kind, start, end), score in found.items():
            if kind in self.kinds:
                yield Hit(kind, start, end, round(score, 3), NOTES[kind])


def _shown(text: Text) -> dict[tuple[Kind, int, int], float]:
    """Kinds and places with their scores: as the text is written, and as it reads."""
    folded = text.folded
    found = {(kind, *text.span(start, end)): score for kind, start, end, score in _judged(folded)}
    if text.plain != folded:
        judged = {folded[start:end] for start, end in pieces(folded, LONGEST)}
        for kind, start, end, score in _judged(_read(text), judged):
            place = (kind, *text.plain_span(start, end))
            found[place] = max(score, found.get(place, 0.0))
    return found


def _read(text: Text) -> str:
    """The plain text; where digits stood for letters, in its smallest words too. As long as the plain text."""
    plain = text.plain
    return SHORT_WORD.sub(lambda word: word[0].translate(DIGITS), plain) if DIGIT.search(plain) else plain


def _judged(folded: str, but: Collection[str] = ()) -> Iterator[tuple[Kind, int, int, float]]:
    """Each piece of a folded text, with each of its kinds; not those that were judged before."""
    found = sorted([*marks(folded), *_phrased(folded)])
    lists = _lists()
    first, meant = 0, False
    for start, end in pieces(folded, LONGEST):
        last = first
        while last < len(found) and found[last].start < end:
            last += 1
        piece = folded[start:end]
        if piece not in but:
            shown = signs(piece, found[first:last], start, meant) if last > first or meant else NONE
            for kind, score in _scores(piece, shown, lists):
                if score >= LEAST:
                    yield kind, start, end, score
        meant = any(mark.kind == "group" for mark in found[first:last])
        first = last


def _phrased(folded: str) -> Iterator[Mark]:
    if any_phrase().is_in(folded):
        for kind, pattern in phrases():
            for start, end in pattern.spans(folded):
                yield Mark(start, end, kind)


def _scores(piece: str, shown: Signs, lists: _Lists) -> Iterator[tuple[Kind, float]]:
    """Kinds and their scores: words by the model, and how the sentences are built."""
    listed = words(piece)
    if ("i" in listed or "me" in listed) and OWN_FAULT.search(piece):
        listed = words(OWN_FAULT.sub(" ", piece))
    special = not lists.any.isdisjoint(listed)
    if special and not FALSE_FRIENDS.isdisjoint(listed) and not ELSEWHERE.isdisjoint(listed):
        listed = [word for word in listed if word not in FALSE_FRIENDS]
    if not listed:
        return
    rude = lists.model.logit(listed) * min(1.0, len(listed) / FEW_WORDS) ** 0.5
    yield "toxicity", probability(rudeness(rude, lists.model.worst(listed), shown))
    if shown.threat:
        yield "threat", probability(-2.0 + shown.threat + 0.2 * rude)
    named = special and not lists.hate.isdisjoint(listed)
    if shown.hate or named:
        yield "hate", probability(-2.6 + 1.2 * shown.hate + 3.0 * named + 0.35 * max(0.0, rude))
    desperate = min(4, sum(word in DESPERATE for word in listed)) if special else 0
    if shown.self_harm or desperate:
        yield "self_harm", probability(-3.4 + 0.6 * desperate + 1.3 * shown.self_harm)
    gory = min(4, sum(word in VIOLENT for word in listed)) if special else 0
    if shown.violence or gory:
        yield "violence", probability(-3.2 + 0.7 * gory + 1.1 * shown.violence)
    if shown.sexual or (special and not lists.erotic.isdisjoint(listed)):
        yield "sexual", probability(sexual(listed, lists.sexual) + 0.9 * shown.sexual)


def rudeness(rude: float, worst: float, shown: Signs) -> float:
    """Log odds of toxicity from the mean and the worst word, and the signs of the other kinds."""
    built = 0.9 * shown.hate + 0.9 * shown.threat + 0.5 * shown.self_harm + 0.4 * shown.violence + 0.6 * shown.insult
    return -2.5 + rude + 0.1 * worst + built


def sexual(listed: list[str], explicit: frozenset[str]) -> float:
    """Log odds from how many explicit words there are, and how many that may be harmless; in a doctor's or a teacher's
    company they count less.
    """
    sure = sum(word in explicit or word in EXPLICIT for word in listed)
    mild = sum(word in SUGGESTIVE for word in listed)
    return -2.8 + 2.6 * min(sure, 3) + 1.0 * min(mild, 4) - 2.5 * (not CLINICAL.isdisjoint(listed))


_EXPLICIT = """porn porno pornographic blowjob blowjobs cumshot cumming gangbang handjob deepthroat creampie hentai
masturbate masturbating masturbated masturbation dildo clit horny threesome milf erotica cunnilingus fellatio"""
EXPLICIT = frozenset(_EXPLICIT.split())
_SUGGESTIVE = """cum cums orgasm orgasms erotic boobs tits pussy cock dick nude nudes naked slutty slut anal fetish bdsm
moaned moans moaning thrust thrusting nipples vibrator ejaculate penis vagina lick licking licks suck sucking sucks sex
sexual sexy fuck fucked fucking fucks undressed lingerie aroused breasts swallowed stepsister kinky genitals escort
escorts spanking spank spanked busty sensual seduce seduced panties naughty hardcore climax thighs erection erect
throbbing boner semen sperm spunk doggy doggie tongue groped caressed bra stripper whore horny pornstar sexbilder"""
SUGGESTIVE = frozenset(_SUGGESTIVE.split())
_VIOLENT = """kill kills killed killing killer murder murders murdered murdering dead death die dies died blood bloody
gun guns shot shoot shooting stab stabbed knife rape raped raping torture tortured weapon weapons corpse corpses body
bodies bomb bombs attack attacked beat beaten beating punch punched strangled choke choked slaughter slaughtered execute
executed hang hanged burn burned burning wound wounds wounded scream screamed screaming violence violent brutal flesh
skull throat sword axe blade bullet bullets hostage massacre genocide lynch terrorist behead"""
VIOLENT = frozenset(_VIOLENT.split())
_DESPERATE = """suicide suicidal cutting depressed depression worthless hopeless overdose pills razor die dying anorexia
anorexic purge purging binge starving scars wrists myself numb alive pain unbearable burden goodbye hang noose"""
DESPERATE = frozenset(_DESPERATE.split())
_CLINICAL = """doctor patient patients cancer exam examination medical health clinic hospital symptoms infection
disease anatomy biology education treatment surgery hormone puberty pregnancy contraception std sti hiv consent assault
abuse harassment victim victims nurse therapy diagnosis prostate cervical urinary pain tissue organ reproductive rights
legal law study research"""
CLINICAL = frozenset(_CLINICAL.split())


@cache
def _lists() -> _Lists:
    packed = files("moat.guards.models").joinpath("toxic_words.json.gz").read_bytes()
    kinds = msgspec.json.decode(gzip.decompress(packed), type=dict[str, frozenset[str]])
    erotic = kinds["sexual"] | EXPLICIT | SUGGESTIVE
    return _Lists(
        Model.load("toxicity"),
        kinds["hate"],
        kinds["sexual"],
        erotic,
        erotic | kinds["hate"] | FALSE_FRIENDS | DESPERATE | VIOLENT,
    )
