"""What a try may take at most, and what it took in the end."""

from itertools import product
from operator import attrgetter
from typing import Any

import msgspec

from moat.domain.calls import Call, Delta, Finished
from moat.domain.errors import ClientClosed, DeadlinePassed, MoatError, ProviderTimeout, Stopped
from moat.domain.usage import AS_ASKED, COUNTS, Usage
from moat.pipeline.asked import RESULT_TOKENS, asked_tier, most_searches
from moat.pipeline.estimates import (
    caches,
    choices,
    input_tokens,
    most_input_tokens,
    most_seconds,
    quarters,
    shows,
    sounds,
    stated_output,
)
from moat.pipeline.ports import Ports
from moat.ports.ledger import Worst

DEFAULT_OUTPUT = 4096
"""Tokens that an answer is taken to have at most, when neither the call nor anything known of the model says."""
IMAGE_OUTPUT = 6500
"""More than OpenAI counts for the largest picture it makes."""
SPOKEN = 4
"""Tokens of sound that a character spoken takes, at most."""
DOCUMENTS_A_SEARCH = 100
"""Of a rerank: one more search is billed for each further hundred."""

SHORTENED = ("chat", "completions")
"""Operations whose answers take a largest length."""

MAX_TOKENS = 4_000_000
"""No attempt has more of a kind; a provider that says so is mistaken."""

_ABANDONED = (ClientClosed, Stopped, DeadlinePassed, ProviderTimeout)
"""Ends of a try that was under way: the provider may bill it."""

_Kinds = tuple[tuple[str, ...], tuple[str, ...]]
"""Counts of a usage: of the input, and of the answer."""
_IMAGES = ("images", "image_edits", "image_variations")
_counts = attrgetter(*COUNTS)


class Reserve:
    """The most that one try may take at its deployment."""

    def __init__(self, call: Call, ports: Ports) -> None:
        assert call.deployment is not None, "Attempts sets the deployment"
        self._prices = ports.prices
        self._deployment = call.deployment
        self._alias = call.plan.alias if call.plan else call.model
        self.searches = most_searches(call)
        """Of the web, by the provider."""
        self._tier = asked_tier(call)
        self._input = most_input_tokens(call) + self.searches * RESULT_TOKENS
        self._units = _most_units(call)
        self.choices = choices(call)
        """Answers that share `output`."""
        self.output = _output(call, ports, self.choices)
        """Tokens, of all answers together."""
        self._about = _input(call)
        self._fixed = call.operation not in SHORTENED
        kinds = _kinds(call, draws=ports.prices.draws(call.deployment, self._alias))
        tiers = (self._tier,) if self._tier in ("", AS_ASKED) else (self._tier, "")
        self._kinds = {tier: self._dearest(kinds, tier) for tier in tiers}

    @property
    def worst(self) -> Worst:
        """The same, for the ledger. Made anew, as it refers back: what is its own garbage waits for the collector."""
        return Worst(self._about, self._input, self.output, self.cost, self._fixed)

    def cost(self, output: int) -> int | None:
        """Picodollars with so many output tokens; None without a price. A level of service that was asked for may be
        passed over: the ordinary price is held if it is higher.
        """
        costs = [self._cost(self._usage(output, tier, kinds)) for tier, kinds in self._kinds.items()]
        known = [cost for cost in costs if cost is not None]
        return max(known) if len(known) == len(costs) else None

    @property
    def usage(self) -> Usage:
        """All of it."""
        return self._usage(self.output, self._tier, self._kinds[self._tier])

    @property
    def tier(self) -> str:
        """The level of service that was asked for by name."""
        return self._tier.removesuffix(AS_ASKED).removesuffix("+")

    def _cost(self, whole: Usage) -> int | None:
        """What is billed by pieces or by tokens, as the provider likes, costs the dearer of the two."""
        if not self._units:
            return self._prices.cost(self._deployment, self._alias, whole)
        kinds = (msgspec.structs.replace(whole, units=0), Usage(units=self._units, tier=whole.tier))
        costs = [self._prices.cost(self._deployment, self._alias, usage) for usage in kinds]
        return max((cost for cost in costs if cost is not None), default=None)

    def _dearest(self, every: list[_Kinds], tier: str) -> _Kinds:
        if len(every) == 1:
            return every[0]
        return max(every, key=lambda kinds: self._cost(self._usage(self.output, tier, kinds)) or 0)

    def _usage(self, output: int, tier: str, kinds: _Kinds) -> Usage:
        """Every token of a kind that the call can have."""
        whole = Usage(
            input=self._input, output=output, units=self._units, searches=self.searches, tier=tier, estimated=True
        )
        asked, answered = kinds
        if not asked and not answered:
            return whole
        return msgspec.structs.replace(whole, **dict.fromkeys(asked, self._input), **dict.fromkeys(answered, output))


