"""Videos know since when fewer people may watch them, so that playback tokens from before can be refused.

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

INDEXES = {
    "ix_videos_narrowed_at": ["narrowed_at"],
    "ix_videos_is_live_shelf_created_at": ["is_live", "shelf", "created_at", "id"],
    "ix_videos_source_type_shelf_created_at": ["source_type", "shelf", "created_at", "id"],
    "ix_videos_is_protected_created_at": ["is_protected", "created_at", "id"],
}


def upgrade() -> None:
    add_column("videos", sa.Column("grant_generation", sa.Integer(), nullable=False, server_default="0"))
    add_column("videos", sa.Column("narrowed_at", UtcDateTime()))
    for name, columns in INDEXES.items():
        create_index(name, "videos", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "videos")
    drop_column("videos", "narrowed_at")
    drop_column("videos", "grant_generation")
