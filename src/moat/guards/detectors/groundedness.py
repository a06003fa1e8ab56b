"""Answers that say more than the documents do."""

from collections.abc import Iterator
from typing import ClassVar

from moat.domain.guards import Place
from moat.guards.detector import WHOLE, Context, Detector, Hit
from moat.guards.evidence import Evidence, claims_of
from moat.guards.text import Text


class Groundedness(Detector, frozen=True):
    """Finds sentences for which the documents have nothing, or the opposite.

    Kinds: `unsupported` and `contradicted`: sentences of the answer for which the documents have nothing, or the
    opposite. Without documents nothing is checked.

    By words, not by meaning: a claim is supported when one or two neighbouring sentences of a document hold its words,
    its numbers and its names, and neither denies what the other says. A judge asked through the gateway sees more.
    """

    places: ClassVar[tuple[Place, ...]] = ("output",)
    window: ClassVar[int] = WHOLE
    thinking: ClassVar[bool] = False
    each: bool = False
    """The score is that of the sentence. Else each hit has the score of the answer: the share of its claims that are
    unsupported, those in doubt counted in part."""

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Compare each claim with the documents."""
        if not any(map(str.strip, context.documents)):
            return
        claims = list(claims_of(text.original))
        if not claims:
            return
        evidence = Evidence(context.documents, context.question)
        doubts = [evidence.doubt(claim.text) for claim in claims]
        share = sum(doubt.score for doubt in doubts) / len(claims)
        for claim, doubt in zip(claims, doubts, strict=True):
            if doubt.score >= 0.5:
                score = doubt.score if self.each else share
                yield Hit(doubt.kind, claim.start, claim.end, round(score, 3), f"Not in the documents: {doubt.reason}.")
