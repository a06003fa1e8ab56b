"""What is known about a finished call: one span for the call, one for each attempt.

Names follow the OpenTelemetry GenAI semantic conventions where those have one; `moat.telemetry` maps them.
"""

from typing import Any, Literal

import msgspec

SpanKind = Literal["call", "attempt", "app"]
"""`call`: one request through the pipeline, with totals over its attempts. `attempt`: one try at a provider.
`app`: a span an application reported about itself: an agent's step, a tool, a retrieval."""


class Span(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the spool, one row of the trace store. Times are nanoseconds, money picodollars."""

    span_id: str
    trace_id: str
    kind: SpanKind
    name: str
    started_ns: int
    """Unix time."""
    duration_ns: int
    parent_id: str = ""
    request_id: str = ""
    environment: str = ""
    tenant: str = ""
    feature: str = ""
    user: str = ""
    session: str = ""
    key: str = ""
    prompt: str = ""
    version: str = ""
    release: str = ""
    arm: str = ""
    """Of a split: which arm answered."""
    experiment: str = ""
    """Of a split: which rollout or experiment."""
    shadow_of: str = ""
    """Request id of the call that this one shadows: nobody saw this answer."""
    model: str = ""
    """Alias asked for (call) or the provider's model name (attempt)."""
    alias: str = ""
    """Alias whose plan was followed: limits and overflow may have changed it."""
    operation: str = ""
    """As in `Call`; empty for `chat`. Of an application's span `gen_ai.operation.name`, such as `invoke_agent`,
    `execute_tool` or `retrieval`."""
    model_answered: str = ""
    provider: str = ""
    fingerprint: str = ""
    """What the provider says of the system that answered, such as OpenAI's `system_fingerprint`."""
    service: str = ""
    """`service.name` of an application that reported the span."""
    tools: str = ""
    """Names of the tools that the answer calls, or that the span ran: in order, with commas, each once."""
    left_alone: str = ""
    """Providers that the call did not ask because they had failed too often lately: with commas, each once."""
    guard: str = ""
    """The strongest thing that a guard did: `block`, `fallback`, `retry`, `redact`, `review` or `flag`; empty when none
    did."""
    policy: str = ""
    """`name@digest` of the guard policies that it ran under: in their order, with commas."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_long_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    cached_audio_tokens: int = 0
    image_input_tokens: int = 0
    image_output_tokens: int = 0
    cached_image_tokens: int = 0
    video_input_tokens: int = 0
    video_output_tokens: int = 0
    units: int = 0
    searches: int = 0
    runs: int = 0
    tier: str = ""
    """Level of service, see `Usage.tier`."""
    usage_estimated: bool = False
    cost: int | None = None
    price_version: str = ""
    cache: str = ""
    """`hit`, `similar` or `miss`; empty when no cache was asked."""
    saved: int = 0
    """Picodollars that a cache saved."""
    first_token_ns: int = 0
    finish_reason: str = ""
    error: str = ""
    error_message: str = ""
    stream: bool = False
    attempts: int = 0
    input: Any = None
    """Messages as sent, and variables: JSON."""
    output: Any = None
    """Text and tool calls as received: JSON."""
    attributes: dict[str, Any] = {}
