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
    input VARCHAR USING COMPRESSION zstd,
    output VARCHAR USING COMPRESSION zstd,
    attributes VARCHAR
)
"""
"""DuckDB's own choice takes twice the room for prompts and answers. Stores made before it was said have that choice
until they are compacted."""

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
_BATCH = "rowid BETWEEN $start AND $end AND alias = ''"
_TIMES = f"SELECT min(started_ns), max(started_ns) FROM spans WHERE kind = 'attempt' AND {_BATCH}"
_FILL_CALLS = f"UPDATE spans SET alias = model WHERE kind = 'call' AND {_BATCH}"
_FILL_ATTEMPTS = f"""
UPDATE spans SET {", ".join(f'"{name}" = call."{name}"' for name in _OF_THE_CALL)}, alias = call.model
FROM (SELECT trace_id AS trace, span_id AS span, model, {", ".join(f'"{name}"' for name in _OF_THE_CALL)}
      FROM spans WHERE kind = 'call' AND started_ns BETWEEN $since AND $until) AS call
WHERE kind = 'attempt' AND {_BATCH} AND trace_id = call.trace AND parent_id = call.span
"""
_SPENDING = ("CREATE TABLE repricings (at_ns BIGINT NOT NULL, entry VARCHAR NOT NULL)",)

_EXTRAS = (
    *(f"ALTER TABLE spans ADD COLUMN {name} BIGINT DEFAULT 0" for name in ("searches", "runs")),
    "ALTER TABLE spans ADD COLUMN tier VARCHAR DEFAULT ''",
)

_FEEDBACK = """
CREATE TABLE feedback (
    id VARCHAR NOT NULL,
    at_ns BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    request_id VARCHAR NOT NULL,
    trace_id VARCHAR NOT NULL,
    value DOUBLE,
    rating BIGINT,
    categories VARCHAR NOT NULL,
    comment VARCHAR NOT NULL,
    correction VARCHAR,
    "by" VARCHAR NOT NULL,
    environment VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    attributes VARCHAR NOT NULL
)
"""
_TELEMETRY = (
    *(
        f"ALTER TABLE spans ADD COLUMN {name} VARCHAR DEFAULT ''"
        for name in ("fingerprint", "service", "tools", "guard")
    ),
    _FEEDBACK,
)

_LEFT_ALONE = ("ALTER TABLE spans ADD COLUMN left_alone VARCHAR DEFAULT ''",)
_POLICY = ("ALTER TABLE spans ADD COLUMN policy VARCHAR DEFAULT ''",)
_SEEN = ("image_input", "image_output", "cached_image", "video_input", "video_output")
_PICTURES = tuple(f"ALTER TABLE spans ADD COLUMN {name}_tokens BIGINT DEFAULT 0" for name in _SEEN)

STEPS: tuple[tuple[str, ...], ...] = (
    *((_SPANS, _REJECTS), _ARMS, _MONEY, _SPENDING, _EXTRAS, _TELEMETRY, _LEFT_ALONE),
    *(_POLICY, _PICTURES),
)
"""Step n leads from version n to n + 1. Never change a step that was released: append one."""

FILLED = 4
"""Before this step, attempts are given what their call says of itself: earlier versions did not write it to them."""

BATCH = 50_000
"""Rows filled in one transaction: a whole store does not fit into DuckDB's memory limit."""

_DAY_NS = 86_400 * 10**9
"""No call takes longer: an attempt begins within a day of its call."""


def migrate(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """Bring the tables to the newest version, each step in one transaction, and rows that a step fills in one for
    each batch. Whoever was killed on the way goes on where the batches ended.

    Raises `StorageError` for a store that a newer Moat has written.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    # All of it is fetched: a result that waits keeps its transaction, and no checkpoint comes past the first update.
    ((found,),) = connection.execute("SELECT max(version) FROM schema_version").fetchall()
    version = found or 0
    if version > len(STEPS):
        raise StorageError(
            f"the trace store has schema {version}, this Moat knows {len(STEPS)}",
            where=where,
            remedy="Use the newer Moat that wrote it.",
        )
    for number, statements in enumerate(STEPS[version:], start=version + 1):
        if number == FILLED:
            _fill(connection)
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement)
        connection.execute("INSERT INTO schema_version VALUES (?)", [number])
        connection.execute("COMMIT")


def _fill(connection: duckdb.DuckDBPyConnection) -> None:
    """Give calls their alias, and attempts what their call says. What is filled already is left alone."""
    ((last,),) = connection.execute("SELECT max(rowid) FROM spans").fetchall()
    rows = 0 if last is None else last + 1
    for start in range(0, rows, BATCH):
        _fill_batch(connection, {"start": start, "end": start + BATCH - 1})


def _fill_batch(connection: duckdb.DuckDBPyConnection, batch: dict[str, int]) -> None:
    """Calls are sought in a span of time: DuckDB reads only the blocks that hold it."""
    ((first, last),) = connection.execute(_TIMES, batch).fetchall()
    connection.execute("BEGIN")
    connection.execute(_FILL_CALLS, batch)
    if first is not None:
        connection.execute(_FILL_ATTEMPTS, {**batch, "since": first - _DAY_NS, "until": last})
    connection.execute("COMMIT")
