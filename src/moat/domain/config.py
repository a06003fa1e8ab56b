"""The shape of `moat.yaml`. Field names are the file's keys; `moat config schema` publishes it as JSON Schema."""

import datetime
from typing import Annotated, Any, Literal

import msgspec

from moat.domain.alerting import AlertsConfig
from moat.domain.audit import AuditConfig
from moat.domain.console import ConsoleConfig
from moat.domain.handling import DataConfig
from moat.domain.policies import PolicyConfig

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=64)]
"""Lower-case letters, digits, `_`, `.` and `-`."""
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]


class ModelPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars per million tokens, written as strings (`"0.15"`) so that they stay exact."""

    input: str = "0"
    output: str = "0"
    cached: str | None = None
    """Defaults to the input price."""
    cache_write: str | None = None
    """Defaults to the input price."""
    cache_write_long: str | None = None
    """Kept for an hour (Anthropic); defaults to the price of `cache_write`."""
    audio_input: str | None = None
    """Defaults to the input price."""
    audio_output: str | None = None
    """Defaults to the output price."""
    cached_audio: str | None = None
    """Defaults to the price of `cached`."""
    image_input: str | None = None
    """Defaults to the input price."""
    image_output: str | None = None
    """Defaults to the output price."""
    cached_image: str | None = None
    """Defaults to the price of `cached`."""
    video_input: str | None = None
    """Defaults to the price of `image_input`."""
    video_output: str | None = None
    """Defaults to the price of `image_output`."""
    unit: str | None = None
    """US dollars for one piece of what is not billed by tokens: an image, a search, a character, a second; defaults to
    nothing."""
    request: str | None = None
    """US dollars for each request; defaults to nothing."""
    search: str | None = None
    """US dollars for one search of the web by the provider; without it the cost of a call that searched is unknown."""
    run: str | None = None
    """The same for one run of another of its tools: code, a search of stored files."""
    tiers: dict[str, "ModelPrice"] = {}
    """Prices of other levels of service, by the name that answers give them: `flex`, `priority`. Each states all its
    token prices; pieces cost the same, where it says nothing else."""


Targets = Annotated[list[str], msgspec.Meta(min_length=1)]
"""`provider/model` names."""
Strategy = Literal["ordered", "weighted", "fastest", "cheapest"]
"""Which deployment comes first; the others stay as fallbacks. `ordered`: as written. `weighted`: by chance.
`fastest`: by the first-token latency seen lately. `cheapest`: by price, among those that meet `quality`."""


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which calls; all that are given must hold, and of a list any entry."""

    tenant: list[str] = []
    feature: list[str] = []
    user: list[str] = []
    environment: list[str] = []
    tags: list[str] = []
    data_class: list[str] = []
    min_tokens: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Estimated tokens of the input, at least."""
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] = 0
    """At most; 0: no bound."""


class RouteRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other deployments for some calls of an alias."""

    when: Condition
    use: Targets
    strategy: Strategy = "ordered"


class QualityConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a deployment must have shown before `strategy: cheapest` may take it."""

    suite: str
    """Its newest finished runs count, one for each deployment that was run by itself."""
    at_least: Annotated[float, msgspec.Meta(ge=0, le=1)]


LEXICAL = "lexical"
"""The embedder that needs no model."""


class SemanticConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an answer may be given to a question that is only similar to the one it was made for."""

    embedder: str = LEXICAL
    """`lexical`: by the letters, with no model. Else the alias of an embeddings model."""
    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.92
    """Cosine of two questions from which they count as one."""
    mode: Literal["shadow", "serve"] = "shadow"
    """`shadow`: ask the model all the same, and measure. `serve`: answer, once that is proven."""
    sample: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    """In `serve`: share of the similar questions for which the model is asked all the same, to go on measuring."""
    min_compared: Annotated[int, msgspec.Meta(ge=1)] = 200
    """Comparisons before anything is proven."""
    max_false_hits: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.02
    """Share of false hits that the upper end of their 95 % interval must stay below."""
    agreement: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.9
    """Lexical similarity of two answers from which they count as one."""
    unproven: bool = False
    """Serve without proof."""


class CacheConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answers of an alias that may be given again to the same question, within one tenant and release."""

    ttl: Annotated[float, msgspec.Meta(gt=0, le=30 * 86400)]
    """Seconds."""
    tools: bool = False
    """Also answers that call tools, and to conversations with tool results: for tools without effects, whose results
    are all in the conversation.
    """
    semantic: SemanticConfig | None = None
    """None: only the same question is answered."""


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model alias: what prompts and clients name, and what stands behind it."""

    use: Targets
    """`provider/model` to try, in order: the first is the primary, the others are fallbacks."""
    strategy: Strategy = "ordered"
    weights: dict[str, Annotated[float, msgspec.Meta(ge=0)]] = {}
    """For `strategy: weighted`, by `provider/model`; 1 where none is given."""
    quality: QualityConfig | None = None
    """For `strategy: cheapest`."""
    rules: list[RouteRule] = []
    """The first whose condition holds replaces `use` and `strategy`."""
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2
    """Further tries at the same deployment before the next one."""
    deadline: Seconds = 600.0
    """Seconds for the whole call: retries, fallbacks and the last piece of the answer included."""
    hedge_after: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0
    """Seconds without a first piece after which the next deployment is asked too, and the first to answer wins;
    0: never. Both are paid for."""
    overflow: Literal["refuse", "truncate"] = "refuse"
    """What happens to a conversation that is too long for every deployment, `longer` included. `truncate`: its oldest
    turns are left out, and the answer says so."""
    longer: str = ""
    """Alias that takes conversations too long for this one."""
    cheaper: str = ""
    """Alias that a limit with `action: downgrade` exchanges this one for."""
    cache: CacheConfig | None = None
    price: ModelPrice | None = None
    """Overrides the published price, for contract prices and own machines."""


class DeploymentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is particular to one `provider/model`, whichever alias leads to it."""

    price: ModelPrice | None = None
    """Comes before the published price, after the price of an alias."""
    context: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Tokens of input and output together; 0: as published, else unbounded."""
    max_output: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Most tokens of an answer, which a call without `max_tokens` reserves; 0: as published."""
    batch_discount: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """Share of the price that the provider's own batch API takes off."""


class BreakerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a deployment that fails is left alone, and for how long."""

    failures: Annotated[int, msgspec.Meta(ge=1)] = 5
    """In a row, or `rate` of the tries in the window."""
    rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    """Share of failed tries within `window` seconds, of ten at least."""
    window: Seconds = 30.0
    cooldown: Seconds = 10.0
    """Seconds until one call probes it; doubles with each failed probe, up to ten times as long."""


Scope = Literal["key", "tenant", "feature", "user", "model", "environment"]
"""What a limit counts by. `model` is the alias."""


class LimitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One limit. It states exactly one of `requests`, `tokens`, `money` and `concurrent`."""

    name: Name
    per: list[Scope] = []
    """One counter for each combination that occurs; empty: one for the whole service."""
    match: dict[Scope, list[str]] = {}
    """Only calls with one of these values."""
    requests: Annotated[int, msgspec.Meta(ge=0)] | None = None
    tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Input and output together."""
    money: str | None = None
    """US dollars as text, such as "25.00"."""
    concurrent: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Calls at one time; takes no window."""
    window: Literal["request", "minute", "hour", "day", "month"] = "month"
    """`request`: each call by itself. The others begin on the clock, in `timezone`."""
    action: Literal["reject", "warn", "alert", "downgrade", "cap", "disable"] = "reject"
    """When a call would pass the limit. `reject`: refuse it (429). `warn`: a notice in the answer and the log. `alert`:
    the same, and a problem in `moat status`. `downgrade`: take the alias's `cheaper` instead. `cap`: shorten the
    answer to what is left. `disable`: refuse calls of features that are not critical."""
    warn_at: list[Annotated[float, msgspec.Meta(gt=0, lt=1)]] = []
    """Shares of the limit from which answers carry a notice."""
    timezone: str = "UTC"
    """IANA name, such as Europe/Berlin."""


class SpikeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When spending is cut off because it is not what it was."""

    floor: str
    """US dollars within the window, as text, below which nothing is a spike."""
    factor: Annotated[float, msgspec.Meta(gt=1)] = 5.0
    """Times what this hour of the week usually has."""
    window: Annotated[float, msgspec.Meta(ge=1, le=86400)] = 600.0
    """Seconds that are looked at together."""
    per: tuple[Literal["feature", "key"], ...] = ("feature", "key")
    """What is compared, each with its own past."""
    repeats: Annotated[int, msgspec.Meta(ge=0)] = 0
    """How often one key may ask the same question within a minute; 0: as often as it likes."""
    session_calls: Annotated[int, msgspec.Meta(ge=0)] = 0
    """How many calls one session may make within the window; 0: as many as it likes."""
    action: Literal["stop", "alert"] = "stop"
    """`stop`: refuse what belongs to it until somebody resets it. `alert`: a problem in `moat status`."""


class FeatureConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A feature that calls name."""

    description: str = ""
    critical: bool = True
    """False: may be switched off by a limit with `action: disable`."""


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
    approvers: Annotated[list[str], msgspec.Meta(max_length=100)] = []
    """E-mail addresses of those whose approval counts; none: everybody's who may release."""
    freeze: list[FreezeWindow] = []
    auto: Literal["never", "merge", "verdict"] = "never"
    """What a merge to the main branch does by itself. `merge`: release the newest version. `verdict`: release it as
    soon as every required suite has passed for it."""


class GateConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `moat gate` judges of every change."""

    red_team: list[str] = []
    """Suites of attacks: they are asked whatever changed."""


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
    max_requests: Annotated[int, msgspec.Meta(ge=1)] = 2000
    """Under way at one time; further ones are turned away (503) until there is room."""
    workers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    """Processes that answer model calls, beside the one that keeps everything else; 0: that one answers them too."""
    cache_mb: Annotated[float, msgspec.Meta(gt=0, le=65536)] = 64.0
    """Memory for answers of aliases with `cache`."""


class BatchConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of requests, and the batches that run them."""

    max_file_mb: Annotated[float, msgspec.Meta(gt=0, le=1024)] = 200.0
    max_lines: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 50_000
    """Of one batch."""
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=256)] = 8
    """Lines of all batches that the gateway asks at one time: less than what users wait for."""
    keep_days: Annotated[float, msgspec.Meta(gt=0, le=3650)] = 30.0
    """Until files are deleted, and batches after their end."""


class OtlpConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A collector that spans are sent to by OTLP/HTTP."""

    endpoint: str
    """Base URL: `/v1/traces` is put after it, as OpenTelemetry's exporters do."""
    headers: dict[str, str] = {}
    """Values may be references to credentials, such as `${COLLECTOR_TOKEN}`."""
    content: bool = False
    """Send inputs and outputs too."""
    keep_mb: Annotated[float, msgspec.Meta(gt=0, le=1_048_576)] = 1024.0
    """Of spans that wait while the collector is away ..."""
    keep_hours: Annotated[float, msgspec.Meta(gt=0, le=8760)] = 24.0
    """... and how long they do; then the oldest are given up."""


class TelemetryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The durable spool and what it keeps."""

    fsync: Literal["always", "interval", "never"] = "interval"
    """`always`: before each answer is acknowledged. `interval`: in the background."""
    fsync_interval: Seconds = 1.0
    capture_content: bool = True
    """Keep prompts and answers in traces, and messages of errors and comments, which quote them; not just measures."""
    max_content_kb: Annotated[float, msgspec.Meta(gt=0, le=65536)] = 1024.0
    """Of one input or output; what is longer is cut and says so."""
    keep_content_days: Annotated[float, msgspec.Meta(gt=0, le=3650)] = 90.0
    """Until inputs and outputs are deleted; their spans stay."""
    keep_days: Annotated[float, msgspec.Meta(gt=0, le=3650)] = 400.0
    """Until spans and what was said of them are deleted."""
    grpc: str = ""
    """Address on which spans are taken by OTLP over gRPC, such as `127.0.0.1:4317`; empty: nowhere. Needs
    `moat[grpc]`."""
    otlp: tuple[OtlpConfig, ...] = ()
    """Collectors that get every span, beside the one that `OTEL_EXPORTER_OTLP_ENDPOINT` names."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`moat.yaml`."""

    providers: dict[Name, dict[str, Any]]
    """By name; `kind` picks the adapter, which checks the rest."""
    models: dict[Name, ModelConfig]
    deployments: dict[str, DeploymentConfig] = {}
    """By `provider/model`."""
    limits: list[LimitConfig] = []
    spikes: SpikeConfig | None = None
    """None: spending is not watched for spikes."""
    features: dict[str, FeatureConfig] = {}
    breaker: BreakerConfig = BreakerConfig()
    environments: dict[Name, EnvironmentConfig] = {}
    gate: GateConfig = GateConfig()
    git: GitConfig = GitConfig()
    batches: BatchConfig = BatchConfig()
    policies: list[PolicyConfig] = []
    """Guards, beside those of the files in `policies/`."""
    data: DataConfig | None = None
    """The data-handling policy; None: data may go anywhere, and is kept as `telemetry` says."""
    project: str = ""
    server: ServerConfig = ServerConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    alerts: AlertsConfig = AlertsConfig()
    audit: AuditConfig = AuditConfig()
    console: ConsoleConfig = ConsoleConfig()
