"""A pipeline with a semantic cache, for its tests."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from dataclasses import replace as with_fields
from typing import Any

from msgspec.structs import replace

from moat.caching.exact import ExactCache, Memory
from moat.caching.false_hits import Book
from moat.caching.index import VectorIndex
from moat.caching.semantic import Semantic, SemanticAnswers, Stock
from moat.domain.calls import Call, Delta, Journal
from moat.domain.config import CacheConfig, SemanticConfig
from moat.domain.errors import MoatError, ProviderDown
from moat.domain.false_hits import FalseHits
from moat.pipeline.compose import Next
from moat.pipeline.recipe import build
from moat.ports.embedder import Embedder, Embedding
from moat.ports.models import Provider
from moat.testing.fakes import FakeBackground, FakeClock, FixedModels, ListSpool, fake_ports, new_call

TTL = 600.0


class FixedEmbedder:
    """Says what it was told; any other text fails."""

    name = "fixed"

    def __init__(self, vectors: Mapping[str, Sequence[float]]) -> None:
        self.vectors = dict(vectors)
        self.asked: list[str] = []
        self.space = "plane"
        self.error: MoatError | None = None

    async def embed(self, text: str, call: Call) -> Embedding:
        self.asked.append(text)
        if self.error is not None:
            raise self.error
        if text not in self.vectors:
            raise ProviderDown(f"no vector for {text!r}")
        return Embedding(self.space, self.vectors[text])


@dataclass
class World:
    """One pipeline, and what it stands on."""

    provider: Provider
    embedder: Embedder
    config: SemanticConfig = field(default_factory=lambda: SemanticConfig(mode="serve", unproven=True, sample=0))
    clock: FakeClock = field(default_factory=FakeClock)
    spool: ListSpool = field(default_factory=ListSpool)
    background: FakeBackground = field(default_factory=FakeBackground)
    megabytes: float = 1.0
    show: bool = True
    cache: CacheConfig = field(default_factory=lambda: CacheConfig(ttl=TTL))

    def __post_init__(self) -> None:
        size = round(self.megabytes * 2**20)
        self.stock = Stock(Memory(size), VectorIndex(size), Book())
        self.run = self.pipeline()

    def pipeline(self) -> Next:
        exact = ExactCache({"assistant": self.cache, "other": CacheConfig(ttl=TTL)}, self.stock.memory, self.clock)
        semantic = SemanticAnswers(
            {"assistant": Semantic(self.config, self.embedder)}, exact, self.stock, self.clock, show=self.show
        )
        models = FixedModels({"assistant": ["fake/large"], "other": ["fake/large"]}, {"fake": self.provider})
        ports = with_fields(fake_ports(self.provider, spool=self.spool), models=models, clock=self.clock)
        return build(with_fields(ports, background=self.background, cache=exact, semantic=semantic))

    async def ask(self, text: str | Call, **changes: Any) -> tuple[str, Journal]:
        """The answer and the journal; what runs in the background has ended."""
        call = replace(new_call(text) if isinstance(text, str) else text, journal=Journal(), **changes)
        async with aclosing(self.run(call)) as events:
            said = "".join([event.text async for event in events if isinstance(event, Delta)])
        await self.background.settle()
        return said, call.journal

    @property
    def measured(self) -> FalseHits:
        """The one thing that was measured."""
        (found,) = self.stock.book.all()
        return found
