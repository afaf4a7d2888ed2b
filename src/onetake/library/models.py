"""The tables of the library: videos, their search index, watch positions, copies for download."""

from datetime import datetime
from enum import IntEnum, StrEnum

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from onetake.infra.db import Base, BigId, LongText, UtcDateTime

GRAM = String(4).with_variant(String(4, collation="C"), "postgresql")
"""Grams compare by code point on each database, so that one character can be looked up as a range."""


class SourceType(StrEnum):
    """Where a video comes from."""

    RECORDED = "recorded"
    UPLOADED = "uploaded"


class Shelf(IntEnum):
    """Where a video stands: every list is one shelf or a merge of two or three, each of them one index range.

    HIDDEN holds what is unlisted or private. GONE is shown to nobody and cannot be restored: its files are on their way
    out.
    """

    PUBLIC = 0
    MEMBERS = 1
    HIDDEN = 2
    TRASH = 3
    GONE = 4


class Video(Base):
    """One title. `shelf` follows from `visibility` and `deleted_at`; `title_folded` is what search looks at.

    `grant_generation` rises, at `narrowed_at`, whenever fewer people may watch: playback tokens carry it, and those of
    earlier generations are revoked (`service/revoking`).
    """

    __tablename__ = "videos"
    __table_args__ = (
        Index("ix_videos_shelf_created_at", "shelf", "created_at", "id"),
        Index("ix_videos_shelf_duration", "shelf", "duration", "id"),
        Index("ix_videos_shelf_file_size", "shelf", "file_size", "id"),
        Index("ix_videos_shelf_view_count", "shelf", "view_count", "id"),
        Index("ix_videos_shelf_title", "shelf", "title_folded", "id"),
        Index("ix_videos_source_shelf_created_at", "source_id", "shelf", "created_at", "id"),
        Index("ix_videos_is_live_shelf_created_at", "is_live", "shelf", "created_at", "id"),
        Index("ix_videos_source_type_shelf_created_at", "source_type", "shelf", "created_at", "id"),
        Index("ix_videos_is_protected_created_at", "is_protected", "created_at", "id"),
        Index("ix_videos_deleted_at", "deleted_at"),
        Index("ix_videos_narrowed_at", "narrowed_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    asset_id: Mapped[str] = mapped_column(String(36), unique=True)
    task_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("record_tasks.id", ondelete="SET NULL"), unique=True)
    source_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("live_sources.id", ondelete="SET NULL"))
    source_name: Mapped[str] = mapped_column(String(64), default="")
    title: Mapped[str] = mapped_column(String(128))
    title_folded: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(LongText, default="")
    source_type: Mapped[str] = mapped_column(String(16))
    is_live: Mapped[bool] = mapped_column(Boolean, default=False)
    duration: Mapped[int] = mapped_column(Integer, default=0)
    file_size: Mapped[int] = mapped_column(BigInteger, default=0)
    file_path: Mapped[str] = mapped_column(String(512))
    thumbnail: Mapped[str | None] = mapped_column(String(512))
    storyboard: Mapped[str | None] = mapped_column(String(512))
    poster_time_ms: Mapped[int | None] = mapped_column(BigInteger)
    width: Mapped[int] = mapped_column(Integer, default=0)
    height: Mapped[int] = mapped_column(Integer, default=0)
    codecs: Mapped[str] = mapped_column(String(64), default="")
    view_count: Mapped[int] = mapped_column(Integer, default=0)
    visibility: Mapped[str] = mapped_column(String(16))
    shelf: Mapped[int] = mapped_column(SmallInteger)
    is_protected: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    grant_generation: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    narrowed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class VideoGram(Base):
    """One gram of a title: the search index, a clustered (gram, video) table on each database."""

    __tablename__ = "video_grams"
    __table_args__ = (Index("ix_video_grams_video_id", "video_id"), {"sqlite_with_rowid": False})

    gram: Mapped[str] = mapped_column(GRAM, primary_key=True)
    video_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )


class WatchProgress(Base):
    """Where a signed-in viewer stopped watching."""

    __tablename__ = "watch_progress"
    __table_args__ = (
        Index("ix_watch_progress_video_id", "video_id"),
        Index("ix_watch_progress_user_updated", "user_id", "updated_at"),
    )

    user_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    video_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    position_s: Mapped[int] = mapped_column(Integer, default=0)
    watched_s: Mapped[int] = mapped_column(Integer, default=0)
    device_type: Mapped[str] = mapped_column(String(16), default="")
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CompatibleCopy(Base):
    """The compatible MP4 of a video: the job that makes it, and since when it is there. Small: rows live for a day."""

    __tablename__ = "compatible_copies"

    video_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    job_id: Mapped[int] = mapped_column(BigId)
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    made_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
