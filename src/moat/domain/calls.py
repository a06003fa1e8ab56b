"""One request through the pipeline, and what happens to it on the way.

A `Call` is frozen: it is the question as it stands at one point of the pipeline, and a stage that changes it
passes on a changed copy. The `Journal` it carries is the one mutable thing: stages note in it what happened
(the release that was chosen, each attempt), so that the outer stages and the edge can read it whenever and
however the call ends, a hang-up included.
"""

import random
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from moat.domain.errors import MoatError
from moat.domain.guards import ToolUse, Verdict
from moat.domain.releases import PromptRef, PromptVersion, Release
from moat.domain.usage import Usage

Message = dict[str, Any]
"""A chat message as a JSON object in the OpenAI chat format, Moat's canonical form: `role`, `content`
(text or a list of parts), `tool_calls`, ... Unknown members are kept and forwarded.

Beyond OpenAI's format: a part may carry `cache_control` (Anthropic); an assistant's message `reasoning_content` (text)
and `thinking_blocks` (Anthropic's own objects, `thinking` and `redacted_thinking`, to be sent back untouched); a tool
call `extra_content.google.thought_signature` (Gemini); a tool's message `is_error`; a tool call or a tool's message
`extra_content.anthropic` (members that only Anthropic knows). Parts and tools that only one provider knows stand as it
has them: other providers refuse them. What only one provider knows of parameters stands in the object
`params["anthropic"]` or `params["google"]`, and other providers leave that out."""


Operation = Literal[
    "chat",
    "completions",
    "embeddings",
    "moderations",
    "rerank",
    "images",
    "image_edits",
    "image_variations",
    "speech",
    "transcription",
    "translation",
]
"""What is asked of a model. All but `chat` have no messages: `params` is the body in the OpenAI format (rerank: in
Cohere's), without `model`, and of a form (`Call.upload`) its text fields; their answer is one `Delta` whose `raw` is
the whole body, or, when they can be streamed and are, `Delta`s of whole server-sent events."""

Wire = Literal["openai", "responses", "anthropic", "gemini"]
"""A wire format, of a client or a provider. `openai` is the one of every operation but responses."""

CacheUse = Literal["use", "refresh", "off"]
"""May the answer come from the cache? `refresh`: no, but it may go there."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling and for what: the dimensions of every budget, limit and report."""

    key: str = ""
    """Id of the virtual key (never the key itself)."""
    tenant: str = ""
    feature: str = ""
    user: str = ""
    session: str = ""
    environment: str = ""
    models: tuple[str, ...] = ()
    """Aliases this caller may use; empty means all."""
    tags: tuple[str, ...] = ()
    """Further words that routing rules and reports may ask for."""
    data_class: str = ""
    """How sensitive the data is, in the project's own words (`public`, `internal`, `personal`, ...)."""

    @property
    def sticky(self) -> str:
        """Who stays on one arm of a split: the user, else the conversation; empty when nobody is known to come back."""
        return self.user or self.session


class Trace(msgspec.Struct, frozen=True):
    """Where the call stands in a distributed trace (W3C Trace Context): lower-case hex ids."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    state: str = ""
    """What tracing systems before this one said, as their `tracestate` header; goes on as it came."""

    def child(self) -> "Trace":
        """A new span below this one."""
        return self.below(new_span_id())

    def below(self, span_id: str) -> "Trace":
        """The span with this id below this one."""
        return Trace(self.trace_id, span_id, self.span_id, self.state)


class Deployment(msgspec.Struct, frozen=True):
    """One model at one provider, as `moat.yaml` names them."""

    provider: str
    model: str

    def __str__(self) -> str:
        """`provider/model`."""
        return f"{self.provider}/{self.model}"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a call shall be answered."""

    alias: str
    """The alias that it was made for; limits and overflow may have changed it from the one asked for."""
    deployments: tuple[Deployment, ...]
    """In the order to try them; never empty."""
    retries: int = 0
    """Further tries at one deployment before the next."""
    deadline_ns: int = 600_000_000_000
    """Nanoseconds for the whole call."""
    hedge_ns: int = 0
    """When the first piece has not come after so many nanoseconds, the next deployment is asked too; 0: never."""
    tokens: int = 0
    """Estimated tokens of the input."""


