"""The shape of `moat.yaml`. Field names are the file's keys; `moat config schema` publishes it as JSON Schema."""

from typing import Annotated, Any, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=64)]
"""Lower-case letters, digits, `_`, `.` and `-`."""
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]


class ModelPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars per million tokens, written as strings (`"0.15"`) so that they stay exact."""

    input: str
    output: str
    cached: str | None = None
    """Defaults to the input price."""
    cache_write: str | None = None
    """Defaults to the input price."""


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model alias: what prompts and clients name, and what stands behind it."""

    use: Annotated[list[str], msgspec.Meta(min_length=1)]
    """`provider/model` to try, in order: the first is the primary, the others are fallbacks."""
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2
    """Further tries at the same deployment before the next one."""
    deadline: Seconds = 600.0
    """Seconds for the whole call: retries, fallbacks and the last piece of the answer included."""
    price: ModelPrice | None = None
    """Overrides the published price, for contract prices and own machines."""


class EnvironmentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules of an environment."""

    description: str = ""
    require: list[str] = []
    """Suites whose gate must have passed before a release may be assigned here."""


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `moat serve` listens, and what it bears."""

    host: str = "127.0.0.1"
    port: Port = 4000
    max_body_mb: Annotated[float, msgspec.Meta(gt=0, le=1024)] = 20.0


class TelemetryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The durable spool and what it keeps."""

    fsync: Literal["always", "interval", "never"] = "interval"
    """`always`: before each answer is acknowledged. `interval`: in the background."""
    fsync_interval: Seconds = 1.0
    capture_content: bool = True
    """Keep prompts and answers in traces, not just their measures."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`moat.yaml`."""

    providers: dict[Name, dict[str, Any]]
    """By name; `kind` picks the adapter, which checks the rest."""
    models: dict[Name, ModelConfig]
    environments: dict[Name, EnvironmentConfig] = {}
    project: str = ""
    server: ServerConfig = ServerConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
