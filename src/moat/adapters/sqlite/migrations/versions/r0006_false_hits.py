"""What was measured of semantic caches."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "false_hits",
        sa.Column("alias", sa.Text, nullable=False, primary_key=True),
        sa.Column("embedder", sa.Text, nullable=False, primary_key=True),
        sa.Column("threshold", sa.Float, nullable=False, primary_key=True),
        sa.Column("agreement", sa.Float, nullable=False, primary_key=True),
        sa.Column("release", sa.Text, nullable=False, primary_key=True),
        sa.Column("compared", sa.BigInteger, nullable=False),
        sa.Column("false", sa.BigInteger, nullable=False),
        sa.Column("examples", sa.Text, nullable=False),
        sa.Column("changed_ns", sa.BigInteger, nullable=False),
    )
