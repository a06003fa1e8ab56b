"""The tables. A column is a field of the domain struct of the same name, so a row converts straight into it.

A change here needs a revision in `migrations/versions` too; a test compares the two.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from moat.adapters.sqlite.account_tables import accounts as accounts
from moat.adapters.sqlite.account_tables import invitations as invitations
from moat.adapters.sqlite.account_tables import sessions as sessions
from moat.adapters.sqlite.columns import Json as Json
from moat.adapters.sqlite.columns import metadata as metadata
from moat.adapters.sqlite.columns import record as record

releases = Table(
    "releases",
    metadata,
    Column("id", Text, primary_key=True),
    Column("prompt", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("content", Json, nullable=False),
    Column("prompt_digest", Text, nullable=False),
    Column("deployments", Json, nullable=False),
    Column("policies", Json, nullable=False),
    Column("commit", Text, nullable=False),
    Column("dirty", Boolean, nullable=False),
    Column("author", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Index("releases_by_prompt", "prompt", "created_ns"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("release", Text, ForeignKey("releases.id"), nullable=False),
    Column("run", Text, nullable=False),
    Column("suite", Text, nullable=False),
    Column("suite_digest", Text, nullable=False),
    Column("dataset_digest", Text, nullable=False),
    Column("score", Float),
    Column("verdict", Text, nullable=False),
    Column("gates_digest", Text, nullable=False),
    Column("baseline", Text, nullable=False),
    Column("judged_ns", BigInteger, nullable=False),
    UniqueConstraint("release", "run", "suite", name="evidence_once"),
)

assignments = Table(
    "assignments",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("prompt", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("arms", Json, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("progress", Text, nullable=False),
    Column("experiment", Text, nullable=False),
    Column("shadow", Json, nullable=False),
    Column("overridden", Json, nullable=False),
    Column("replaces", Json, nullable=False),
    Column("returns_to", Integer, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("release", Text, ForeignKey("releases.id"), primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("actor", Text, primary_key=True),
    Column("created_ns", BigInteger, nullable=False),
    Column("comment", Text, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("content", Json, nullable=False),
    Column("digest", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("commit", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("committed_ns", BigInteger, nullable=False),
    Column("branches", Json, nullable=False),
    Column("registered_ns", BigInteger, nullable=False),
    # Holds all that comparing needs: the contents are not read for it.
    Index("versions_by_digest", "name", "version", "digest"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("suite", Text, nullable=False),
    Column("suite_digest", Text, nullable=False),
    Column("dataset_digest", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("prompt_digest", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("deployments", Json, nullable=False),
    Column("behind", Text, nullable=False),
    Column("policies", Json, nullable=False),
    Column("cases", Integer, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("least", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("finished_ns", BigInteger, nullable=False),
    Column("commit", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("score", Float),
    Column("verdict", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("split", Text, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Index("runs_by_time", "created_ns"),
    Index("runs_by_content", "suite_digest", "dataset_digest", "prompt_digest", "model"),
)

results = Table(
    "results",
    metadata,
    Column("run", Text, ForeignKey("runs.id"), primary_key=True),
    Column("case", Text, primary_key=True),
    Column("repeat", Integer, primary_key=True, autoincrement=False),
    Column("output", Text, nullable=False),
    Column("tool_calls", Json, nullable=False),
    Column("scores", Json, nullable=False),
    Column("error", Text, nullable=False),
    Column("latency_ns", BigInteger, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("cost", BigInteger),
    Column("trace_id", Text, nullable=False),
    Column("messages", Json, nullable=False),
    Column("context", Json, nullable=False),
    Column("cached", Boolean, nullable=False),
)

judgements = Table(
    "judgements",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("run", Text, ForeignKey("runs.id"), nullable=False),
    Column("gates_digest", Text, nullable=False),
    Column("baseline", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("tests", Integer, nullable=False),
    Index("judgements_by_run", "run"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("feature", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("models", Json, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Column("revoked_ns", BigInteger, nullable=False),
    Column("tags", Json, nullable=False),
    Column("data_class", Text, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("parent", Text, nullable=False),
    Column("former_hash", Text, nullable=False),
    Column("former_until_ns", BigInteger, nullable=False),
)

trips = Table(
    "trips",
    metadata,
    Column("id", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("usual", BigInteger, nullable=False),
    Column("reset_ns", BigInteger, nullable=False),
    Column("reset_by", Text, nullable=False),
    Column("reset_reason", Text, nullable=False),
    Index("trips_open", "reset_ns", "at_ns"),
)

files = Table(
    "files",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Index("files_by_owner", "owner", "id"),
    Index("files_by_expiry", "expires_ns"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("input_file", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("sweep_ns", BigInteger, nullable=False),
    Column("content", Json, nullable=False),
    Index("batches_by_owner", "owner", "id"),
    Index("batches_by_status", "status"),
)

false_hits = Table(
    "false_hits",
    metadata,
    Column("alias", Text, primary_key=True),
    Column("embedder", Text, primary_key=True),
    Column("threshold", Float, primary_key=True),
    Column("agreement", Float, primary_key=True),
    Column("release", Text, primary_key=True),
    Column("compared", BigInteger, nullable=False),
    Column("false", BigInteger, nullable=False),
    Column("examples", Json, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
)

trusted_hosts = Table(
    "trusted_hosts",
    metadata,
    Column("credential", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("since_ns", BigInteger, nullable=False),
)

searches = Table(
    "searches",
    metadata,
    Column("name", Text, primary_key=True),
    Column("expression", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("place", Integer, primary_key=True),
    Column("content", Json, nullable=False),
)

alert_outages = Table(
    "alert_outages",
    metadata,
    Column("place", Integer, primary_key=True),
    Column("content", Json, nullable=False),
)

alert_events = Table(
    "alert_events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("rule", Text, nullable=False),
    Column("content", Json, nullable=False),
    Index("alert_events_by_time", "at_ns"),
)

alert_silences = Table(
    "alert_silences",
    metadata,
    Column("id", Text, primary_key=True),
    Column("until_ns", BigInteger, nullable=False),
    Column("content", Json, nullable=False),
)

alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("next_ns", BigInteger, nullable=False),
    Column("content", Json, nullable=False),
    Index("alert_deliveries_due", "status", "next_ns"),
)

tool_approvals = Table(
    "tool_approvals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("feature", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("guard", Text, nullable=False),
    Column("hours", Float, nullable=False),
    Column("asked_ns", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Column("decided_ns", BigInteger, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("used_ns", BigInteger, nullable=False),
    Column("used_request", Text, nullable=False),
    Index("tool_approvals_by_call", "digest", "state"),
    Index("tool_approvals_by_time", "asked_ns"),
    Index("tool_approvals_by_key", "key", "state"),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("content_digest", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Index("audit_by_action", "action", "subject"),
    # SQLite remembers the highest number it ever gave out: a tail that is cut off is missed.
    sqlite_autoincrement=True,
)

audit_contents = Table(
    "audit_contents",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
)

audit_open = Table(
    "audit_open",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
)
"""The entry that the present transaction has written: what is guarded may be changed while it is here."""
