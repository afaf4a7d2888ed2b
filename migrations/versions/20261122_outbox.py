"""Outbox of events."""

import sqlalchemy as sa
from alembic import op

from onetake.infra.db.ddl import create_index
from onetake.infra.db.types import BigId, JsonText, LongText

revision = "20261122_outbox"
down_revision = "20261122_accounts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("type", sa.String(128), nullable=False),
        sa.Column("stream", sa.String(128), nullable=False),
        sa.Column("payload", JsonText(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.Column("claim", sa.String(32)),
        sa.Column("claim_until", sa.Double()),
        sa.Column("handled", JsonText(), nullable=False),
        sa.Column("error", LongText),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("done_at", sa.Double()),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    create_index("ix_outbox_state_stream_id", "outbox", ["state", "stream", "id"])
    create_index("ix_outbox_state_done_at", "outbox", ["state", "done_at"])


def downgrade() -> None:
    op.drop_table("outbox")
