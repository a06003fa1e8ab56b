"""Real instrumentations over real SDKs, through the gateway: one trace, by the conventions of each, counted once."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from moat.adapters.duckdb import DuckTraces
from moat.domain.calls import Delta, Finished, ToolCallDelta
from moat.domain.spans import Span
from moat.domain.usage import Usage
from moat.ports.traces import TraceFilter
from moat.testing.scripted import ScriptedProvider
from tests.gateway import instrumented_app
from tests.gateway.conftest import SECRET, Start
from tests.gateway.instrumented_app import QUESTION, SYSTEM

pytestmark = pytest.mark.filterwarnings("ignore")  # those of other people's libraries

LIBRARIES = {
    "opentelemetry-openai": "opentelemetry.instrumentation.openai_v2",
    "openllmetry-openai": "opentelemetry.instrumentation.openai",
    "openinference-openai": "openinference.instrumentation.openai",
    "openllmetry-anthropic": "opentelemetry.instrumentation.anthropic",
    "openinference-anthropic": "openinference.instrumentation.anthropic",
}
CALLED = [
    Delta(tool_calls=(ToolCallDelta(index=0, id="call_1", name="weather", arguments='{"city":"Ulm"}'),)),
    Finished(reason="tool_calls", usage=Usage(input=11, output=7, cached=3), model="scripted-2026"),
]
CONTENT = {
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "TRACELOOP_TRACE_CONTENT": "true",
}


@pytest.mark.parametrize("name", LIBRARIES)
def test_an_instrumented_application(start: Start, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = start(ScriptedProvider(CALLED))
    instrumentor = "OpenAIInstrumentor" if name.endswith("openai") else "AnthropicInstrumentor"
    arguments = gateway.url, SECRET, LIBRARIES[name], instrumentor
    if name == "openllmetry-openai":  # it does not undo all of its patches
        command = [sys.executable, "-W", "ignore", "-m", "tests.gateway.instrumented_app", *arguments]
        subprocess.run(command, check=True, timeout=120, env={**os.environ, **CONTENT})
    else:
        for variable, value in CONTENT.items():
            monkeypatch.setenv(variable, value)
        instrumented_app.main(*arguments)

    spans = gateway.spool.spans
    by_name = {span.kind if span.kind != "app" else str(span.attributes["otel.scope.name"]): span for span in spans}
    # Anthropic's SDK traces itself, beside the instrumentation.
    ours = {"shop", "call", "attempt", "com.anthropic.sdk.python"}
    (library,) = (span for key, span in by_name.items() if key not in ours)
    check_tree(by_name, library)
    check_meaning(name, library)
    store = DuckTraces.open(tmp_path / "traces.duckdb")
    segment = tmp_path / "1.ndjson"
    segment.write_bytes(msgspec.json.Encoder().encode_lines(spans))
    store.ingest([segment])
    (total,) = store.usages([], TraceFilter())
    assert (total.calls, total.input_tokens, total.output_tokens) == (1, 11, 7), "the SDK's own span counts too"
    assert len(store.trace(library.trace_id)) == len(spans)
    store.close()


def check_tree(spans: dict[str, Span], library: Span) -> None:
    root, call, attempt = spans["shop"], spans["call"], spans["attempt"]
    assert {span.trace_id for span in spans.values()} == {root.trace_id}
    assert (root.name, root.parent_id, root.service, root.environment) == ("handle", "", "shop", "staging")
    assert library.parent_id == root.span_id
    assert call.parent_id in {span.span_id for span in spans.values()}
    assert attempt.parent_id == call.span_id
    assert (call.tools, attempt.model_answered) == ("weather", "scripted-2026")


def check_meaning(name: str, library: Span) -> None:
    assert (library.operation, library.tools, library.error, library.tenant) == ("chat", "weather", "", "acme")
    assert (library.input_tokens, library.output_tokens) == (11, 7)
    assert library.cached_tokens == (0 if name == "opentelemetry-openai" else 3), "that one does not tell"
    # OpenInference names the model that answered, of OpenAI's only that.
    assert library.model == ("scripted-2026" if name == "openinference-openai" else "assistant")
    assert library.finish_reason in ("tool_calls", "tool_use", "tool_call")
    asked = [(said["role"], said["content"]) for said in library.input["messages"]]
    assert asked == [("system", SYSTEM), ("user", QUESTION)]
    (called,) = library.output["tool_calls"]
    assert (called["id"], called["function"]["name"]) == ("call_1", "weather")
    assert msgspec.json.decode(called["function"]["arguments"]) == {"city": "Ulm"}
