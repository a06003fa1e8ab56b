"""The shape of `moat.yaml`. Field names are the file's keys; `moat config schema` publishes it as JSON Schema."""

import datetime
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


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
LocalTime = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]


class FreezeWindow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """When nothing new may be released: on some weekdays, between two times of day, between two dates; all that are
    given must hold. Rolling back is always allowed.
    """

    reason: str
    """Shown to whoever is refused."""
    days: list[Weekday] = []
    """Empty: every day."""
    from_: LocalTime = "00:00"
    until: LocalTime = "24:00"
    """Exclusive. Before `from`: the window ends on the next day."""
    first: datetime.date | None = None
    last: datetime.date | None = None
    """Inclusive."""
    timezone: str = "UTC"
    """IANA name, such as Europe/Berlin."""


class EnvironmentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules of an environment."""

    description: str = ""
    require: list[str] = []
    """Suites whose gate must have passed before a release may be assigned here."""
    approvals: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    """How many people other than the author and the releaser must have approved a release."""
    freeze: list[FreezeWindow] = []
    auto: Literal["never", "merge", "verdict"] = "never"
    """What a merge to the main branch does by itself. `merge`: release the newest version. `verdict`: release it as
    soon as every required suite has passed for it."""


class GitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The repository that releases come from."""

    branch: str = "main"
    """Merges to it release by themselves, as the environments' `auto` says."""
    remote: str = ""
    """Fetched before a sync by webhook or polling; empty: the repository itself is what others push to."""
    poll: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 0.0
    """Seconds between two syncs by a running server; 0: only by webhook and `moat release sync`."""
    webhook_secret: str = ""
    """Shared with the forge, which signs with it, as a `${VAR}` reference; empty: webhooks are refused."""


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
    git: GitConfig = GitConfig()
    project: str = ""
    server: ServerConfig = ServerConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
