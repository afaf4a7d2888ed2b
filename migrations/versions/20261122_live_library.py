"""Live sources, recording tasks, schedules, videos with their search index, watch positions."""

import sqlalchemy as sa
from alembic import op

from onetake.infra.db.ddl import create_index
from onetake.infra.db.types import BigId, JsonText, LongText, UtcDateTime

revision = "20261122_live_library"
down_revision = "20261122_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _live_sources()
    _schedules()
    _record_tasks()
    _videos()
    _watch_progress()


def downgrade() -> None:
    for table in ("watch_progress", "video_grams", "videos", "record_tasks", "schedules", "live_sources"):
        op.drop_table(table)


def _live_sources() -> None:
    op.create_table(
        "live_sources",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("protocol", sa.String(16), nullable=False),
        sa.Column("url", sa.String(512)),
        sa.Column("stream_name", sa.String(64), nullable=False),
        sa.Column("key_hash", sa.String(64)),
        sa.Column("key_hint", sa.String(8)),
        sa.Column("retention_days", sa.Integer, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("record_mode", sa.String(16), nullable=False),
        sa.Column("pull_mode", sa.String(16), nullable=False),
        sa.Column("grace_s", sa.Integer, nullable=False),
        sa.Column("time_shift_s", sa.Integer, nullable=False),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.UniqueConstraint("stream_name", name="uq_live_sources_stream_name"),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    create_index("ix_live_sources_name", "live_sources", ["name"])
    create_index("ix_live_sources_is_active_id", "live_sources", ["is_active", "id"])


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("source_id", BigId, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("cron_expr", sa.String(64)),
        sa.Column("run_at", UtcDateTime()),
        sa.Column("duration_s", sa.Integer, nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("overlap", sa.String(16), nullable=False),
        sa.Column("missed", sa.String(16), nullable=False),
        sa.Column("last_run_at", UtcDateTime()),
        sa.Column("next_run_at", UtcDateTime()),
        sa.Column("last_result", sa.String(64)),
        sa.Column("last_task_id", BigId),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["live_sources.id"], name="fk_schedules_source_id_live_sources", ondelete="CASCADE"
        ),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    create_index("ix_schedules_source_id", "schedules", ["source_id"])
    create_index("ix_schedules_is_active_next_run_at", "schedules", ["is_active", "next_run_at"])


def _record_tasks() -> None:
    op.create_table(
        "record_tasks",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("source_id", BigId),
        sa.Column("open_source_id", BigId),
        sa.Column("source_name", sa.String(64), nullable=False),
        sa.Column("asset_id", sa.String(36)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("trigger", sa.String(16), nullable=False),
        sa.Column("schedule_id", BigId),
        sa.Column("title", sa.String(128), nullable=False),
        sa.Column("pre_roll_s", sa.Integer, nullable=False),
        sa.Column("planned_duration_s", sa.Integer),
        sa.Column("stop_at", UtcDateTime()),
        sa.Column("started_at", UtcDateTime()),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("file_path", sa.String(512)),
        sa.Column("file_size", sa.BigInteger, nullable=False),
        sa.Column("duration", sa.Integer, nullable=False),
        sa.Column("gaps", JsonText(), nullable=False),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_message", LongText),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["live_sources.id"], name="fk_record_tasks_source_id_live_sources", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name="fk_record_tasks_schedule_id_schedules", ondelete="SET NULL"
        ),
        sa.UniqueConstraint("open_source_id", name="uq_record_tasks_open_source_id"),
        sa.UniqueConstraint("asset_id", name="uq_record_tasks_asset_id"),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    create_index("ix_record_tasks_source_id_id", "record_tasks", ["source_id", "id"])
    create_index("ix_record_tasks_status_id", "record_tasks", ["status", "id"])
    create_index("ix_record_tasks_schedule_id", "record_tasks", ["schedule_id"])
    create_index("ix_record_tasks_stop_at", "record_tasks", ["stop_at"])


def _videos() -> None:
    op.create_table(
        "videos",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("asset_id", sa.String(36), nullable=False),
        sa.Column("task_id", BigId),
        sa.Column("source_id", BigId),
        sa.Column("source_name", sa.String(64), nullable=False),
        sa.Column("title", sa.String(128), nullable=False),
        sa.Column("title_folded", sa.String(255), nullable=False),
        sa.Column("description", LongText, nullable=False),
        sa.Column("source_type", sa.String(16), nullable=False),
        sa.Column("is_live", sa.Boolean, nullable=False),
        sa.Column("duration", sa.Integer, nullable=False),
        sa.Column("file_size", sa.BigInteger, nullable=False),
        sa.Column("file_path", sa.String(512), nullable=False),
        sa.Column("thumbnail", sa.String(512)),
        sa.Column("storyboard", sa.String(512)),
        sa.Column("poster_time_s", sa.Integer),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("codecs", sa.String(64), nullable=False),
        sa.Column("view_count", sa.Integer, nullable=False),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("shelf", sa.SmallInteger, nullable=False),
        sa.Column("is_protected", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("deleted_at", UtcDateTime()),
        sa.ForeignKeyConstraint(
            ["task_id"], ["record_tasks.id"], name="fk_videos_task_id_record_tasks", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["live_sources.id"], name="fk_videos_source_id_live_sources", ondelete="SET NULL"
        ),
        sa.UniqueConstraint("asset_id", name="uq_videos_asset_id"),
        sa.UniqueConstraint("task_id", name="uq_videos_task_id"),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    for name in ("created_at", "duration", "file_size", "view_count"):
        create_index(f"ix_videos_shelf_{name}", "videos", ["shelf", name, "id"])
    create_index("ix_videos_shelf_title", "videos", ["shelf", "title_folded", "id"])
    create_index("ix_videos_source_shelf_created_at", "videos", ["source_id", "shelf", "created_at", "id"])
    create_index("ix_videos_deleted_at", "videos", ["deleted_at"])
    op.create_table(
        "video_grams",
        sa.Column("gram", sa.String(4).with_variant(sa.String(4, collation="C"), "postgresql"), primary_key=True),
        sa.Column("video_id", BigId, primary_key=True, autoincrement=False),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], name="fk_video_grams_video_id_videos", ondelete="CASCADE"),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    create_index("ix_video_grams_video_id", "video_grams", ["video_id"])


def _watch_progress() -> None:
    op.create_table(
        "watch_progress",
        sa.Column("user_id", BigId, primary_key=True, autoincrement=False),
        sa.Column("video_id", BigId, primary_key=True, autoincrement=False),
        sa.Column("position_s", sa.Integer, nullable=False),
        sa.Column("watched_s", sa.Integer, nullable=False),
        sa.Column("device_type", sa.String(16), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_watch_progress_user_id_users", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name="fk_watch_progress_video_id_videos", ondelete="CASCADE"
        ),
        if_not_exists=True,
    )
    create_index("ix_watch_progress_video_id", "watch_progress", ["video_id"])
    create_index("ix_watch_progress_user_updated", "watch_progress", ["user_id", "updated_at"])
