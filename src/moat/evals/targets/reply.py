"""An answer that no model of ours gave."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec

from moat.domain.usage import from_usd
from moat.evals.answer import Answered

Count = Annotated[int, msgspec.Meta(ge=0)]


class Reply(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a function returns, or a line of recorded answers says."""

    text: str = ""
    tool_calls: list[dict[str, Any]] = []
    context: list[str] = []
    messages: list[dict[str, Any]] = []
    refusal: str = ""
    input_tokens: Count = 0
    output_tokens: Count = 0
    latency_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None
    cost_usd: Decimal | None = None

    def __post_init__(self) -> None:
        """Check what msgspec cannot: a bound on a decimal."""
        if self.cost_usd is not None and not 0 <= self.cost_usd < Decimal("Infinity"):
            raise ValueError("`cost_usd` is an amount of money, 0 or more")

    def answered(self, latency_ns: int) -> Answered:
        """As scorers see it; `latency_ns` is what was measured, for a reply that says nothing of it."""
        return Answered(
            self.text or self.refusal,
            tool_calls=self.tool_calls,
            context=self.context,
            messages=self.messages,
            refusal=self.refusal,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            latency_ns=latency_ns if self.latency_ms is None else round(self.latency_ms * 1e6),
            cost=None if self.cost_usd is None else from_usd(self.cost_usd),
        )
