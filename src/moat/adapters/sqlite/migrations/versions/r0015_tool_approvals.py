"""Approvals of tool calls."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_TEXTS = ("digest", "tool", "arguments", "key", "tenant", "environment", "feature", "user", "session", "request")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "tool_approvals",
        sa.Column("id", sa.Text, nullable=False, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        sa.Column("guard", sa.Text, nullable=False),
        sa.Column("hours", sa.Float, nullable=False),
        sa.Column("asked_ns", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("expires_ns", sa.BigInteger, nullable=False),
        sa.Column("decided_ns", sa.BigInteger, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("used_ns", sa.BigInteger, nullable=False),
        sa.Column("used_request", sa.Text, nullable=False),
    )
    op.create_index("tool_approvals_by_call", "tool_approvals", ["digest", "state"])
    op.create_index("tool_approvals_by_time", "tool_approvals", ["asked_ns"])
    op.create_index("tool_approvals_by_key", "tool_approvals", ["key", "state"])
