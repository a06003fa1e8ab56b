"""Counts of what was recorded, for metrics: the numbers of `llm_*` and `gen_ai_*`.

They are made from the same records as the trace store, where those are shipped: no request waits for them, all worker
processes are in them, and what a process had acknowledged before it was killed is.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable

import msgspec

from moat.domain.batches import BATCH_PRICED
from moat.domain.environments import OWN
from moat.telemetry.histograms import (
    GEN_AI_FIRST,
    GEN_AI_NEXT,
    GEN_AI_SECONDS,
    GEN_AI_TOKENS,
    LATENCY,
    SHARE,
    Exemplar,
    Histogram,
)
from moat.telemetry.labels import OTHER, Labels, Whose
from moat.telemetry.latency import has_latency
from moat.telemetry.traffic import is_traffic

WHOSE = Whose._fields
ASKED = WHOSE[:-1]
"""Histograms have no tenants: each series of one is many."""
SAID = ("name", "source", "environment")
LOW = 0.5
"""Scores below it are bad ones."""
PLACE = ("environment", "feature", "model")
CLIENT = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
SERVER = ("gen_ai_operation_name", "gen_ai_request_model")

PARTS = ("cached", "cache_write", "reasoning", "audio_input", "audio_output", "image_input", "image_output")
"""Kinds of tokens that are counted apart, and in `input` or `output` as well."""


class Seen(msgspec.Struct, frozen=True):
    """What is counted of a span: fields as in `moat.domain.spans.Span`."""

    kind: str
    trace_id: str
    started_ns: int
    duration_ns: int
    environment: str = ""
    tenant: str = ""
    feature: str = ""
    release: str = ""
    shadow_of: str = ""
    model: str = ""
    alias: str = ""
    operation: str = ""
    provider: str = ""
    guard: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    image_output_tokens: int = 0
    cost: int | None = None
    price_version: str = ""
    first_token_ns: int = 0
    error: str = ""
    stream: bool = False

    @property
    def exemplar(self) -> Exemplar:
        """Of its duration."""
        return self.trace_id, self.duration_ns / 1e9, (self.started_ns + self.duration_ns) / 1e9


class Opinion(msgspec.Struct, frozen=True):
    """What is counted of a `moat.domain.feedback.Feedback`."""

    id: str = ""
    tenant: str = ""
    name: str = "feedback"
    source: str = "person"
    value: float | None = None
    environment: str = ""


REMEMBERED = 20_000
"""Opinions that are known again when they are said again."""


class Measures:
    """All counts since the server started. Readers and writers hold `lock`."""

    def __init__(self, labels: Labels) -> None:
        self.lock = threading.Lock()
        self._labels = labels
        self._heard: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.requests: Counter[tuple[str, ...]] = Counter()
        """By `Whose` and error."""
        self.tokens: Counter[tuple[str, ...]] = Counter()
        """By `Whose` and type."""
        self.parts: Counter[tuple[str, ...]] = Counter()
        """By `Whose` and one of `PARTS`."""
        self.cost: Counter[tuple[str, ...]] = Counter()
        """Picodollars by `Whose`."""
        self.unpriced: Counter[tuple[str, ...]] = Counter()
        self.streamed_tokens: Counter[tuple[str, ...]] = Counter()
        self.streaming_ns: Counter[tuple[str, ...]] = Counter()
        self.guards: Counter[tuple[str, ...]] = Counter()
        self.low_scores: Counter[tuple[str, ...]] = Counter()
        self.latency = Histogram(ASKED, LATENCY)
        self.first_token = Histogram(ASKED, LATENCY)
        self.score = Histogram(SAID, SHARE)
        self.client_seconds = Histogram((*CLIENT, "error_type"), GEN_AI_SECONDS)
        self.client_tokens = Histogram((*CLIENT, "gen_ai_token_type"), GEN_AI_TOKENS)
        self.server_seconds = Histogram((*SERVER, "error_type"), GEN_AI_SECONDS)
        self.server_first = Histogram(SERVER, GEN_AI_FIRST)
        self.server_next = Histogram(SERVER, GEN_AI_NEXT)

    def add(self, spans: Iterable[Seen]) -> None:
        """Count calls and attempts; an application's own spans and offline calls are none of them."""
        with self.lock:
            self._labels.refresh()
            for span in spans:
                if not is_traffic(span.environment, span.feature):
                    continue
                if span.kind == "attempt":
                    self._attempt(span)
                elif span.kind == "call" and not span.shadow_of:
                    self._call(span)

    def _heard_before(self, said: Opinion) -> bool:
        """Said again, it counts once: as it was first, since counters do not go back."""
        identity = (said.tenant, said.id)
        known = identity in self._heard
        self._heard[identity] = None
        self._heard.move_to_end(identity)
        if len(self._heard) > REMEMBERED:
            self._heard.popitem(last=False)
        return known

    def hear(self, opinions: Iterable[Opinion]) -> None:
        """Count what people and scorers said."""
        with self.lock:
            self._labels.refresh()
            for said in opinions:
                if said.value is None or said.environment in OWN or self._heard_before(said):
                    continue
                environment = self._labels.of((said.environment, "", "", "", "")).environment
                source = said.source if said.source in ("person", "scorer") else OTHER
                # A scorer's name is the project's own; what people judge under other names is theirs.
                named = said.name == "feedback" or source == "scorer"
                name = self._labels.plain("score", said.name) if named else OTHER
                self.score.add((name, source, environment), said.value)
                if said.value < LOW:
                    self.low_scores[name, source, environment] += 1

    def _call(self, span: Seen) -> None:
        whose = self._labels.of((span.environment, span.feature, span.model, span.release, span.tenant))
        self.requests[(*whose, span.error)] += 1
        if span.guard:
            self.guards[(*whose[:3], span.guard)] += 1
        if span.price_version.endswith(BATCH_PRICED):
            return  # nobody waited for it
        exemplar = span.exemplar
        if has_latency(span.error, span.price_version):
            self.latency.add(whose[:4], exemplar[1], exemplar)
        by = (span.operation or "chat", whose.model)
        self.server_seconds.add((*by, span.error), exemplar[1], exemplar)
        if span.first_token_ns:
            first = span.first_token_ns / 1e9
            self.server_first.add(by, first)
            if span.stream:
                self._stream(span, whose, by, first)

    def _stream(self, span: Seen, whose: Whose, by: tuple[str, ...], first: float) -> None:
        self.first_token.add(whose[:4], first, (span.trace_id, first, span.started_ns / 1e9 + first))
        streaming_ns, tokens = span.duration_ns - span.first_token_ns, span.output_tokens
        if tokens > 1 and streaming_ns > 0:
            self.streamed_tokens[whose[:3]] += tokens
            self.streaming_ns[whose[:3]] += streaming_ns
            self.server_next.add(by, streaming_ns / 1e9 / (tokens - 1))

    def _attempt(self, span: Seen) -> None:
        """What a provider was asked, and will bill: copies for releases on trial too."""
        whose = self._labels.of((span.environment, span.feature, span.alias, span.release, span.tenant))
        by = (
            span.operation or "chat",
            self._labels.plain("provider", span.provider),
            self._labels.plain("model", span.model),
        )
        for kind, tokens in (("input", span.input_tokens), ("output", span.output_tokens)):
            if tokens > 0:
                self.tokens[(*whose, kind)] += tokens
                self.client_tokens.add((*by, kind), tokens)
        self._parts(span, whose)
        if span.cost is None:
            self.unpriced[whose] += 1
        else:
            self.cost[whose] += span.cost
        if span.duration_ns > 0 and not span.price_version.endswith(BATCH_PRICED):  # else nobody knows how long
            exemplar = span.exemplar
            self.client_seconds.add((*by, span.error), exemplar[1], exemplar)

    def _parts(self, span: Seen, whose: Whose) -> None:
        found = (
            span.cached_tokens,
            span.cache_write_tokens,
            span.reasoning_tokens,
            span.audio_input_tokens,
            span.audio_output_tokens,
            span.image_input_tokens,
            span.image_output_tokens,
        )
        for kind, tokens in zip(PARTS, found, strict=True):
            if tokens > 0:
                self.parts[(*whose, kind)] += tokens