class Seen:
    """What came of an answer, counted as it passes."""

    def __init__(self) -> None:
        self.anything = False
        self.usage: Usage | None = None
        """What the provider had counted so far."""
        self._quarters = 0

    def add(self, delta: Delta) -> None:
        """A piece came."""
        if delta.usage is not None:
            self.usage = delta.usage
        if delta.only_counts:
            return
        self.anything = True
        for text in (delta.text, delta.reasoning, delta.refusal):
            if text:
                self._quarters += quarters(text)
        for call in delta.tool_calls:
            self._quarters += quarters(call.name) + quarters(call.arguments)

    @property
    def output(self) -> int:
        """Tokens, about."""
        return -(-self._quarters // 4)


def billed(call: Call, error: MoatError | None, finished: Finished | None, seen: Seen, reserve: Reserve) -> Usage:
    """What the provider will bill: as it reported, else an estimate that is flagged, else nothing.

    A zero that the provider reported stays a zero.
    """
    reported = finished.usage if finished is not None else getattr(error, "used", None)
    if reported is not None:
        return _plausible(reported, reserve)
    worked = seen.anything or seen.usage is not None or finished is not None or bool(getattr(error, "worked", False))
    if not worked and not (isinstance(error, _ABANDONED) and getattr(error, "sent", True)):
        return Usage()
    # Of several answers only the first is looked at; the others are about as long.
    output, searched = seen.output * reserve.choices, min(1, reserve.searches)
    if seen.usage is None:
        units, tier = _units(call), reserve.tier
        return Usage(input=_input(call), output=output, units=units, searches=searched, tier=tier, estimated=True)
    so_far = _plausible(seen.usage, reserve)
    output, searched = max(so_far.output, output), max(so_far.searches, searched)
    return msgspec.structs.replace(so_far, output=output, searches=searched, estimated=True)


def _kinds(call: Call, *, draws: bool) -> list[_Kinds]:
    """What all tokens of the input, and all of the answer, may be at most: each with each, words among them."""
    asked: list[tuple[str, ...]] = [()]
    answered: list[tuple[str, ...]] = [()]
    if caches(call):
        asked += [("cache_write",), ("cache_write", "cache_write_long")]
    if sounds(call):
        asked.append(("audio_input",))
        answered.append(("audio_output",))
    if shows(call):
        asked += [("image_input",), ("video_input",)]
    if draws:
        answered += [("image_output",), ("video_output",)]
    return list(product(reversed(asked), reversed(answered)))


def _input(call: Call) -> int:
    """Tokens, about: as they were counted when the call was routed."""
    return (call.plan.tokens if call.plan else 0) or input_tokens(call)


def _output(call: Call, ports: Ports, many: int) -> int:
    """The longest answer, over all choices asked for."""
    if call.operation == "speech":
        return SPOKEN * _length(call.params.get("input"))
    if call.operation in ("transcription", "translation"):
        return 10 * most_seconds(call)  # nobody speaks faster
    if call.operation not in (*SHORTENED, *_IMAGES):
        return 0
    assert call.deployment is not None, "Attempts sets the deployment"
    most = ports.models.capacity(call.deployment).output
    if call.operation in _IMAGES:
        return many * (most or IMAGE_OUTPUT)
    return many * (stated_output(call) or most or DEFAULT_OUTPUT)


def _units(call: Call) -> int:
    """Pieces that are billed as such."""
    if call.operation in _IMAGES:
        return choices(call)
    if call.operation == "speech":
        return _length(call.params.get("input"))
    return 1 if call.operation == "rerank" else 0


def _most_units(call: Call) -> int:
    if call.operation == "rerank":
        documents = call.params.get("documents")
        return 1 + (len(documents) if isinstance(documents, list) else 0) // DOCUMENTS_A_SEARCH
    return _units(call) or (most_seconds(call) if call.operation in ("transcription", "translation") else 0)


def _length(text: Any) -> int:
    return len(text) if isinstance(text, str) else 0


def _plausible(usage: Usage, reserve: Reserve) -> Usage:
    """What the provider reported; what is beyond belief counts as the worst case, and as an estimate."""
    counts = _counts(usage)
    if min(counts) >= 0 and max(counts) <= MAX_TOKENS:
        return usage
    return reserve.usage
