"""Hosts that credentials may go to."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "trusted_hosts",
        sa.Column("credential", sa.Text, nullable=False, primary_key=True),
        sa.Column("host", sa.Text, nullable=False, primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("since_ns", sa.BigInteger, nullable=False),
    )
