"""Runs of other targets than prompt versions, of parts of a dataset, their cost, and whole conversations as results."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the columns."""
    for table, name, value in (
        ("runs", "target", ""),
        ("runs", "split", ""),
        ("runs", "behind", ""),
        ("results", "messages", "[]"),
        ("results", "context", "[]"),
    ):
        op.add_column(table, sa.Column(name, sa.Text, nullable=False, server_default=value))
    op.add_column("runs", sa.Column("spent", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("results", sa.Column("cached", sa.Boolean, nullable=False, server_default="0"))
