"""Videos and sources know since when fewer people may watch them, so that playback tokens from before can be refused.

Indexes for lists of what is live or of one type, and for what goes first when the disk is full.
"""

import sqlalchemy as sa
from alembic import op

from onetake.infra.db.ddl import add_column, create_index, drop_column
from onetake.infra.db.types import UtcDateTime

revision = "20261128_video_grants"
down_revision = "20261128_record_tasks"
branch_labels = None
depends_on = None

TABLES = ("videos", "live_sources")
INDEXES = {
    "ix_videos_narrowed_at": ["narrowed_at"],
    "ix_videos_is_live_shelf_created_at": ["is_live", "shelf", "created_at", "id"],
    "ix_videos_source_type_shelf_created_at": ["source_type", "shelf", "created_at", "id"],
    "ix_videos_is_protected_created_at": ["is_protected", "created_at", "id"],
}


def upgrade() -> None:
    for table in TABLES:
        add_column(table, sa.Column("grant_generation", sa.Integer(), nullable=False, server_default="0"))
        add_column(table, sa.Column("narrowed_at", UtcDateTime()))
    create_index("ix_live_sources_narrowed_at", "live_sources", ["narrowed_at"])
    for name, columns in INDEXES.items():
        create_index(name, "videos", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "videos")
    op.drop_index("ix_live_sources_narrowed_at", "live_sources")
    for table in TABLES:
        drop_column(table, "narrowed_at")
        drop_column(table, "grant_generation")
