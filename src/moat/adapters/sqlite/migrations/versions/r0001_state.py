"""Releases, where they are served, eval runs and keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "releases",
        _text("id", primary_key=True),
        _text("prompt"),
        _text("version"),
        _text("content"),
        _text("prompt_digest"),
        _text("commit"),
        sa.Column("dirty", sa.Boolean, nullable=False),
        _text("author"),
        _big("created_ns"),
    )
    op.create_index("releases_by_prompt", "releases", ["prompt", "created_ns"])
    op.create_table(
        "evidence",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("release", sa.Text, sa.ForeignKey("releases.id"), nullable=False),
        _text("run"),
        _text("suite"),
        _text("dataset_digest"),
        sa.Column("score", sa.Float),
        _text("verdict"),
        _text("gates_digest"),
        _text("baseline"),
        _big("judged_ns"),
        sa.UniqueConstraint("release", "run", "suite", name="evidence_once"),
    )
    op.create_table(
        "assignments",
        _text("environment", primary_key=True),
        _text("prompt", primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        _text("arms"),
        _text("actor"),
        _text("reason"),
        _big("created_ns"),
        _text("replaces"),
        sa.Column("returns_to", sa.Integer, nullable=False),
    )
    _create_runs()
    op.create_table(
        "keys",
        _text("id", primary_key=True),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
        _text("name"),
        _text("role"),
        _text("tenant"),
        _text("feature"),
        _text("environment"),
        _text("models"),
        _big("created_ns"),
        _big("expires_ns"),
        _big("revoked_ns"),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        _text("id", primary_key=True),
        _text("suite"),
        _text("suite_digest"),
        _text("dataset_digest"),
        _text("prompt"),
        _text("version"),
        _text("prompt_digest"),
        _text("model"),
        sa.Column("cases", sa.Integer, nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        _text("status"),
        _big("created_ns"),
        _big("finished_ns"),
        _text("commit"),
        _text("author"),
        _text("provider"),
        sa.Column("score", sa.Float),
        _text("verdict"),
    )
    op.create_index("runs_by_time", "runs", ["created_ns"])
    op.create_index("runs_by_content", "runs", ["suite_digest", "dataset_digest", "prompt_digest", "model"])
    op.create_table(
        "results",
        sa.Column("run", sa.Text, sa.ForeignKey("runs.id"), primary_key=True),
        _text("case", primary_key=True),
        sa.Column("repeat", sa.Integer, primary_key=True, autoincrement=False),
        _text("output"),
        _text("tool_calls"),
        _text("scores"),
        _text("error"),
        _big("latency_ns"),
        sa.Column("input_tokens", sa.Integer, nullable=False),
        sa.Column("output_tokens", sa.Integer, nullable=False),
        sa.Column("cost", sa.BigInteger),
        _text("trace_id"),
    )
    op.create_table(
        "judgements",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("run", sa.Text, sa.ForeignKey("runs.id"), nullable=False),
        _text("gates_digest"),
        _text("baseline"),
        _text("verdict"),
        _big("created_ns"),
    )
    op.create_index("judgements_by_run", "judgements", ["run"])


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, primary_key=primary_key)


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)
