"""Spending that was cut off."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "trips",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("usual", sa.BigInteger, nullable=False),
        sa.Column("reset_ns", sa.BigInteger, nullable=False),
        sa.Column("reset_by", sa.Text, nullable=False),
        sa.Column("reset_reason", sa.Text, nullable=False),
    )
    op.create_index("trips_open", "trips", ["reset_ns", "at_ns"])
