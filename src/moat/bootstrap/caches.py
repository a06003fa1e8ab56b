"""The caches of a project: on what they stand, and what moat.yaml makes of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from moat.bootstrap.settings import Settings
from moat.caching.exact import ExactCache, Memory
from moat.caching.false_hits import Book, Tell
from moat.caching.report import CacheState, cache_states
from moat.domain.config import LEXICAL, CacheConfig, Config, SemanticConfig
from moat.pipeline.ports import Ports
from moat.pipeline.recipe import build
from moat.ports.embedder import Embedder
from moat.ports.false_hits import FalseHitStore

if TYPE_CHECKING:
    from moat.caching.semantic import Stock


class Caches:
    """Memory, and what was measured. Outlives every reload."""

    def __init__(self, max_bytes: int, book: Book) -> None:
        """`max_bytes`: for answers, and as much again for vectors."""
        self.memory = Memory(max_bytes)
        self.book = book
        self._max_bytes = max_bytes

    @cached_property
    def stock(self) -> "Stock":
        """What semantic caches need besides; numpy is imported for them only."""
        from moat.caching.index import VectorIndex
        from moat.caching.semantic import Stock

        return Stock(self.memory, VectorIndex(self._max_bytes), self.book)

    def states(self, config: Config) -> list[CacheState]:
        """Of every alias with a cache."""
        aliases = _aliases(config)
        return cache_states(aliases, {alias: embedder_name(alias, config) for alias in aliases}, self.memory, self.book)


@contextmanager
def open_caches(settings: Settings, store: FalseHitStore, tell: Tell | None = None) -> Iterator[Caches]:
    """Empty ones, with what was measured before; in the end, what was measured since is stored. `tell`: who counts
    what is measured, in place of this process.
    """
    caches = Caches(round(settings.config.server.cache_mb * 2**20), Book(store.false_hits(), tell))
    try:
        yield caches
    finally:
        store.save(caches.book.unsaved())


def cached(ports: Ports, settings: Settings, caches: Caches) -> Ports:
    """The ports, with the caches that moat.yaml wants."""
    config = settings.config
    aliases = _aliases(config)
    if not aliases:
        return ports
    exact = ExactCache(aliases, caches.memory, ports.clock)
    ports = replace(ports, cache=exact)
    if all(cache.semantic is None for cache in aliases.values()):
        return ports
    from moat.caching.semantic import Semantic, SemanticAnswers

    semantic = {
        alias: Semantic(cache.semantic, _embedder(cache.semantic, embedder_name(alias, config), ports))
        for alias, cache in aliases.items()
        if cache.semantic is not None
    }
    # Examples are texts as they were asked and answered, before any guard or policy has seen them.
    show = config.telemetry.capture_content and config.data is None and ports.guards is None
    return replace(ports, semantic=SemanticAnswers(semantic, exact, caches.stock, ports.clock, show=show))


def embedder_name(alias: str, config: Config) -> str:
    """Of the alias's embedder, with what stands behind it: another model is another embedder. Empty without one."""
    cache = config.models[alias].cache
    if cache is None or cache.semantic is None:
        return ""
    name = cache.semantic.embedder
    return name if name == LEXICAL else f"{name} ({', '.join(config.models[name].use)})"


def _aliases(config: Config) -> Mapping[str, CacheConfig]:
    return {alias: model.cache for alias, model in config.models.items() if model.cache is not None}


def _embedder(config: SemanticConfig, name: str, ports: Ports) -> Embedder:
    """Another alias is asked by the gateway's own pipeline, on the same ports but for the semantic cache."""
    from moat.caching.embedding import ModelEmbedder
    from moat.caching.lexical import LexicalEmbedder

    if config.embedder == LEXICAL:
        return LexicalEmbedder()
    return ModelEmbedder(config.embedder, name, build(ports))
