"""Prompt injection and jailbreaks: who tries to make the model forget what it was told.

What a user writes (`input`) is judged by one model: instructions to ignore instructions, personas without rules,
requests for the system prompt, forged turns and templates. What the model is given to read (`documents`,
`tool_results`) is judged by another: there any instruction to an assistant is out of place.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import ClassVar

from moat.domain.guards import Place
from moat.guards.concepts import Concepts, marks
from moat.guards.detector import Context, Detector, Hit
from moat.guards.learned import Model, probability
from moat.guards.plain import vocabulary
from moat.guards.sentences import judged, pieces
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
    for start, end, logit in _weighed(text.plain, model):
        yield Hit("injection", *text.plain_span(start, end), probability(logit))
    for hidden in text.decoded:
        worst = max((logit for _, _, logit in _weighed(Text(hidden.text).plain, model)), default=None)
        if worst is not None:
            yield Hit("hidden_injection", hidden.start, hidden.end, probability(worst))


def _weighed(plain: str, model: Model) -> Iterator[tuple[int, int, float]]:
    """The pieces of a text that could be one, with their log odds."""
    for start, end, written in pieces(plain):
        words = SPELLING.read(written)
        logit = model.logit(words)
        if logit >= _HOPELESS:
            logit += _meant(model, CONCEPTS.there(words))
            if logit >= _LEAST:
                yield start, end, logit


@lru_cache(maxsize=4_096)
def _meant(model: Model, concepts: frozenset[str]) -> float:
    """What concepts that stand together add to the log odds."""
    return model.marked(marks(concepts))


def _stem(text: str) -> list[str]:
    return judged(Text(text).folded)


CONCEPTS = Concepts(_stem)
SPELLING = Spelling(vocabulary, lambda word: CONCEPTS.there([word]))
