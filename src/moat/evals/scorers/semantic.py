"""Does an answer mean what a reference means? As far as vectors tell."""

import math
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Call, Event, new_id, new_trace
from moat.domain.errors import ConfigError
from moat.domain.releases import digest
from moat.domain.scores import Case, Score
from moat.evals.answer import Answered
from moat.evals.scorers.scorer import Bench, Comparison, Measured, Named, Scorer, guarded, scorer
from moat.evals.scorers.text import as_text, references_of
from moat.pipeline.compose import Next
from moat.ports.embedder import Embedder, Embedding

if TYPE_CHECKING:
    from moat.evals.embeddings.local import LocalModel, Pieces

PATIENCE_NS = 60_000_000_000
"""How long a vector may take."""
LEXICAL_NOTE = "compared by letters, not by meaning: name a `model` or a `directory`"


class _Tab(msgspec.Struct):
    """What the vectors of one score cost, in picodollars."""

    cost: int = 0

    def counted(self, ask: Next) -> Next:
        """The same pipeline, which patiently notes what it costs."""

        async def counted(call: Call) -> AsyncGenerator[Event, None]:
            try:
                async with aclosing(ask(replace(call, patience_ns=PATIENCE_NS))) as events:
                    async for event in events:
                        yield event
            finally:
                self.cost += call.journal.cost or 0

        return counted


class _Directory(Comparison, frozen=True):
    """A comparison by an embedding model that may lie in a directory."""

    directory: str = ""
    """Of a local model, from the project's folder or absolute."""

    @property
    def found(self) -> tuple[Path, str] | None:
        """The directory and its model's digest, once it is pinned."""
        found: tuple[Path, str] | None = vars(self).get("_found")
        return found

    @property
    def identity(self) -> dict[str, Any]:
        """With the model's digest."""
        return super().identity if self.found is None else {**super().identity, "embedder": self.found[1]}

    def pin(self, named: Named) -> Scorer:
        """Find the model. Raises `ConfigError` when it is not there."""
        if not self.directory:
            return self
        from moat.evals.embeddings.local import digest_of

        directory = (named.root / self.directory).resolve()
        pinned = replace(self)
        vars(pinned)["_found"] = (directory, digest_of(directory))
        return pinned

    def local(self) -> "LocalModel":
        """The model, read. Raises `ConfigError` for one that cannot be used."""
        from moat.evals.embeddings.local import digest_of, load_model

        here = Path(self.directory).resolve()
        return load_model(*(self.found or (here, digest_of(here))))


@scorer("similarity")
class Similarity(_Directory, frozen=True):
    """Cosine of the vectors of the answer, or the text at `path`, and of the expected text; the best of a list.

    The vectors come from `model`, an alias of moat.yaml that embeds, asked through the pipeline; or from a local model
    in `directory`; else from the letters alone, which knows spelling and no meaning. With `least` the score is 1 when
    the cosine reaches that, else 0.
    """

    model: str = ""
    least: float | None = None

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if self.model and self.directory:
            raise ValueError("give `model` or `directory`, not both")
        if self.least is not None and not 0 < self.least <= 1:
            raise ValueError("`least` is a number above 0 and at most 1")

    @property
    def models(self) -> tuple[str, ...]:
        """The one that embeds."""
        return (self.model,) if self.model else ()

    @property
    def identity(self) -> dict[str, Any]:
        """With what stands behind the model."""
        behind = vars(self).get("_behind")
        return super().identity if behind is None else {**super().identity, "embedder": list(behind)}

    def pin(self, named: Named) -> Scorer:
        """Find the model. Raises `NotFound` for an alias that moat.yaml has not, `ConfigError` for a directory."""
        if not self.model:
            return super().pin(named)
        pinned = replace(self)
        vars(pinned)["_behind"] = named.deployments(self.model)
        return pinned

    def bind(self, bench: Bench) -> Scorer:
        """Keep who makes the vectors."""
        bound = replace(self)
        vars(bound).update(vars(self))
        vars(bound)["_bench"] = bench
        if self.directory:
            vars(bound)["_local"] = self.local()
        return bound

    async def score(self, case: Case, answer: Answered) -> Score:
        """Compare; what the vectors cost stands with the score."""
        tab = _Tab()
        scored = await guarded(self.name, self._compared(case, answer, tab))
        return replace(scored, cost=tab.cost)

    async def _compared(self, case: Case, answer: Answered, tab: _Tab) -> Measured:
        references = references_of(case, self.expected)
        text = as_text(answer.at(self.path))
        embedder, bench = self._embedder(tab), self._bench
        call = Call(id=new_id("req"), caller=bench.caller, trace=new_trace())
        got = await embedder.embed(text, call)
        value = 0.0
        for reference in references:
            value = max(value, cosine(got, await embedder.embed(reference, call)))
        evidence = {"cosine": value, "embedder": embedder.name}
        note = LEXICAL_NOTE if embedder.name == "lexical" else ""
        if self.least is None:
            return value, note, evidence
        reason = "" if value >= self.least else f"similarity {value:.3f}, at least {self.least:g} wanted"
        return float(value >= self.least), "; ".join(filter(None, (reason, note))), evidence

    @property
    def _bench(self) -> Bench:
        bench = vars(self).get("_bench")
        if not isinstance(bench, Bench):
            raise ConfigError("is not bound to a run", where=self.name)
        return bench

    def _embedder(self, tab: _Tab) -> Embedder:
        if self.directory:
            local: Embedder = vars(self)["_local"]
            return local
        if self.model:
            from moat.caching.embedding import ModelEmbedder

            return ModelEmbedder(self.model, self.model, tab.counted(self._bench.ask))
        return self._bench.embedder or _lexical()


