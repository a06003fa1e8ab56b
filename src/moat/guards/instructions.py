"""Instructions as a leak is looked for in: their sequences of words, and what their rules say."""

import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from moat.guards.learned import SEPARATED
from moat.guards.patterns import Pattern
from moat.guards.text import Text

GRAM = 4
"""Words of a sequence that is compared."""
LONGEST_WORD = 40
WORD = re.compile(rf"[぀-ヿ㐀-鿿가-힯฀-๿]|[^\W_]{{1,{LONGEST_WORD}}}")
CLOSING = re.compile(r"[.!?;:。！？；।؟\n]")
MAX_INSTRUCTIONS = 100_000
MAX_CLAUSE = 60
SUFFIX = re.compile(r"(?:ations?|ments?|ings?|edly|ed|ies|es|ly|s|e|y)$")
_STOP_WORDS = """a an and are as at be been but by can could did do does for from had has have he her his how i if in
into is it its just me more my no not of on or our out she should so some such than that the their them then there
these they this those to up us was we were what when which who will with would you your yours about any all also only
der die das und oder ist sind ein eine zu den dem des von mit für auf im le la les de des du un une et ou est sont
en el los las y o que es son una por para con il lo gli e che di da"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
RULE = re.compile(
    r"\b(?:you(?:'re| are| must| should| will| shall| may| can| have| never| always|r)?\b|never|always|must|do not"
    r"|don'?t|refuse|reply|respond|answer only|only answer|confidential|secret|instructions?|persona|pretend"
    r"|avoid|make sure|ensure|under no circumstances|if (?:the )?(?:user|customer|someone|asked)"
    r"|du bist|sie sind|niemals|immer|antworte|tu es|vous êtes|ne jamais|toujours|réponds|eres|nunca|siempre|responde"
    r"|sei un|non devi|rispondi|você é|sempre|responda)\b|你是|不要|必须|绝不|あなたは|ないでください|절대|당신은"
)
"""A sentence of the instructions that tells what to do, not how things are."""
IMPERATIVE = re.compile(
    r"^(?:please |also |then |only )?(?:keep|write|use|call|recommend|mention|end|point|confirm|ignore|suggest|answer"
    r"|give|summari[sz]e|ask|praise|refer|say|speak|include|list|format|limit|focus|stay|treat|assume|follow|provide|output"
    r"|return|respond|remember|check|convert|translate|act|play|address|begin|start|explain|help|offer|tell|let"
    r"|nenne|verweise|sprich|schreibe|nutze|verwende|beginne|gib|erkläre|erklare|utilise|parle|mentionne|usa|escribe"
    r"|menciona|habla|scrivi|parla|escreva|fale)\b"
)
CONFESSION = re.compile(
    r"\b(?:my (?:\w+ )?(?:instructions?|prompt|rules|guidelines|role|task|orders|directives?|configuration|settings)"
    r"|(?:system|initial|hidden|original|developer) (?:prompt|message|instructions?)|i(?:'m| am| was)"
    r"|i (?:must|should|cannot|can't|can only|have to|need to|may|never|always|will never|won't)"
    r"|(?:told|instructed|asked|supposed|required|configured|programmed|forbidden|allowed) (?:me )?(?:to|not)"
    r"|you (?:are|must|should|will) (?:a|an|the|never|always|not|only)|never|must not|do not|don't|always)\b"
)
"""A sentence of an answer that speaks of what it was told, or tells it on."""


class Word(NamedTuple):
    """A word of a folded text."""

    text: str
    start: int
    end: int
    closes: bool
    """A sentence or clause ends behind it."""
    stem: str
    """Empty for words that say nothing by themselves."""
    weight: float
    """A character of a script without spaces counts as half a word."""


class Clause(NamedTuple):
    """A sentence of the instructions."""

    stems: frozenset[str]


@lru_cache(maxsize=32_768)
def stem(word: str) -> str:
    """A word without its usual English endings; empty for words that say nothing by themselves.

    >>> stem("customers"), stem("refunded"), stem("the")
    ('customer', 'refund', '')
    """
    if word in STOP_WORDS:
        return ""
    return SUFFIX.sub("", word) if len(word) > 4 else word


def tokens(folded: str) -> list[Word]:
    """The words of a folded text, in order."""
    found = list(WORD.finditer(folded))
    words = []
    for at, match in enumerate(found):
        end = match.end()
        after = found[at + 1].start() if at + 1 < len(found) else len(folded)
        closes = after - end > 1 and CLOSING.search(folded, end, min(after, end + 8)) is not None
        word = match[0]
        weight = 0.5 if len(word) == 1 and ord(word) > 0x0E00 else 1.0
        words.append(Word(word, match.start(), end, closes or after - end > 20, stem(word), weight))
    return words


class Instructions:
    """What a leak is compared with, less what the question says itself."""

    def __init__(self, instructions: str, question: str) -> None:
        """Both as written; only the beginning of very long ones is kept."""
        words = tokens(Text(instructions[:MAX_INSTRUCTIONS]).folded)
        asked = tokens(Text(question[:MAX_INSTRUCTIONS]).folded)
        asked_stems = frozenset(word.stem for word in asked)
        common = set(_grams(asked))
        self.grams = {gram for gram in _grams(words) if gram not in common}
        self._rule_grams: set[tuple[str, ...]] = set()
        self._by_stem: dict[str, list[Clause]] = {}
        for sentence in _sentences(words):
            self._add(sentence, asked_stems)

    def _add(self, sentence: Sequence[Word], asked: frozenset[str]) -> None:
        said = " ".join(word.text for word in sentence)
        if not RULE.search(said) and not IMPERATIVE.match(said):
            return
        self._rule_grams.update(_grams(sentence))
        stems = frozenset(word.stem for word in sentence if word.stem) - asked
        if len(stems) >= 4:
            clause = Clause(stems)
            for one in stems:
                self._by_stem.setdefault(one, []).append(clause)

    def may_be_in(self, folded: str) -> bool:
        """Is it worth to look closer?"""
        words = _words(folded)
        return not self.grams.isdisjoint(zip(*(words[at:] for at in range(GRAM)), strict=False)) or (
            bool(self._by_stem) and _confession().is_in(folded)
        )

    def share_of_rules(self, passage: Sequence[str]) -> float:
        """How much of a passage stands in rules, 0 to 1."""
        grams = [tuple(passage[at : at + GRAM]) for at in range(len(passage) - GRAM + 1)]
        return sum(gram in self._rule_grams for gram in grams) / max(1, len(grams))

    def speaks_of_rules(self, sentence: Sequence[Word]) -> bool:
        """Does a sentence of an answer tell what it was told?"""
        return CONFESSION.search(" ".join(word.text for word in sentence)) is not None

    def near(self, said: frozenset[str]) -> list[Clause]:
        """Rules that share rare words with a sentence; few, however long the instructions are."""
        lists = sorted((self._by_stem[one] for one in said if one in self._by_stem), key=len)
        found: dict[int, Clause] = {}
        for clauses in lists[:6]:
            for clause in clauses[:20]:
                found[id(clause)] = clause
        return list(found.values())


def _words(folded: str) -> list[str]:
    """The texts of `tokens`."""
    if folded.isascii():
        words = folded.translate(SEPARATED).split()
        if not words or len(max(words, key=len)) <= LONGEST_WORD:
            return words
    return WORD.findall(folded)


@cache
def _confession() -> Pattern:
    """Matches wherever `CONFESSION` does, and is quicker to say that nothing does."""
    return Pattern(CONFESSION.pattern.replace(r"\w", r"[\pL\pN_]"))


def _grams(words: Sequence[Word]) -> Iterator[tuple[str, ...]]:
    texts = [word.text for word in words]
    return zip(*(texts[at:] for at in range(GRAM)), strict=False)


def _sentences(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    start = 0
    for at, word in enumerate(words):
        if word.closes or at + 1 - start >= MAX_CLAUSE:
            yield words[start : at + 1]
            start = at + 1
    if start < len(words):
        yield words[start:]


@lru_cache(maxsize=64)
def instructed(instructions: str, question: str) -> Instructions:
    """The same, remembered: an answer is looked at piece by piece."""
    return Instructions(instructions, question)