class Attempt(msgspec.Struct, kw_only=True):
    """One try at a provider. `Meter` fills it in while the try runs."""

    span_id: str
    deployment: Deployment
    alias: str = ""
    """Whose plan named the deployment."""
    started_ns: int
    duration_ns: int = 0
    first_token_ns: int = 0
    """From the start to the first piece of the answer; 0 when none came."""
    model_answered: str = ""
    fingerprint: str = ""
    usage: Usage = msgspec.field(default_factory=Usage)
    cost: int | None = None
    """Picodollars; None when the model has no price."""
    intent: int = -1
    """Its number in the spool, until it is recorded; -1 when it was never begun there."""
    price_version: str = ""
    """Of the price table that `cost` was worked out with; empty without a price."""
    finish_reason: str = ""
    error: str = ""
    """The error's `code`, empty when the attempt succeeded."""
    error_message: str = ""

    def fail(self, error: MoatError) -> None:
        """Note why the attempt has no complete answer."""
        self.error, self.error_message = error.code, error.what


class Pace(NamedTuple):
    """What is left of a limit, so that its caller can pace himself."""

    measure: Literal["requests", "tokens"]
    limit: int
    remaining: int
    """When the call was let in."""
    resets_ns: int
    """Nanoseconds until the next window."""


class Journal(msgspec.Struct):
    """What happened to one call, noted by the stages as it happens."""

    sent: "Call | None" = None
    """The call as it went to the model: rendered, with its parameters."""
    release: Release | None = None
    prompt: PromptVersion | None = None
    arm: str = ""
    experiment: str = ""
    accepted: Callable[[], None] | None = None
    """Called when the call is about to go out: what runs beside it begins then."""
    attempts: list[Attempt] = msgspec.field(default_factory=list)
    left_alone: list[str] = msgspec.field(default_factory=list)
    """Providers that were not asked because they had failed too often lately, each once."""
    cache: Literal["", "miss", "hit", "similar"] = ""
    """Whether a cache answered; empty when none was asked. `similar`: the semantic cache."""
    forget: Callable[[], None] | None = None
    """Takes the answer out of the cache: a guard did not accept it. None: no cache knows it."""
    saved: int = 0
    """Picodollars that a cache saved."""
    origin: Attempt | None = None
    """Of an answer from a cache: the try that made it, where the cache keeps that."""
    notices: list[str] = msgspec.field(default_factory=list)
    """What the caller should know: a limit is near, the model was exchanged, the conversation was shortened, ..."""
    verdicts: list[Verdict] = msgspec.field(default_factory=list)
    """What guards said, in the order they ran."""
    policies: str = ""
    """`name@digest` of the policies that are about the call, with commas."""
    tools: list[ToolUse] = msgspec.field(default_factory=list)
    """What guards saw the model want called."""
    hide: Callable[[str], str] | None = None
    """Puts placeholders for what a guard redacted into a text, for everything that is kept; None: nothing was."""
    handled: Any = None
    """Which data the call holds (`moat.ports.handling.Handled`), once that was looked for."""
    pace: Sequence[Pace] = ()
    """Of each measure, the limit that is nearest."""

    @property
    def answering(self) -> Attempt | None:
        """The attempt whose answer the client gets, or the last one: of two that race only one begins an answer."""
        if len(self.attempts) == 1:
            return self.attempts[0]
        return max(
            reversed(self.attempts), key=lambda attempt: (attempt.first_token_ns > 0, not attempt.error), default=None
        )

    @property
    def usage(self) -> Usage:
        """Tokens over all attempts."""
        first, *others = [attempt.usage for attempt in self.attempts] or [Usage()]
        return sum(others, first)

    @property
    def cost(self) -> int | None:
        """Picodollars over all attempts; None when any of them has no known price."""
        total = 0
        for attempt in self.attempts:
            if attempt.cost is None:
                return None
            total += attempt.cost
        return total


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request through the pipeline, as it stands now."""

    id: str
    """Request id: given to the client as `x-request-id`, key of its trace."""
    caller: Caller
    trace: Trace
    model: str = ""
    """Model alias from `moat.yaml`. Empty until `resolve` takes it from the prompt."""
    prompt: PromptRef | None = None
    messages: list[Message] = []
    params: dict[str, Any] = {}
    """Everything else the chat API takes (`temperature`, `max_tokens`, `tools`, `response_format`, ...)."""
    operation: Operation = "chat"
    wire: Wire = "openai"
    """What the client speaks: a provider that speaks it too hands its bytes over in `Delta.raw`."""
    upload: bytes = b""
    """A body that is no JSON (multipart/form-data), as it came; of type `upload_type`."""
    upload_type: str = ""
    stream: bool = False
    """Does the client want the answer piece by piece? Inside it is always a stream."""
    client_request: str = ""
    """What the caller named the request himself, in `x-request-id`."""
    patience_ns: int = 0
    """How long the caller will wait, when he said so: the deadline is not later than that."""
    cache: CacheUse = "use"
    plan: Plan | None = None
    """Set by `route`."""
    deployment: Deployment | None = None
    """The one being tried; set by `attempt`."""
    shadow_of: str = ""
    """Id of the call that this one shadows; empty for a call that somebody waits for."""
    repeat: int = 0
    """Which repeat of an eval case this is; 0 online. Part of every cache key, so that no two repeats are
    served one answer."""
    journal: Journal = msgspec.field(default_factory=Journal)


class ToolCallDelta(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a tool call; pieces with one `index` belong together, their `arguments` are concatenated."""

    index: int = 0
    id: str = ""
    name: str = ""
    arguments: str = ""
    signature: str = ""
    """What the provider wants back with the call when the conversation goes on: opaque (Gemini)."""


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the answer."""

    text: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    refusal: str = ""
    reasoning: str = ""
    """The model's thinking, as far as the provider shows it."""
    signature: str = ""
    """Ends a block of thinking: what the provider wants back with it, opaque (Anthropic)."""
    redacted: str = ""
    """A block of thinking that the provider shows only encrypted (Anthropic)."""
    beside: str = ""
    """Text that stands in `raw` alone: what a provider's own tools did, citations, code that was run. Guards look at
    it; once they change it, or anything before it, `raw` is dropped, and it with that."""
    usage: Usage | None = None
    """What the provider has counted so far, where it says before the end; the last one counts."""
    raw: bytes | None = None
    """The same piece as the provider sent it, in the format `call.wire`, to be forwarded untouched: whole
    server-sent events when `call.stream`, else the whole body. A stage that changes a piece drops it, from
    that piece and from all that follow."""
    content_type: str = ""
    """Of `raw`, when it is neither JSON nor server-sent events."""

    @property
    def only_counts(self) -> bool:
        """Does it say what was counted and nothing else? It is no piece of the answer then."""
        return self.usage is not None and self == Delta(usage=self.usage)


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """The answer is complete. Always the last event of a call that succeeded, exactly once."""

    reason: str
    """`stop`, `length`, `tool_calls`, `content_filter`."""
    stop_sequence: str = ""
    """The one that ended the answer, when the provider says."""
    usage: Usage | None = None
    """None when the provider reported none."""
    model: str = ""
    """The model that says it answered."""
    fingerprint: str = ""
    """What the provider says of the system that answered."""


