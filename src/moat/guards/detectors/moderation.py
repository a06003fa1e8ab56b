"""Moderation endpoints, asked through the gateway itself."""

from collections.abc import Iterator
from typing import Any

import msgspec

from moat.guards.detector import Context, Hit
from moat.guards.remote import Bench, RemoteDetector
from moat.guards.text import Text


class Moderation(RemoteDetector, frozen=True):
    """Asks an alias of `moat.yaml` that offers OpenAI's moderations. Kinds are its categories, such as
    `hate_threatening`.

    https://platform.openai.com/docs/api-reference/moderations
    """

    model: str
    """Alias."""
    categories: tuple[str, ...] = ()
    """Only these; empty: all."""

    async def look(self, text: Text, context: Context, bench: Bench) -> list[Hit]:
        """One hit for each category. A category that the endpoint flags has a score of 0.5 at least."""
        body = await bench.ask(self.model, params={"input": bench.hide(text.original)}, operation="moderations")
        wanted = {_kind(category) for category in self.categories}
        found = list(_scores(msgspec.json.decode(body, type=_Body)))
        length = len(text.original)
        return [Hit(kind, 0, length, score) for kind, score in found if not wanted or kind in wanted]


class _Result(msgspec.Struct):
    categories: dict[str, bool]
    category_scores: dict[str, Any] = {}


class _Body(msgspec.Struct):
    results: list[_Result] = msgspec.field(default_factory=list)


def _scores(body: _Body) -> Iterator[tuple[str, float]]:
    if not body.results:
        raise ValueError("the moderation has no result")
    for result in body.results:
        for category, flagged in result.categories.items():
            score = result.category_scores.get(category)
            known = float(score) if isinstance(score, int | float) else 0.0
            yield _kind(category), min(1.0, max(known, 0.5 if flagged else 0.0))


def _kind(category: str) -> str:
    return "".join(sign if sign.isalnum() else "_" for sign in category.lower())
