"""Runs that ask again where answers flip."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column."""
    op.add_column("runs", sa.Column("least", sa.Integer, nullable=False, server_default="0"))
