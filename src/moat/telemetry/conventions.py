"""Attribute names, and which field of a `Span` each one is.

Sources: OpenTelemetry semantic conventions, generative AI (development status) and general registry
(https://opentelemetry.io/docs/specs/semconv/gen-ai/), with the names of earlier versions; OpenInference
(https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md); OpenLLMetry, whose names begin with
`traceloop.` or carry the number of a message. Where a field has several names, the first that stands here wins.
"""

SERVICE_NAME = "service.name"
ERROR_TYPE = "error.type"
SCOPE_NAME = "otel.scope.name"
"""Which instrumentation made a span."""
TRUNCATED = "moat.truncated"
"""True on a span of which something was cut or left out to keep it within bounds."""
EVENTS = "moat.events"
"""What happened during a span: a list of `name`, `time_ns` and `attributes`."""
LINKS = "moat.links"
"""Other spans that one refers to: a list of `trace_id` and `span_id`."""
SPAN_KIND = "moat.span_kind"
"""`server`, `client`, `producer` or `consumer`; absent for what happens inside an application."""
OWN = frozenset({EVENTS, LINKS, SPAN_KIND, "moat.guards", "moat.data", "moat.notices"})
"""Names under which Moat keeps what are no attributes, and what its gateway says of a call: what guards found, say.
Those that a client sends are not kept.
"""

TEXTS: dict[str, tuple[str, ...]] = {
    "user": ("user.id", "enduser.id", "traceloop.association.properties.user_id"),
    "session": ("session.id", "gen_ai.conversation.id", "traceloop.association.properties.session_id"),
    "tenant": ("moat.tenant",),
    "feature": ("moat.feature",),
    "environment": ("moat.environment", "deployment.environment.name", "deployment.environment"),
    "prompt": ("moat.prompt", "gen_ai.prompt.name", "traceloop.prompt.key", "llm.prompt_template.name"),
    "version": ("moat.version", "gen_ai.prompt.version", "traceloop.prompt.version", "llm.prompt_template.version"),
    "release": ("moat.release",),
    "arm": ("moat.arm",),
    "experiment": ("moat.experiment",),
    "shadow_of": ("moat.shadow_of",),
    "request_id": ("moat.request_id",),
    "model": (
        "gen_ai.request.model",
        "llm.request.model_name",
        "llm.model_name",
        "embedding.model_name",
        "reranker.model_name",
    ),
    "model_answered": ("gen_ai.response.model", "llm.response.model_name"),
    "provider": ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"),
    "fingerprint": (
        "openai.response.system_fingerprint",
        "gen_ai.openai.response.system_fingerprint",
        "gen_ai.response.system_fingerprint",
        "llm.openai.system_fingerprint",
    ),
    "tier": (
        "openai.response.service_tier",
        "gen_ai.openai.response.service_tier",
        "gen_ai.response.service_tier",
    ),
    "operation": ("gen_ai.operation.name", "llm.request.type", "openinference.span.kind", "traceloop.span.kind"),
    "finish_reason": (
        "gen_ai.response.finish_reasons",
        "gen_ai.response.finish_reason",
        "llm.response.finish_reason",
        "llm.finish_reason",
        "anthropic.message.stop_reason",
    ),
    "tools": ("gen_ai.tool.name", "tool.name"),
    "error": (ERROR_TYPE,),
}
"""Fields that hold text; of a list, its first."""

OPERATIONS: dict[str, str] = {
    "LLM": "chat",
    "EMBEDDING": "embeddings",
    "AGENT": "invoke_agent",
    "TOOL": "execute_tool",
    "RETRIEVER": "retrieval",
    "RERANKER": "rerank",
    "CHAIN": "chain",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluation",
    "PROMPT": "prompt",
    "UNKNOWN": "",
    "unknown": "",
    "agent": "invoke_agent",
    "tool": "execute_tool",
    "workflow": "invoke_workflow",
    "completion": "text_completion",
    "embedding": "embeddings",
}
"""What OpenInference and OpenLLMetry call operations of `gen_ai.operation.name`; what is not here keeps its name."""

