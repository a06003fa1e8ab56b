"""Judgements that say among how many tests alpha was split."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column."""
    op.add_column("judgements", sa.Column("tests", sa.Integer, nullable=False, server_default="0"))
