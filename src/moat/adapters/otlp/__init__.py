"""OTLP to and from other processes: spans to collectors, and spans that come by gRPC (`grpc_receiver`)."""

from moat.adapters.otlp.collector import Collector, Destination

__all__ = ["Collector", "Destination"]