Event = Delta | Finished


def new_id(kind: str) -> str:
    """A new id, `<kind>_` and 24 hex digits, sortable by creation time (48 bits of milliseconds first)."""
    return f"{kind}_{time.time_ns() // 1_000_000:012x}{random.getrandbits(48):012x}"


def new_span_id() -> str:
    """16 random hex digits, not all zero."""
    return f"{random.getrandbits(64) or 1:016x}"


def traceparent(call: Call) -> str:
    """The W3C `traceparent` header of a request that this call makes: what it leads to is below it in the trace."""
    return f"00-{call.trace.trace_id}-{call.trace.span_id}-01"


def trace_headers(call: Call) -> tuple[tuple[str, str], ...]:
    """The W3C headers of a request that this call makes: `traceparent`, and `tracestate` where the caller sent one."""
    parent = ("traceparent", traceparent(call))
    return (parent, ("tracestate", call.trace.state)) if call.trace.state else (parent,)


_STATE_ENTRY = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
_STATE_ENTRIES = 32


def _state(tracestate: str) -> str:
    """The header as it may go on, or nothing where an entry is broken or stands twice: W3C has the whole discarded."""
    entries = [entry for part in tracestate.split(",") if (entry := part.strip(" \t"))]
    names = {entry.partition("=")[0] for entry in entries}
    sound = len(names) == len(entries) <= _STATE_ENTRIES and all(map(_STATE_ENTRY.fullmatch, entries))
    return ",".join(entries) if sound else ""


def new_trace(traceparent: str = "", tracestate: str = "") -> Trace:
    """Continue the caller's trace from its W3C headers, or start one when `traceparent` is absent or broken: then
    `tracestate` says nothing.
    """
    parts = traceparent.split("-")
    span_id = new_span_id()
    if len(parts) >= 4 and _is_hex(parts[1], 32) and _is_hex(parts[2], 16):
        return Trace(parts[1], span_id, parts[2], _state(tracestate) if tracestate else "")
    return Trace(f"{random.getrandbits(128) or 1:032x}", span_id)


def _is_hex(text: str, length: int) -> bool:
    digits = set(text)
    return len(text) == length and digits <= set("0123456789abcdef") and digits != {"0"}
