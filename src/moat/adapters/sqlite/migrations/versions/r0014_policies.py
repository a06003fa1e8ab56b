"""Releases and eval runs that say under which guard policies."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the columns."""
    for table in ("releases", "runs"):
        op.add_column(table, sa.Column("policies", sa.Text, nullable=False, server_default="[]"))