@lru_cache(1)
def _lexical() -> Embedder:
    from moat.caching.lexical import LexicalEmbedder

    return LexicalEmbedder()


def cosine(one: Embedding, other: Embedding) -> float:
    """0 to 1; what points away from each other counts 0. Raises `ValueError` for vectors of different spaces."""
    if one.space != other.space:
        raise ValueError(f"vectors of {one.space} and {other.space} cannot be compared")
    import numpy as np

    first, second = np.asarray(one.vector, np.float64), np.asarray(other.vector, np.float64)
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return min(1.0, max(0.0, float(first @ second) / lengths)) if lengths else 0.0


@scorer("bertscore")
class BertScore(_Directory, frozen=True):
    """BERTScore (Zhang et al. 2020, arXiv:1904.09675) with a local model: each piece of a word of one text is held
    against the most similar one of the other; of a list the reference with the best F1. Not rescaled, and with this
    model: numbers of other models do not compare.
    """

    measured: Literal["f1", "precision", "recall"] = "f1"
    corpus: str = ""
    """A text file in the project, one document a line: the rarer a piece is in it, the more it counts (idf)."""

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if not self.directory:
            raise ValueError("`directory` names the local model that makes the vectors")

    @property
    def identity(self) -> dict[str, Any]:
        """With the digest of the corpus."""
        lines = vars(self).get("_lines")
        return super().identity if lines is None else {**super().identity, "corpus": digest(lines)}

    def pin(self, named: Named) -> Scorer:
        """Find the model and read the corpus. Raises `ConfigError` for what is missing."""
        pinned = super().pin(named)
        if self.corpus:
            vars(pinned)["_lines"] = _lines_of(named.root, self.corpus)
        return pinned

    def bind(self, bench: Bench) -> Scorer:
        """Read the model."""
        bound = replace(self)
        model = self.local()
        vars(bound).update(vars(self), _local=model)
        if self.corpus:
            vars(bound)["_rarity"] = rarity_of([model.pieces_of(line) for line in vars(self).get("_lines", ())])
        return bound

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        model: LocalModel = vars(self)["_local"]
        references = [model.pieces(reference) for reference in references_of(case, self.expected)]
        got = model.pieces(as_text(answer.at(self.path)))
        rarity = vars(self).get("_rarity")
        best = max((matched(reference, got, rarity) for reference in references), key=lambda found: found["f1"])
        return best[self.measured], "", best


def matched(reference: "Pieces", answer: "Pieces", rarity: dict[str, float] | None = None) -> dict[str, float]:
    """Precision, recall and F1 of greedy matching, 0 to 1; `rarity` weighs pieces (none: all the same)."""
    if not reference.pieces or not answer.pieces:
        same = float(reference.pieces == answer.pieces)
        return {"precision": same, "recall": same, "f1": same}
    near = answer.vectors @ reference.vectors.T
    precision = _weighted(near.max(axis=1), answer.pieces, rarity)
    recall = _weighted(near.max(axis=0), reference.pieces, rarity)
    total = precision + recall
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / total if total else 0.0}


def rarity_of(documents: Sequence[Sequence[str]]) -> dict[str, float]:
    """For each piece, and under the empty name for one that no document has, the logarithm of the number of documents
    over the number of those that have it, both one larger.
    """
    counts = Counter(piece for document in documents for piece in set(document))
    top = math.log(len(documents) + 1)
    return {"": top, **{piece: top - math.log(count + 1) for piece, count in counts.items()}}


def _lines_of(root: Path, name: str) -> list[str]:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise ConfigError("is outside of the project", where=name)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read as text: {error}", where=name) from None
    if not any(lines):
        raise ConfigError("is empty", where=name, remedy="Write one document a line.")
    return lines


def _weighted(values: Any, pieces: Sequence[str], rarity: dict[str, float] | None) -> float:
    weights = [1.0 if rarity is None else rarity.get(piece, rarity[""]) for piece in pieces]
    total = sum(weights)
    mean = sum(float(value) * weight for value, weight in zip(values, weights, strict=True)) / total if total else 0.0
    return min(1.0, max(0.0, mean))