COUNTS: dict[str, tuple[str, ...]] = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
    ),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
    "audio_input_tokens": ("gen_ai.usage.audio.input_tokens", "llm.token_count.prompt_details.audio"),
    "audio_output_tokens": ("gen_ai.usage.audio.output_tokens", "llm.token_count.completion_details.audio"),
    "cost": ("gen_ai.usage.cost", "llm.cost.total"),
    "first_token_ns": ("gen_ai.response.time_to_first_chunk", "gen_ai.response.time_to_first_token"),
    "stream": ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
    "total": ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total"),
}
"""Fields that hold numbers: tokens, US dollars (`cost`), seconds (`first_token_ns`), yes or no (`stream`). The total of
tokens is the sum of what is kept, and is not.
"""

CONTENT: dict[str, tuple[str, ...]] = {
    "input": (
        "gen_ai.input.messages",
        "gen_ai.prompt",
        "gen_ai.tool.call.arguments",
        "gen_ai.retrieval.query.text",
        "reranker.query",
        "input.value",
        "traceloop.entity.input",
        "tool.parameters",
    ),
    "output": (
        "gen_ai.output.messages",
        "gen_ai.completion",
        "gen_ai.tool.call.result",
        "gen_ai.retrieval.documents",
        "output.value",
        "traceloop.entity.output",
    ),
    "system": ("gen_ai.system_instructions",),
    "definitions": ("gen_ai.tool.definitions", "llm.request.functions"),
    "beside": (
        "input.mime_type",
        "output.mime_type",
        "llm.invocation_parameters",
        "llm.prompt_template.template",
        "llm.prompt_template.variables",
    ),
}
"""What was said: JSON, which attributes carry as text. The system's instructions and the tools on offer are part of the
input; what stands beside it is kept as attributes, and like the rest only where content is."""

FLATTENED: dict[str, str] = {
    "llm.input_messages.": "input",
    "llm.output_messages.": "output",
    "llm.prompts.": "input",
    "llm.choices.": "output",
    "llm.tools.": "definitions",
    "llm.request.functions.": "definitions",
    "gen_ai.prompt.": "input",
    "gen_ai.completion.": "output",
    "embedding.embeddings.": "input",
    "retrieval.documents.": "output",
    "reranker.input_documents.": "input",
    "reranker.output_documents.": "output",
}
"""Beginnings of names that spell out a list: `llm.input_messages.0.message.role`."""

SAID_IN_EVENTS: dict[str, str] = {
    "gen_ai.client.inference.operation.details": "",
    "gen_ai.content.prompt": "",
    "gen_ai.content.completion": "",
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "choice",
}
"""Events that carry what was said. Those with a role are one message each; the others hold attributes as above."""

FIRST_TOKENS = frozenset(
    {"First Token Stream Event", "gen_ai.content.completion.chunk", "llm.content.completion.chunk"}
)
"""Events that say when a piece of an answer came."""

SECRETS = frozenset({"gen_ai.headers"})
"""Attributes that are not kept: some libraries put credentials there."""

EXCEPTION = "exception"
EXCEPTION_TYPE, EXCEPTION_MESSAGE = "exception.type", "exception.message"
EXCEPTION_STACK = "exception.stacktrace"


def _ranked() -> dict[str, tuple[str, int]]:
    tables = (TEXTS, COUNTS, CONTENT)
    return {name: (field, at) for table in tables for field, names in table.items() for at, name in enumerate(names)}


FIELDS: dict[str, tuple[str, int]] = _ranked()
"""By attribute: the field, and how many of its other names come before this one."""

FAMILIES = tuple(FLATTENED)
"""What the name of an attribute that is part of a list begins with."""

QUOTING = frozenset({EXCEPTION_MESSAGE, EXCEPTION_STACK, "gen_ai.event.content", "gen_ai.evaluation.explanation"})
"""Attributes that are no content by their meaning, and quote it."""

SAYING = (
    *FAMILIES,
    *("llm.prompt_template.", "gen_ai.content.", "db.query.result.", "db.query.embeddings."),
    *("ai.prompt", "ai.response.text", "ai.response.object", "ai.response.reasoning", "ai.response.toolCalls"),
    *("ai.toolCall.args", "ai.toolCall.result", "ai.value"),
    *("pydantic_ai.all_messages", "all_messages_events", "final_result", "tool_arguments", "tool_response"),
    *("langfuse.observation.input", "langfuse.observation.output", "langfuse.trace.input", "langfuse.trace.output"),
    *("mlflow.spanInputs", "mlflow.spanOutputs"),
)
"""What the names of other attributes begin with that hold what was said: of OpenLLMetry's vector stores, the Vercel AI
SDK, Pydantic AI, Langfuse and MLflow. They are kept as they come, and are content like what is understood.
"""
