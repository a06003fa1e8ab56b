"""What a detector is: one file in `detectors/`, one registration in `REGISTERED`."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import ClassVar, NamedTuple

import msgspec

from moat.domain.calls import Message
from moat.domain.guards import DataClass, Place
from moat.guards.text import Text

REGISTERED = {
    "banned": "moat.guards.detectors.banned:Banned",
    "code": "moat.guards.detectors.code:Code",
    "format": "moat.guards.detectors.format:Format",
    "groundedness": "moat.guards.detectors.groundedness:Groundedness",
    "html": "moat.guards.detectors.html:Html",
    "injection": "moat.guards.detectors.injection:Injection",
    "judge": "moat.guards.detectors.judge:Judge",
    "language": "moat.guards.detectors.language:Language",
    "leak": "moat.guards.detectors.leak:Leak",
    "length": "moat.guards.detectors.length:Length",
    "moderation": "moat.guards.detectors.moderation:Moderation",
    "pii": "moat.guards.detectors.pii:Pii",
    "presidio": "moat.guards.detectors.presidio:Presidio",
    "refusal": "moat.guards.detectors.refusal:Refusal",
    "repetition": "moat.guards.detectors.repetition:Repetition",
    "schema": "moat.guards.detectors.schema:Schema",
    "secrets": "moat.guards.detectors.secrets:Secrets",
    "tools": "moat.guards.detectors.tools:Tools",
    "toxicity": "moat.guards.detectors.toxicity:Toxicity",
    "truncation": "moat.guards.detectors.truncation:Truncation",
    "urls": "moat.guards.detectors.urls:Urls",
}
"""Kind -> where its class is. A detector is imported when a policy names it."""


class Hit(NamedTuple):
    """What a detector found, in characters of `Text.original`."""

    kind: str
    start: int
    end: int
    """Exclusive."""
    score: float
    """0 to 1: the guard's threshold is compared with it."""
    note: str = ""
    """What is wrong, for people and for a model that is asked again; never quotes the text."""
    approvable: float = 0.0
    """Hours: a person's approval, which holds for so long, lets this pass. 0: nobody can approve it."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector may have to know beside the text."""

    place: Place
    told: bool = False
    """Is the text what the model was told: a system or developer message, or a part of one?"""
    instructions: str = ""
    """System and developer messages, as rendered."""
    question: str = ""
    """The last message of the user."""
    documents: tuple[str, ...] = ()
    """What the answer can rest on: retrieved documents and tool results."""
    conversation: tuple[Message, ...] = ()
    schema: dict[str, object] | None = None
    """JSON Schema that the answer has to follow, when the prompt or the request states one."""
    complete: bool = True
    """False: the text is the beginning of an answer that is still being written."""
    tool: str = ""
    """Name of the tool, when the text is what it shall be called with."""
    tool_version: str = ""
    """The same tool as the prompt names it, `name@version`; empty for one that is not the prompt's."""
    calls: tuple[tuple[str, str], ...] = ()
    """Name and arguments of the tool calls that stand before this one in the answer."""
    finish_reason: str = ""
    """As in `Finished`, once the answer is complete."""


WHOLE = -1


class Detector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Looks for something in a text. Its fields are its options in the policy file.

    Pure and quick: time linear in the text, no I/O, nothing kept between two texts but what can be thrown away.
    `__post_init__` raises `ValueError` for options that make no sense.
    """

    places: ClassVar[tuple[Place, ...]] = ("input", "documents", "tool_results", "output", "tool_arguments")
    """Where it makes sense."""
    threshold: ClassVar[float] = 0.5
    """Score from which a hit counts, when the guard does not say."""
    window: ClassVar[int] = 256
    """Most characters that one hit spans, with what has to be seen around it to be sure of it: a stream is held back by
    that much. Hits are the same however far the text goes on behind that window. `WHOLE`: nothing is certain until
    the text is complete."""

    thinking: ClassVar[bool] = True
    """Does it look at a model's visible thinking, and at what stands beside an answer? Not where it judges the answer
    as such: its form, its length, its language."""

    holds: ClassVar[DataClass | None] = None
    """What it finds is data of this class, and not a manner of speaking: what a guard redacts or blocks of it is kept
    nowhere."""

    def hold(self, characters: int) -> None:
        """Give this one a window of its own, from `__post_init__`, when it depends on the options."""
        self.__dict__["window"] = characters

    def goes_by(self, text: str, context: Context) -> str | None:
        """What its hits depend on beside the text, in a word: where that is the same, the same text has the same hits,
        and need not be looked at again. None: there is more to it.
        """
        return None

    def bars(self, tool: str) -> bool:
        """May a tool not be offered that the provider runs itself, so that no guard sees its calls in time?"""
        return False

    def detect(self, text: Text, context: Context) -> Iterable[Hit]:
        """What is there, in any order. Hits may overlap."""
        raise AssertionError("a detector implements `detect`")


def detector(kind: str) -> type[Detector]:
    """The class of a registered kind. Raises `KeyError`."""
    module, _, name = REGISTERED[kind].partition(":")
    found: type[Detector] = getattr(import_module(module), name)
    return found


def uncut(hits: Iterable[Hit], whole: Iterable[Hit]) -> Iterator[Hit]:
    """Those that neither begin nor end inside one of `whole`, which do not overlap: what was found as it is written.

    Without its markup `<i>ada@example.org</i><i>bob@example.org</i>` reads like one long address.
    """
    known = sorted((hit.start, hit.end) for hit in whole)
    for hit in hits:
        before = ((place, bisect_left(known, (place, 0)) - 1) for place in (hit.start, hit.end))
        if not any(at >= 0 and place < known[at][1] for place, at in before):
            yield hit
