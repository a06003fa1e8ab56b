"""Tables, and the steps that brought them there.

Alembic knows no DuckDB, and a store of one wide table needs no more than a counter and a list of statements.
"""

import duckdb

from moat.domain.errors import StorageError

_SPANS = """
CREATE TABLE spans (
    span_id VARCHAR NOT NULL,
    trace_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    started_ns BIGINT NOT NULL,
    duration_ns BIGINT NOT NULL,
    parent_id VARCHAR NOT NULL,
    request_id VARCHAR NOT NULL,
    environment VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    feature VARCHAR NOT NULL,
    "user" VARCHAR NOT NULL,
    session VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    release VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    model_answered VARCHAR NOT NULL,
    provider VARCHAR NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    usage_estimated BOOLEAN NOT NULL,
    cost BIGINT,
    first_token_ns BIGINT NOT NULL,
    finish_reason VARCHAR NOT NULL,
    error VARCHAR NOT NULL,
    error_message VARCHAR NOT NULL,
    stream BOOLEAN NOT NULL,
    attempts BIGINT NOT NULL,
    input VARCHAR,
    output VARCHAR,
    attributes VARCHAR
)
"""

_REJECTS = """
CREATE TABLE rejects (
    segment VARCHAR NOT NULL,
    line BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    content BLOB NOT NULL
)
"""

_ARMS = tuple(f"ALTER TABLE spans ADD COLUMN {name} VARCHAR DEFAULT ''" for name in ("arm", "experiment", "shadow_of"))

_TEXTS = ("alias", "operation", "price_version", "cache")
_COUNTS = (
    *("cache_write_long_tokens", "audio_input_tokens", "audio_output_tokens", "cached_audio_tokens"),
    *("units", "saved"),
)
_MONEY = (
    *(f"ALTER TABLE spans ADD COLUMN {name} VARCHAR DEFAULT ''" for name in _TEXTS),
    *(f"ALTER TABLE spans ADD COLUMN {name} BIGINT DEFAULT 0" for name in _COUNTS),
)

_OF_THE_CALL = (
    *("environment", "tenant", "feature", "user", "session", "key", "prompt", "version", "release"),
    *("arm", "experiment", "shadow_of"),
)
_SPENDING = (
    # Attempts carry what their call says of itself; those of earlier versions are given it here.
    "UPDATE spans SET alias = model WHERE kind = 'call'",
    f"""
    UPDATE spans SET {", ".join(f'"{name}" = call."{name}"' for name in _OF_THE_CALL)}, alias = call.model
    FROM (SELECT trace_id, span_id, model, {", ".join(f'"{name}"' for name in _OF_THE_CALL)}
          FROM spans WHERE kind = 'call') AS call
    WHERE spans.kind = 'attempt' AND spans.trace_id = call.trace_id AND spans.parent_id = call.span_id
    """,
    "CREATE TABLE repricings (at_ns BIGINT NOT NULL, entry VARCHAR NOT NULL)",
)

STEPS: tuple[tuple[str, ...], ...] = ((_SPANS, _REJECTS), _ARMS, _MONEY, _SPENDING)
"""Step n leads from version n to n + 1. Never change a step that was released: append one."""


def migrate(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """Bring the tables to the newest version, each step in one transaction.

    Raises `StorageError` for a store that a newer Moat has written.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    found = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    version = (found and found[0]) or 0
    if version > len(STEPS):
        raise StorageError(
            f"the trace store has schema {version}, this Moat knows {len(STEPS)}",
            where=where,
            remedy="Use the newer Moat that wrote it.",
        )
    for number, statements in enumerate(STEPS[version:], start=version + 1):
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement)
        connection.execute("INSERT INTO schema_version VALUES (?)", [number])
        connection.execute("COMMIT")
