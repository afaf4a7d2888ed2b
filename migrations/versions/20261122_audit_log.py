"""Audit log: who did what, when, from where."""

import sqlalchemy as sa
from alembic import op

from onetake.infra.db.ddl import create_index
from onetake.infra.db.types import BigId, JsonText, UtcDateTime

revision = "20261122_audit_log"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor_kind", sa.String(16), nullable=False),
        sa.Column("actor_id", BigId),
        sa.Column("actor_name", sa.String(128), nullable=False),
        sa.Column("ip", sa.String(64)),
        sa.Column("request_id", sa.String(64)),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(191), nullable=False),
        sa.Column("before", JsonText()),
        sa.Column("after", JsonText()),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    create_index("ix_audit_log_at", "audit_log", ["at"])
    create_index("ix_audit_log_actor_id_at", "audit_log", ["actor_id", "at"])
    create_index("ix_audit_log_action_at", "audit_log", ["action", "at"])
    create_index("ix_audit_log_target_at", "audit_log", ["target", "at"])


def downgrade() -> None:
    op.drop_table("audit_log")
