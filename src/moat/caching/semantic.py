"""The semantic cache: an answer to a question that means the same, once it is shown how seldom that is wrong."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

from msgspec.structs import replace

from moat.caching.exact import Memory
from moat.caching.false_hits import Book, may_serve
from moat.caching.index import VectorIndex, unit
from moat.caching.lexical import MAX_CHARACTERS, likeness
from moat.caching.question import fingerprint
from moat.domain.calls import Call, Event
from moat.domain.config import SemanticConfig
from moat.domain.errors import MoatError, ProviderDown
from moat.domain.false_hits import Example, Subject
from moat.pipeline.answers import Answer
from moat.ports.cache import Near, ResponseCache
from moat.ports.clock import Clock
from moat.ports.embedder import Embedder

MAX_TEXT = 8_000
"""Characters of a question; in longer ones what matters is too small a part of the vector."""
MAX_SHOWN = 500
"""Characters of a text in an example."""

_NUMBERED = re.compile(r"\w*\d\w*")
"""A word with a digit: an amount, a date, the number of an order. No embedding tells them apart well enough."""


@dataclass(frozen=True)
class Stock:
    """What semantic caches stand on; it outlives every reload."""

    memory: Memory
    index: VectorIndex
    book: Book


@dataclass(frozen=True)
class Semantic:
    """The semantic cache of one alias."""

    config: SemanticConfig
    embedder: Embedder


class SemanticAnswers:
    """Implements `moat.ports.cache.SemanticCache`. Vectors lie here, answers in the exact cache: what is gone there,
    for its age or for lack of room, is found by nobody.
    """

    def __init__(
        self, aliases: Mapping[str, Semantic], exact: ResponseCache, stock: Stock, clock: Clock, *, show: bool = True
    ) -> None:
        """`show`: texts of calls may be kept as examples of false hits."""
        self._aliases = aliases
        self._exact = exact
        self._stock = stock
        self._clock = clock
        self._show = show

    def mode(self, call: Call) -> Literal["off", "shadow", "serve"]:
        """`serve` only for what is proven, or need not be."""
        found = self._of(call)
        if found is None:
            return "off"
        known = self._stock.book.about(_subject(call, found))
        return "serve" if may_serve(known, found.config) else "shadow"

    async def look(self, call: Call, key: bytes) -> Near | None:
        """By the last text of the user; all else must be equal."""
        found, text = self._of(call), question_of(call)
        if found is None or text is None:
            return None
        try:
            embedding = await found.embedder.embed(text, call)
            vector = unit(embedding.vector)
            if vector is None:
                raise ProviderDown("a vector without a direction", where=f"embedder {found.embedder.name}")
        except MoatError:
            self._stock.memory.tallies[_alias(call)].failed += 1
            raise
        partition = _partition(call, text, f"{found.embedder.name} {embedding.space}")
        near = Near(partition=partition, vector=vector, text=text)
        for match in self._stock.index.near(near.partition, vector, found.config.threshold):
            if match.key == key:
                continue
            answer = self._exact.find(call, match.key)
            if answer is None:
                self._stock.index.drop(match.key)
                continue
            self._stock.index.touch(match.key)
            serve = self.mode(call) == "serve" and random.random() >= found.config.sample
            return replace(near, similar=match.text, similarity=match.similarity, answer=answer, serve=serve)
        return near

    async def learn(self, call: Call, key: bytes, near: Near | None, events: Sequence[Event]) -> None:
        """Only what the exact cache has kept: everything else is an answer that may not be given again."""
        found = self._of(call)
        if found is None or self._exact.find(call, key) is None:
            return
        if near is None:
            try:
                near = await self.look(call, key)
            except MoatError:  # its record says what went wrong, and it is counted
                return
        if near is None:
            return
        self._stock.index.put(near.partition, key, near.text, near.vector)
        if near.answer is not None and call.cache == "use":
            self._compare(call, found, near, events)

    def _compare(self, call: Call, found: Semantic, near: Near, events: Sequence[Event]) -> None:
        assert near.answer is not None
        said, cached = _said(events), _said(near.answer.events)
        now = self._clock.now_ns()
        if agree(said, cached, found.config.agreement):
            self._stock.book.add(_subject(call, found), now, false=False)
            return
        example = Example(
            asked=near.text[:MAX_SHOWN],
            similar=near.similar[:MAX_SHOWN],
            similarity=round(near.similarity, 4),
            answered=_shown(said),
            cached=_shown(cached),
            at_ns=now,
        )
        self._stock.book.add(_subject(call, found), now, false=True, example=example if self._show else None)

    def _of(self, call: Call) -> Semantic | None:
        return self._aliases.get(_alias(call)) if call.operation == "chat" else None


def question_of(call: Call) -> str | None:
    """The last text of the user, when that is nothing but text, not empty and not too long."""
    place = _last_user(call)
    content = call.messages[place].get("content") if place is not None else None
    if isinstance(content, list):
        content = _joined(content)
    return content if isinstance(content, str) and content.strip() and len(content) <= MAX_TEXT else None


def agree(one: Answer, other: Answer, agreement: float) -> bool:
    """Do two answers say the same? They call the same tools in the same way, name the same numbers, and their texts are
    equal but for case and white space, or, up to `MAX_CHARACTERS`, lexically as similar as `agreement` demands.
    """
    if _called(one) != _called(other):
        return False
    if _plain(one.text) == _plain(other.text):
        return True
    if max(len(one.text), len(other.text)) > MAX_CHARACTERS:  # the rest would not be looked at
        return False
    return _numbers(one.text) == _numbers(other.text) and likeness(one.text, other.text) >= agreement


def _partition(call: Call, text: str, space: str) -> bytes:
    """All that must be equal: the exact cache's key without the text, and the words with digits in it."""
    place = _last_user(call)
    assert place is not None, "there is a text"
    messages = [*call.messages]
    messages[place] = {**messages[place], "content": ""}
    digest = blake2b(fingerprint(replace(call, messages=messages)), digest_size=16)
    digest.update(repr((space, _numbers(text))).encode("utf-8", "surrogatepass"))
    return digest.digest()


def _subject(call: Call, found: Semantic) -> Subject:
    release, config = call.journal.release, found.config
    return Subject(
        alias=_alias(call),
        embedder=found.embedder.name,
        threshold=config.threshold,
        agreement=config.agreement,
        release=release.id if release else "",
    )


def _last_user(call: Call) -> int | None:
    places = range(len(call.messages) - 1, -1, -1)
    return next((place for place in places if call.messages[place].get("role") == "user"), None)


def _joined(parts: list[Any]) -> str | None:
    texts = [
        part["text"]
        for part in parts
        if isinstance(part, dict) and part.keys() == {"type", "text"} and part["type"] == "text"
    ]
    return "\n".join(texts) if len(texts) == len(parts) and all(isinstance(text, str) for text in texts) else None


def _said(events: Sequence[Event]) -> Answer:
    answer = Answer()
    for event in events:
        answer.add(event)
    return answer


def _called(answer: Answer) -> list[tuple[str, str]]:
    return [(call["function"]["name"], call["function"]["arguments"]) for call in answer.tool_calls]


def _shown(answer: Answer) -> str:
    return (answer.text or str(_called(answer)))[:MAX_SHOWN]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _numbers(text: str) -> list[str]:
    return _NUMBERED.findall(text.casefold())


def _alias(call: Call) -> str:
    return call.plan.alias if call.plan else ""
