"""The collectors that spans are sent to: those of moat.yaml, and the one that OpenTelemetry's own variables name."""

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from moat.adapters.otlp import Collector, Destination
from moat.bootstrap.project import Project
from moat.bootstrap.settings import Settings, resolve, without_secrets
from moat.domain.config import OtlpConfig
from moat.domain.errors import ConfigError
from moat.gateway.measured import Sending
from moat.telemetry.outbox import Outbox, discard
from moat.telemetry.shipper import Shipper

FLUSH_SECONDS = 5.0
"""For what is left when the server ends; the rest is sent by the next one."""

_PREFIX = "OTEL_EXPORTER_OTLP_"
_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def destinations(settings: Settings, environ: Mapping[str, str]) -> list[tuple[Destination, OtlpConfig]]:
    """Where spans go; the same URL once. Raises `ConfigError` for what cannot be sent to."""
    found: dict[str, tuple[Destination, OtlpConfig]] = {}
    for index, config in enumerate(settings.config.telemetry.otlp):
        path: list[str | int] = ["telemetry", "otlp", index]
        url = str(resolve(config.endpoint, settings, [*path, "endpoint"], environ)).rstrip("/") + "/v1/traces"
        headers: Any = resolve(config.headers, settings, [*path, "headers"], environ)
        found[url] = _destination(url, headers, content=config.content), config
    named = _named(environ)
    if named is not None:
        found.setdefault(named.url, (named, OtlpConfig(endpoint=named.url)))
    return list(found.values())


def _named(environ: Mapping[str, str]) -> Destination | None:
    """By https://opentelemetry.io/docs/specs/otel/protocol/exporter/: what is for traces comes before what is for all.

    Raises `ConfigError` for gRPC, and for headers that are none.
    """

    def said(name: str) -> str:
        return (environ.get(f"{_PREFIX}TRACES_{name}") or environ.get(f"{_PREFIX}{name}") or "").strip()

    url = (environ.get(f"{_PREFIX}TRACES_ENDPOINT") or "").strip()
    base = (environ.get(f"{_PREFIX}ENDPOINT") or "").strip()
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    if off or not (url or base):
        return None
    if said("PROTOCOL") == "grpc":
        raise ConfigError(
            "spans are sent by OTLP over HTTP, not by gRPC",
            where=f"{_PREFIX}PROTOCOL",
            remedy="Set it to http/protobuf, and the endpoint to the collector's port for HTTP (4318 as a rule).",
        )
    headers = {}
    for item in filter(None, said("HEADERS").split(",")):
        name, is_pair, value = item.partition("=")
        if not is_pair:
            raise ConfigError("is no list of name=value, with commas", where=f"{_PREFIX}HEADERS")
        headers[unquote(name.strip())] = unquote(value.strip())
    content = environ.get(_CAPTURE, "").strip().lower() in ("true", "1", "span_only", "span_and_event")
    return _destination(url or base.rstrip("/") + "/v1/traces", headers, content=content)


def _destination(url: str, headers: Mapping[str, str], *, content: bool) -> Destination:
    lower = tuple((name.lower(), value) for name, value in headers.items())
    return Destination(url=url, headers=lower, content=content)


def open_collectors(opened: AsyncExitStack, project: Project, environ: Mapping[str, str]) -> "Collectors":
    """Ready to run; closed in the end, after a last try to send what is left. Raises `ConfigError`."""
    found = [Collector(to, _outbox(project, to, config)) for to, config in destinations(project.settings, environ)]
    discard(project.spool_path, [each.outbox.directory for each in found])
    collectors = Collectors(found)
    opened.push_async_callback(collectors.aclose)
    return collectors


def outboxes(project: Project, environ: Mapping[str, str]) -> list[Outbox]:
    """What waits for each collector: for commands, whose spans the next server sends. None when something is wrong with
    the collectors: that server says what.
    """
    telemetry = project.settings.config.telemetry
    try:
        # A command needs no credentials.
        known = destinations(project.settings, without_secrets(msgspec.to_builtins(telemetry.otlp), environ))
    except ConfigError:
        return []
    return [_outbox(project, to, config) for to, config in known]


def _outbox(project: Project, to: Destination, config: OtlpConfig) -> Outbox:
    return Outbox(
        project.spool_path,
        hashlib.sha256(to.url.encode()).hexdigest()[:12],
        shown=_shown(to.url),
        max_bytes=round(config.keep_mb * 2**20),
        max_age=config.keep_hours * 3600,
    )


class Collectors:
    """All of them."""

    def __init__(self, collectors: list[Collector]) -> None:
        self.all = collectors

    def attach(self, shipper: Shipper) -> None:
        """Everything that is shipped from now on is sent too."""
        shipper.before.extend(each.outbox.take for each in self.all)

    def sending(self) -> list[Sending]:
        """How it stands with each."""
        return [
            Sending(box.shown, each.sent, each.refused, each.failures, box.given_up, box.bytes)
            for each in self.all
            for box in (each.outbox,)
        ]

    async def aclose(self) -> None:
        """Send what is left for a few seconds, and close."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await asyncio.gather(*(each.flush() for each in self.all))
        for each in self.all:
            await each.aclose()


def _shown(url: str) -> str:
    """A collector in logs: without what may be a credential in its path or query."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return "a URL that is none"
