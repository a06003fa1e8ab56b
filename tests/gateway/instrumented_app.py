"""An application that asks once, instrumented. Also a process of its own:

python -m tests.gateway.instrumented_app URL SECRET MODULE INSTRUMENTOR
"""

import importlib
import sys
from typing import Any

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

SYSTEM, QUESTION = "Be kind.", "Weather?"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def ask_openai(url: str, secret: str, headers: dict[str, str]) -> None:
    """By the official SDK."""
    from openai import OpenAI

    tool: Any = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": SCHEMA}}
    asked: Any = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    with OpenAI(base_url=f"{url}/v1", api_key=secret, max_retries=0) as client:
        client.chat.completions.create(model="assistant", messages=asked, tools=[tool], extra_headers=headers)


def ask_anthropic(url: str, secret: str, headers: dict[str, str]) -> None:
    """By the official SDK."""
    from anthropic import Anthropic

    tool: Any = {"name": "weather", "description": "d", "input_schema": SCHEMA}
    asked: Any = [{"role": "user", "content": QUESTION}]
    with Anthropic(base_url=url, api_key=secret, max_retries=0) as client:
        client.messages.create(
            model="assistant", max_tokens=50, system=SYSTEM, messages=asked, tools=[tool], extra_headers=headers
        )


def main(url: str, secret: str, module: str, instrumentor: str) -> None:
    """Trace one request; the spans go to the gateway as protobuf, gzipped, before this returns."""
    resource = Resource.create({"service.name": "shop", "deployment.environment.name": "staging"})
    provider = TracerProvider(resource=resource)
    authorization = {"authorization": f"Bearer {secret}"}
    exporter = OTLPSpanExporter(f"{url}/v1/traces", headers=authorization, compression=Compression.Gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    library = getattr(importlib.import_module(module), instrumentor)()
    library.instrument(tracer_provider=provider)
    with provider.get_tracer("shop").start_as_current_span("handle"):
        headers: dict[str, str] = {}
        inject(headers)
        (ask_openai if instrumentor.startswith("OpenAI") else ask_anthropic)(url, secret, headers)
    library.uninstrument()
    provider.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
