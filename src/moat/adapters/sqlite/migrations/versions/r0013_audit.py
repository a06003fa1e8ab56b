"""The audit log. Its triggers are made by `migrate`, whatever the schema was before."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "audit",
        sa.Column("sequence", sa.Integer, nullable=False, primary_key=True),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("content_digest", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_by_action", "audit", ["action", "subject"])
    op.create_table(
        "audit_contents",
        sa.Column("sequence", sa.Integer, nullable=False, primary_key=True, autoincrement=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_table(
        "audit_open",
        sa.Column("sequence", sa.Integer, nullable=False, primary_key=True, autoincrement=False),
    )
