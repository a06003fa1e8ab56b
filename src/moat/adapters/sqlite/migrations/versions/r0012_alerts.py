"""Alerts, what became of them, silences, and messages on their way."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "alerts",
        sa.Column("place", sa.Integer, nullable=False, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_table(
        "alert_outages",
        sa.Column("place", sa.Integer, nullable=False, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_table(
        "alert_events",
        sa.Column("id", sa.Text, nullable=False, primary_key=True),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("alert_events_by_time", "alert_events", ["at_ns"])
    op.create_table(
        "alert_silences",
        sa.Column("id", sa.Text, nullable=False, primary_key=True),
        sa.Column("until_ns", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_table(
        "alert_deliveries",
        sa.Column("id", sa.Text, nullable=False, primary_key=True),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("next_ns", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("alert_deliveries_due", "alert_deliveries", ["status", "next_ns"])
