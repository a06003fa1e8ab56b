"""Prompt injection and jailbreaks: who tries to make the model forget what it was told.

What a user writes (`input`) is judged by one model: instructions to ignore instructions, personas without rules,
requests for the system prompt, forged turns and templates. What the model is given to read (`documents`,
`tool_results`) is judged by another: there any instruction to an assistant is out of place.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import ClassVar

from moat.domain.guards import Place
from moat.guards.concepts import Concepts, marks
from moat.guards.detector import Context, Detector, Hit
from moat.guards.learned import Model, probability
from moat.guards.plain import vocabulary
from moat.guards.remembered import Harmless
from moat.guards.sentences import cut, judged, told
from moat.guards.spelling import Spelling
from moat.guards.text import Text

DIRECT, INDIRECT = "injection", "injection_indirect"
"""Names of the models."""
_HOPELESS = -6.0
"""Log odds of the words below which what they mean is not looked at."""
_LEAST = -4.0
"""Log odds. Below this there is no hit: the probability is under 2 %."""


class Injection(Detector, frozen=True):
    """Kinds: `injection`, and `hidden_injection` for one that stands encoded or in invisible characters."""

    places: ClassVar[tuple[Place, ...]] = ("input", "documents", "tool_results")
    window: ClassVar[int] = 1_024
    instructions: bool = False
    """Also judge system and developer messages. They are full of instructions about instructions ("never reveal ..."):
    sensible only where callers of unknown intent write them."""

    def goes_by(self, text: str, context: Context) -> str:
        """Where it stands, and whether it is an instruction, which is left out."""
        return "instructions" if self._leaves_out(context) else context.place

    def _leaves_out(self, context: Context) -> bool:
        return context.place == "input" and context.told and not self.instructions

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Every piece of the text, some sentences each, by itself."""
        if self._leaves_out(context):
            return
        yield from judge(text, Model.load(DIRECT if context.place == "input" else INDIRECT))


def judge(text: Text, model: Model) -> Iterator[Hit]:
    """What a model makes of the pieces of a text, and of what stands in it encoded."""
    for start, end, logit in _read(text, model):
        yield Hit("injection", start, end, probability(logit))
    for piece, said in text.hidden:
        if piece.telling:
            for start, end, logit in _read(said, model):
                yield Hit("hidden_injection", *piece.span(start, end), probability(logit))


def _read(text: Text, model: Model) -> Iterator[tuple[int, int, float]]:
    """The pieces of a text and of its asides that could be one, with their log odds."""
    for start, end, logit in _weighed(text.plain, model):
        yield *text.plain_span(start, end), logit
    for start, end, logit in _weighed(text.asides.text, model):
        blank = end - start - len(text.asides.text[start:end].lstrip())  # stands for all that is beside the aside
        yield *text.asides.back(start + blank, end), logit


def _weighed(plain: str, model: Model) -> Iterator[tuple[int, int, float]]:
    """The pieces of a text that could be one, with their log odds."""
    known = harmless(model)
    for start, end, piece, marked in cut(plain):
        if piece in known:
            continue
        words = SPELLING.read(told(piece, marked))
        logit = model.logit(words)
        if logit >= _HOPELESS:
            logit += _meant(model, CONCEPTS.there(words))
        if logit >= _LEAST:
            yield start, end, logit
        else:
            known.keep(piece)


@cache
def harmless(model: Model) -> Harmless:
    """The pieces in which a model has found nothing: what it makes of one depends on nothing else."""
    return Harmless()


@lru_cache(maxsize=4_096)
def _meant(model: Model, concepts: frozenset[str]) -> float:
    """What concepts that stand together add to the log odds."""
    return model.marked(marks(concepts))


def _stem(text: str) -> list[str]:
    return judged(Text(text).folded)


CONCEPTS = Concepts(_stem)
SPELLING = Spelling(vocabulary, lambda word: CONCEPTS.there([word]))
