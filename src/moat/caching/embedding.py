"""Vectors from a provider's embeddings model, asked through the gateway's own pipeline."""

from contextlib import aclosing
from typing import Any

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Call, Delta, Journal, new_id
from moat.domain.errors import ProviderDown
from moat.pipeline.compose import Next
from moat.ports.embedder import Embedding

PATIENCE_NS = 2_000_000_000
"""How long a question may wait for its vector: longer than that, and the model may as well be asked."""


class _Item(msgspec.Struct):
    embedding: list[float]


class _Body(msgspec.Struct):
    data: list[_Item]
    model: str = ""


class ModelEmbedder:
    """Asks an alias. What it asks is a call like any other, in the same tenant's, feature's and user's name, below the
    first in its trace: limited, metered, recorded, and answered from the alias's own cache where it has one.
    """

    def __init__(self, alias: str, name: str, run: Next) -> None:
        """`run`: the pipeline that answers it, without a semantic cache of its own."""
        self._alias = alias
        self._name = name
        self._run = run

    @property
    def name(self) -> str:
        """The alias, with what stands behind it."""
        return self._name

    async def embed(self, text: str, call: Call) -> Embedding:
        """Raises what the pipeline raises, and `ProviderDown` for an answer that holds no vector."""
        patience = min(PATIENCE_NS, call.patience_ns or PATIENCE_NS)
        asked = Call(
            id=new_id("req"),
            # The project wants the vector, not the caller: a key for one chat model is enough.
            caller=replace(call.caller, models=()),
            trace=call.trace.child(),
            model=self._alias,
            params={"input": text},
            operation="embeddings",
            patience_ns=patience,
            shadow_of=call.shadow_of,
            journal=Journal(),
        )
        raw = b""
        async with aclosing(self._run(asked)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    raw += event.raw or b""
        return self._embedding(raw)

    def _embedding(self, raw: bytes) -> Embedding:
        try:
            body: Any = msgspec.json.decode(raw, type=_Body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = _Body([])
        if len(body.data) != 1 or not any(body.data[0].embedding):
            raise ProviderDown("the answer holds no vector", where=f"model {self._alias}")
        vector = body.data[0].embedding
        return Embedding(f"{self._alias} {body.model} {len(vector)}", vector)
