"""OpenTelemetry traces in and out: OTLP in JSON and in protobuf, spans by the semantic conventions."""

from moat.telemetry.otlp.answers import refusal
from moat.telemetry.otlp.reading import Policy
from moat.telemetry.otlp.receiving import Received, decode
from moat.telemetry.otlp.wire import Encoding

__all__ = ["Encoding", "Policy", "Received", "decode", "refusal"]
