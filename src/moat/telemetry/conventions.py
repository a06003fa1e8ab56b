"""Attribute names, and which field of a `Span` each one is.

OpenTelemetry semantic conventions, generative AI (development status) and general registry:
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ and .../registry/attributes/. Where a name
changed over time, the newer stands first and wins.
"""

SERVICE_NAME = "service.name"
ERROR_TYPE = "error.type"
FINISH_REASONS = "gen_ai.response.finish_reasons"
TRUNCATED = "moat.truncated"
"""True on a span of which something was cut or left out to keep it within bounds."""

TEXTS: dict[str, tuple[str, ...]] = {
    "user": ("user.id", "enduser.id"),
    "session": ("session.id", "gen_ai.conversation.id"),
    "tenant": ("moat.tenant",),
    "feature": ("moat.feature",),
    "environment": ("moat.environment", "deployment.environment.name", "deployment.environment"),
    "prompt": ("moat.prompt",),
    "version": ("moat.version",),
    "release": ("moat.release",),
    "arm": ("moat.arm",),
    "experiment": ("moat.experiment",),
    "shadow_of": ("moat.shadow_of",),
    "request_id": ("moat.request_id",),
    "model": ("gen_ai.request.model",),
    "model_answered": ("gen_ai.response.model",),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
}
"""Fields that hold text."""

COUNTS: dict[str, tuple[str, ...]] = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cached_tokens": ("gen_ai.usage.cache_read.input_tokens",),
    "cache_write_tokens": ("gen_ai.usage.cache_creation.input_tokens",),
}
"""Fields that hold token counts."""

CONTENT: dict[str, tuple[str, ...]] = {
    "input": ("gen_ai.input.messages", "gen_ai.prompt"),
    "output": ("gen_ai.output.messages", "gen_ai.completion"),
}
"""Fields that hold JSON, which attributes carry as text."""
