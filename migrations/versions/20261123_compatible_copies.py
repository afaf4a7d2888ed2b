"""Compatible MP4s: which job makes the one of a video, and since when it is there."""

import sqlalchemy as sa
from alembic import op

from onetake.infra.db.types import BigId, UtcDateTime

revision = "20261123_compatible_copies"
down_revision = "20261122_live_library"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "compatible_copies",
        sa.Column("video_id", BigId, primary_key=True, autoincrement=False),
        sa.Column("job_id", BigId, nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("made_at", UtcDateTime()),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name="fk_compatible_copies_video_id_videos", ondelete="CASCADE"
        ),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("compatible_copies")
