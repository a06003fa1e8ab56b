"""Rollouts, approvals, the registry, and what a model alias meant."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns, with what they meant before, and the tables."""
    _add("releases", deployments="[]")
    _add("evidence", suite_digest="")
    _add("assignments", strategy="all", progress="closed", experiment="", shadow="null", overridden="[]")
    _add("runs", deployments="[]")
    _add("keys", user="")
    op.create_table(
        "approvals",
        sa.Column("release", sa.Text, sa.ForeignKey("releases.id"), nullable=False, primary_key=True),
        sa.Column("environment", sa.Text, nullable=False, primary_key=True),
        sa.Column("actor", sa.Text, nullable=False, primary_key=True),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
    )
    op.create_table(
        "versions",
        sa.Column("name", sa.Text, nullable=False, primary_key=True),
        sa.Column("version", sa.Text, nullable=False, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("commit", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("committed_ns", sa.BigInteger, nullable=False),
        sa.Column("branches", sa.Text, nullable=False),
        sa.Column("registered_ns", sa.BigInteger, nullable=False),
    )
    op.create_index("versions_by_digest", "versions", ["name", "version", "digest"])


def _add(table: str, **columns: str) -> None:
    """Text columns; rows that are there get the given value."""
    for name, value in columns.items():
        op.add_column(table, sa.Column(name, sa.Text, nullable=False, server_default=value))
