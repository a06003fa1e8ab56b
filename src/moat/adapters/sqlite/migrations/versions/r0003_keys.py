"""Keys say more of their calls, know who made them, and are rotated."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns; keys that are there fix nothing new, and have one secret."""
    for name, value in (("tags", "[]"), ("data_class", ""), ("metadata", "{}"), ("parent", ""), ("former_hash", "")):
        op.add_column("keys", sa.Column(name, sa.Text, nullable=False, server_default=value))
    op.add_column("keys", sa.Column("former_until_ns", sa.BigInteger, nullable=False, server_default="0"))
